"""What is measured together: loads with their rounds, under a name that `run` takes like that of a scenario."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from testbed.measuring.request import LoadSpec
from testbed.pipelines import PIPELINES
from testbed.profiles import PROFILES
from testbed.scenarios import SCENARIOS

SIZES = (512, 100, 10)
"""Spans per request."""


@dataclass(frozen=True, slots=True)
class Suite:
    """Loads that belong together."""

    name: str
    title: str
    loads: tuple[tuple[LoadSpec, int], ...]
    """Each with its rounds."""
    subjects: tuple[str, ...] = ("spanmill", "gocollector", "rotel")


def load(
    scenario: str, pipeline: str = "pass", profile: str = "http", spans_per_request: int | None = None
) -> LoadSpec:
    """A load with the defaults of its scenario and its profile."""
    chosen, traffic = SCENARIOS[scenario], PROFILES[profile]
    spans = spans_per_request or chosen.spans_per_request or traffic.spans_per_request
    return LoadSpec(chosen, PIPELINES[pipeline], traffic, spans, chosen.seconds, chosen.rate)


def _saturations(*pipelines: str) -> Iterator[tuple[LoadSpec, int]]:
    for pipeline in pipelines:
        for size in SIZES:
            yield load("saturation", pipeline, spans_per_request=size), 3


def _engines() -> Iterator[tuple[LoadSpec, int]]:
    transform = load("saturation", "transform", spans_per_request=SIZES[0])
    for spec in (*(spec for spec, _ in _saturations("pass", "sanitize")), transform):
        yield replace(spec, seconds=6.0), 2


def _durable() -> Iterator[tuple[LoadSpec, int]]:
    for spec, _ in _saturations("durable"):
        yield replace(spec, seconds=6.0), 2


def _transports() -> Iterator[tuple[LoadSpec, int]]:
    plain = load("saturation", spans_per_request=100)
    yield replace(plain, compression="gzip"), 2
    for protocol in ("grpc-tls", "http", "json"):
        yield replace(plain, protocol=protocol), 2


def _held_to_more(spec: LoadSpec, *, goodput: float, swing: float) -> LoadSpec:
    """Bounds that a subject can keep, and that a machine with little time for it cannot."""
    limits = replace(spec.scenario.limits, goodput=goodput, swing=swing)
    return replace(spec, scenario=replace(spec.scenario, limits=limits))


def _everything() -> Iterator[tuple[LoadSpec, int]]:
    yield from _saturations(*PIPELINES)
    recommended = load("saturation", spans_per_request=100)
    yield replace(recommended, settings="recommended"), 3
    yield replace(recommended, compression="zstd"), 3
    yield from _transports()
    for profile in PROFILES:
        if profile != "http":
            yield load("saturation", "chain", profile), 3
    for scenario in SCENARIOS:
        if scenario not in {"saturation", "soak"}:
            yield load(scenario), 3 if scenario == "steady" else 1
            yield load(scenario, "chain"), 3 if scenario == "steady" else 1
    for scenario in ("burst", "overload"):
        yield replace(load(scenario), settings="recommended"), 1
    yield load("soak", "chain"), 1


SUITES: dict[str, Suite] = {
    suite.name: suite
    for suite in (
        Suite(
            "standard",
            "the comparison of docs/performance.md, in some 18 minutes",
            (*_saturations("pass", "chain"), (load("steady"), 3), (load("burst"), 1), (load("overload"), 1)),
        ),
        Suite("full", "all there is, in some hours", tuple(_everything())),
        Suite(
            "engines",
            "both engines, with and without offload, beside the Go collector, in a quarter of an hour",
            tuple(_engines()),
            ("spanmill", "spanmill-tickets", "spanmill-grpcio", "gocollector"),
        ),
        Suite(
            "durable",
            "queues on disk, beside the Go collector, in four minutes",
            tuple(_durable()),
            ("spanmill", "spanmill-tickets", "gocollector"),
        ),
        Suite(
            "tail",
            "tail_sampling beside the Go collector, in three minutes, and ten minutes at its bound",
            (
                *((replace(load("saturation", "tail", spans_per_request=size), seconds=6.0), 2) for size in (512, 20)),
                *((load("steady", "tail", spans_per_request=size), 1) for size in (512, 20)),
                (load("soak", "tail-bounded", "mixed"), 1),
            ),
            ("spanmill", "gocollector"),
        ),
        Suite(
            "transports",
            "gzip, TLS, HTTP and JSON, beside the Go collector, in five minutes",
            tuple(_transports()),
            ("spanmill", "gocollector"),
        ),
        Suite(
            "ci",
            "a burst and an overload on Spanmill alone, in a minute",
            (
                (replace(load("burst", "chain"), seconds=15.0), 1),
                (replace(load("overload", "chain"), seconds=15.0), 1),
            ),
            ("spanmill",),
        ),
        Suite(
            "chaos",
            "restarts of the collector and of the backend and reloads under load, 20 each, 50 crashes, an overload, and"
            " restarts while traces wait, in a quarter of an hour",
            (
                *((load(scenario, "chain"), 1) for scenario in ("restarts", "backend-restarts", "reloads")),
                (load("restarts", "tail-bounded"), 1),
                (load("crashes", "durable"), 1),
                (_held_to_more(load("overload", "durable"), goodput=0.9, swing=1.3), 1),
            ),
            ("spanmill", "spanmill-grpcio"),
        ),
    )
}
