"""A made-up result of the testbed with everything in it that a reader must cope with.

Three subjects and one that is not there, in six scenarios, two or three rounds. Rotel is absent from the pipeline
`sanitize`; the Go collector failed a round of `overload`, and its log is not friendly; Spanmill has an invalid round of
`burst`. Spanmill costs less at 512 spans a request, and more at 10.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import msgspec

from testbed.results import (
    Calibration,
    Cost,
    Effort,
    Event,
    Finding,
    Latency,
    Machine,
    Measurement,
    Memory,
    Result,
    Sample,
    Spans,
    Status,
    Subject,
)

SUBJECTS = {
    "spanmill": Subject("Spanmill", "0.1.0"),
    "gocollector": Subject("Go collector", "0.160.0"),
    "rotel": Subject("Rotel", "0.1.20"),
    "vector": Subject("Vector", absent="its build needs a download"),
}
COSTS = {
    "spanmill": {512: 1.7, 100: 4.3, 10: 33.0},
    "gocollector": {512: 5.3, 100: 6.2, 10: 13.8},
    "rotel": {512: 2.9, 100: 3.4, 10: 8.1},
}
SCRIPT = "panic: <script>alert('x')</script> | `at` *line* 3"


def spans(offered: int, accepted: int | None = None, **others: int) -> Spans:
    """Account for spans of which nothing is amiss, but for what is named."""
    accepted = offered if accepted is None else accepted
    missing = others.get("lost", 0) + others.get("dropped", 0)
    nothing = dict.fromkeys(Spans.__struct_fields__, 0)
    known = {"offered": offered, "accepted": accepted, "refused": offered - accepted, "delivered": accepted - missing}
    return Spans(**{**nothing, **known, **others})


def latency(p50: float, tail: float = 4.0) -> Latency:
    """A distribution whose every nine is so many times the one before."""

    def at(percentile: float) -> float:
        return round(p50 * tail ** (-math.log10(1 - percentile / 100) - 0.3), 4)

    points = [float(percentile) for percentile in range(0, 100, 2)] + [99.0, 99.5, 99.8, 99.9, 99.95]
    curve = [(percentile, at(percentile)) for percentile in points]
    longest = at(99.99)
    return Latency(100_000, at(50), at(90), at(99), at(99.9), longest, [*curve, (100.0, longest)])


def cost(us_per_span: float, count: int = 1_000_000) -> Cost:
    """The cost of a span, a fifth of it in the system."""
    seconds = us_per_span * count / 1e6
    return Cost(seconds * 0.8, seconds * 0.2, count, us_per_span)


def memory(peak: float) -> Memory:
    """Memory that stays within its peak."""
    return Memory(peak * 0.6, peak * 0.8, peak * 0.95, peak, 12.5, 0.01)


def measurement(subject: str = "spanmill", **changes: object) -> Measurement:
    """A valid measurement of `saturation`, but for the changes."""
    plain = Measurement(
        scenario="saturation",
        subject=subject,
        pipeline="chain",
        profile="llm",
        settings="same",
        spans_per_request=512,
        request_bytes=248_000.0,
        protocol="grpc",
        compression="none",
        connections=4,
        in_flight=16,
        round=1,
        status=Status.OK,
        seconds=30.0,
        accepted_rate=400_000.0,
        startup_seconds=0.4,
        drain_seconds=0.2,
        spans=spans(12_000_000),
        cost=cost(1.7),
        memory=memory(58),
        acknowledgement=latency(3.0),
        end_to_end=latency(120.0, 1.3),
        answers={"OK": 23_437},
        effort=Effort(0.4, 0.2, 0.8),
    )
    return msgspec.structs.replace(plain, **changes)


def result(*measurements: Measurement, **changes: object) -> Result:
    """A run with these measurements."""
    plain = Result(
        name="sample",
        began="2025-11-25T22:14:00+00:00",
        seconds=3600.0,
        command=["python", "-m", "testbed", "run", "all"],
        revision="7117136",
        machine=Machine("AMD EPYC 7763", 4, 16_384, "Linux 6.8", "3.11.7", "subject 0-1, testbed 2-3"),
        subjects=SUBJECTS,
        configurations={"testbed/subjects/chain.yaml": "receivers:\n  otlp: {}  # <all>\n"},
        calibrations=[Calibration("llm", 512, 0.53), Calibration("llm", 100, 0.55), Calibration("llm", 10, 0.8)],
        measurements=list(measurements),
    )
    return msgspec.structs.replace(plain, **changes)


def full() -> Result:
    """Everything."""
    chance = random.Random(7)
    return result(*_saturation(chance), *_over_time(chance))


def some(*scenarios: str) -> Result:
    """Everything of these scenarios."""
    return result(*(one for one in full().measurements if one.scenario in scenarios))


def _saturation(chance: random.Random) -> list[Measurement]:
    found = []
    for pipeline, factor in (("pass", 0.8), ("chain", 1.0), ("sanitize", 1.4)):
        for size in (512, 100, 10):
            for turn in (1, 2, 3):
                for subject, costs in COSTS.items():
                    load = {"pipeline": pipeline, "spans_per_request": size, "round": turn}
                    load["request_bytes"] = size * 485.0
                    if subject == "rotel" and pipeline == "sanitize":
                        reason = "no processor of it hashes values"
                        found.append(absent(subject, reason, **load))
                        continue
                    us = costs[size] * factor * chance.uniform(0.95, 1.08)
                    peak = {"spanmill": 55, "gocollector": 95, "rotel": 40}[subject] * chance.uniform(0.97, 1.1)
                    found.append(
                        measurement(
                            subject,
                            **load,
                            accepted_rate=1.9e6 / us,
                            cost=cost(us),
                            memory=memory(peak + size / 25),
                            acknowledgement=latency(us * size / 100, 2.2),
                        )
                    )
    return found


def absent(subject: str, reason: str, **changes: object) -> Measurement:
    """A measurement that was not taken since the subject has no such pipeline."""
    return nothing(measurement(subject, **changes), Status.ABSENT, reason)


def nothing(of: Measurement, status: Status, reason: str, log: list[str] | None = None) -> Measurement:
    """The measurement without its figures."""
    parts = ("spans", "cost", "memory", "acknowledgement", "end_to_end", "startup_seconds", "drain_seconds", "effort")
    empty = dict.fromkeys(parts)
    return msgspec.structs.replace(
        of, status=status, reason=reason, log=log or [], accepted_rate=0.0, series=[], answers={}, **empty
    )


def _over_time(chance: random.Random) -> list[Measurement]:
    """Loads by a schedule, with what was seen every half second."""
    loads: dict[str, tuple[Callable[[float], float], list[Event]]] = {
        "steady": (lambda t: 100_000, []),
        "burst": (
            lambda t: 20_000 if t < 0 or t % 15 >= 5 else 200_000,
            [Event(at, "10x") for at in (0.0, 15.0, 30.0, 45.0)],
        ),
        "overload": (
            lambda t: 100_000 if t < 60 else 0,
            [Event(0.0, "twice its capacity"), Event(60.0, "load ends")],
        ),
        "backend-dead": (
            lambda t: 60_000 if t < 60 else 0,
            [Event(15.0, "backend is gone"), Event(16.0, "queue begins to fill"), Event(40.0, "backend is back")],
        ),
        "restart": (lambda t: 50_000, [Event(20.0, "SIGTERM"), Event(20.6, "subject is back")]),
    }
    return [
        _timed(measurement(subject, scenario=scenario, round=turn, events=events), offered, chance)
        for scenario, (offered, events) in loads.items()
        for turn in (1, 2)
        for subject in COSTS
    ]


def _timed(plain: Measurement, offered: Callable[[float], float], chance: random.Random) -> Measurement:
    scenario, subject, turn = plain.scenario, plain.subject, plain.round
    capacity = {"spanmill": 260_000, "gocollector": 190_000, "rotel": 310_000}[subject]
    base = {"spanmill": 52.0, "gocollector": 80.0, "rotel": 34.0}[subject]
    series, backlog = [], 0.0
    for step in range(-10, 150):
        t = step / 2
        due = offered(t)
        if scenario == "overload" and 0 <= t < 60:
            due = 2.0 * capacity
        accepted = min(due, capacity * chance.uniform(0.93, 1.03))
        gone = scenario == "backend-dead" and 15 <= t < 40
        delivered = 0.0 if gone else min(accepted + backlog, capacity)
        backlog = max(0.0, backlog + accepted - delivered) if gone else backlog * 0.7
        rss = base * (1 + min(1.5, accepted / 400_000) + min(2.0, backlog / 400_000)) + chance.uniform(-1, 1)
        series.append(Sample(t, due, accepted, due - accepted, delivered, rss, accepted / capacity * 1.9))
    due_spans = int(sum(sample.offered for sample in series) / 2)
    taken = int(sum(sample.accepted for sample in series) / 2)
    us = COSTS[subject][100] * chance.uniform(0.95, 1.1)
    lost = 1280 if scenario == "restart" and subject == "gocollector" else 0
    found = msgspec.structs.replace(
        plain,
        spans_per_request=100,
        request_bytes=48_500.0,
        in_flight=64,
        seconds=70.0,
        target_rate=due_spans / 75,
        accepted_rate=taken / 75,
        spans=spans(due_spans, taken, lost=lost, duplicated=400 if scenario == "restart" else 0),
        findings=[Finding("lost", f"{lost} accepted spans never arrived, none may")] if lost else [],
        cost=cost(us, taken),
        memory=memory(max(sample.rss for sample in series)),
        acknowledgement=latency({"spanmill": 2.4, "gocollector": 1.8, "rotel": 1.1}[subject], 6.0),
        end_to_end=latency({"spanmill": 130.0, "gocollector": 140.0, "rotel": 110.0}[subject], 1.5),
        drain_seconds=chance.uniform(0.2, 0.9),
        answers={"OK": taken // 100, "RESOURCE_EXHAUSTED": (due_spans - taken) // 100},
        series=series,
    )
    if (scenario, subject, turn) == ("burst", "spanmill", 2):
        return msgspec.structs.replace(found, status=Status.INVALID, reason="the load generator was 40 ms late")
    if (scenario, subject, turn) == ("overload", "gocollector", 1):
        return nothing(found, Status.FAILED, "exited with 137", ["info: ready", SCRIPT])
    return found
