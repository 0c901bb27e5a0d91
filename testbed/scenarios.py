"""Shapes of load: what is offered when, what goes wrong meanwhile, and what a subject is held to.

Rates are spans a second. They are the same for all subjects, but where a scenario says that it goes by the capacity:
then each subject is driven as fast as it answers for a few seconds first, and gets a multiple of that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Step:
    """A stretch of load."""

    seconds: float
    rate: float | None
    """Spans a second; none is a closed loop."""


@dataclass(frozen=True, slots=True)
class Action:
    """Something that happens meanwhile."""

    at: float
    """Share of the load's time that has passed."""
    what: str
    """For people."""
    mood: Mapping[str, object] | None = None
    """The sink's from now on; otherwise the subject is restarted."""
    crash: bool = False
    """Whether the subject is killed, and not asked to end."""
    reload: bool = False
    """Whether it is given another configuration instead."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is wrong with a subject. Lost, damaged and wrongly kept spans are always."""

    duplicates: bool = False
    """Whether spans may arrive twice: nobody can tell whether a broken connection delivered."""
    accepted: float = 0.99
    """Share of what is offered that must be accepted."""
    goodput: float = 0.0
    """Share of the capacity that must be accepted while more is offered."""
    p99_ms: float | None = 1000.0
    """Bound of the acknowledgement."""
    unacknowledged: int | None = None
    """How many times what may be in flight may arrive without having been acknowledged."""
    repeated: int | None = None
    """How many times what may be in flight may arrive twice."""
    growth: float | None = None
    """MiB that memory may grow in the second half of the load, by its trend."""
    swing: float | None = None
    """How many times its mean memory may be at the most."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A load with a name."""

    name: str
    title: str
    shape: Callable[[float, float], list[Step]]
    """Of the rate and the seconds."""
    seconds: float
    rate: float = 0.0
    """Spans a second; with `of_capacity`, a multiple of it."""
    of_capacity: bool = False
    spans_per_request: int | None = None
    """Where it is not up to the profile."""
    connections: int = 4
    in_flight: int = 256
    """Requests on the way, on all connections together."""
    actions: tuple[Action, ...] = ()
    limits: Limits = field(default_factory=Limits)
    warm_up: float = 2.0
    """Seconds of load before anything is measured; with `of_capacity`, in which the capacity is."""
    drain: float = 15.0
    """Seconds to wait for the last span."""
    quiet: float = 3.0
    """Seconds without an arrival after which nobody waits any more."""


def _closed(rate: float, seconds: float) -> list[Step]:
    return [Step(seconds, None)]


def _steady(rate: float, seconds: float) -> list[Step]:
    return [Step(seconds, rate)]


def _steps(rate: float, seconds: float) -> list[Step]:
    return [Step(seconds / 7, rate * 2**step) for step in range(7)]


def _burst(rate: float, seconds: float) -> list[Step]:
    """Ten times as much for 5 s out of every 15, in as many periods as fit."""
    period = [Step(5.0, rate), Step(5.0, 10 * rate), Step(5.0, rate)]
    return [step for _ in range(max(1, round(seconds / 15))) for step in period]


def _trouble(mood: Mapping[str, object], what: str, again: str) -> tuple[Action, ...]:
    return (Action(0.25, what, mood), Action(0.6, again, {"mood": "well"}))


def _often(count: int, *actions: Action) -> tuple[Action, ...]:
    """Repeat what happens; `at` is the share of one period of `count`."""
    return tuple(replace(action, at=(period + action.at) / count) for period in range(count) for action in actions)


ANYTHING_GOES = Limits(duplicates=True, accepted=0.0, p99_ms=None)

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            "saturation",
            "as fast as it answers: a closed loop",
            _closed,
            8.0,
            in_flight=16,
            limits=Limits(accepted=0.0, p99_ms=None),
        ),
        Scenario("steady", "the same rate all the time", _steady, 10.0, 40_000),
        Scenario(
            "steps",
            "twice as much every few seconds, up to saturation",
            _steps,
            28.0,
            12_500,
            limits=Limits(accepted=0.0, p99_ms=None),
        ),
        Scenario(
            "burst",
            "ten times as much for 5 s out of every 15 s",
            _burst,
            45.0,
            15_000,
            limits=Limits(accepted=0.9, p99_ms=None, growth=32.0),
        ),
        Scenario(
            "overload",
            "twice its capacity for a minute",
            _steady,
            60.0,
            2.0,
            of_capacity=True,
            warm_up=5.0,
            limits=Limits(accepted=0.0, goodput=0.7, p99_ms=None, growth=32.0),
        ),
        Scenario(
            "backend-slow",
            "the backend takes a second for each request, for a while",
            _steady,
            40.0,
            30_000,
            actions=_trouble({"mood": "slow", "delay_ms": 1000}, "backend slow", "backend well"),
            limits=ANYTHING_GOES,
            drain=60.0,
            quiet=10.0,
        ),
        Scenario(
            "backend-dead",
            "nobody listens at the backend, for a while",
            _steady,
            40.0,
            30_000,
            actions=_trouble({"mood": "dead"}, "backend dead", "backend back"),
            limits=ANYTHING_GOES,
            drain=90.0,
            quiet=35.0,
        ),
        Scenario(
            "restart",
            "the collector is ended with SIGTERM in the middle, and started again",
            _steady,
            20.0,
            30_000,
            actions=(Action(0.5, "restart"),),
            limits=ANYTHING_GOES,
        ),
        Scenario(
            "restarts",
            "the same 20 times, as fast as it answers: what was acknowledged arrives, and little beyond",
            _closed,
            50.0,
            actions=_often(20, Action(0.5, "restart")),
            limits=replace(ANYTHING_GOES, unacknowledged=20),
        ),
        Scenario(
            "reloads",
            "another configuration 20 times, as fast as it answers: no request is refused, and every span arrives once",
            _closed,
            50.0,
            actions=_often(20, Action(0.5, "another configuration", reload=True)),
            limits=Limits(accepted=1.0, p99_ms=None, unacknowledged=0),
        ),
        Scenario(
            "crashes",
            "the collector is killed 50 times, as fast as it answers: what was acknowledged arrives",
            _closed,
            100.0,
            actions=_often(50, Action(0.5, "crash", crash=True)),
            limits=replace(ANYTHING_GOES, unacknowledged=50, repeated=50),
        ),
        Scenario(
            "backend-restarts",
            "nobody listens at the backend for a moment, 20 times",
            _steady,
            50.0,
            40_000,
            actions=_often(
                20, Action(0.2, "backend dead", {"mood": "dead"}), Action(0.4, "backend back", {"mood": "well"})
            ),
            limits=replace(ANYTHING_GOES, unacknowledged=0),
            drain=60.0,
            quiet=15.0,
        ),
        Scenario(
            "many-clients",
            "500 connections with small requests",
            _steady,
            15.0,
            20_000,
            spans_per_request=10,
            connections=500,
            in_flight=500,
        ),
        Scenario(
            "soak",
            "the same rate for long: does memory grow?",
            _steady,
            600.0,
            30_000,
            limits=Limits(growth=16.0),
        ),
    )
}
