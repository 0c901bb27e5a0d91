"""Traces that wait: what a span costs that arrives, what a decision costs, and how much memory a million spans take.

A request has 5 spans each of 100 traces in turn; a trace comes in 4 requests. So nothing of it stands together.
"""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

import psutil

from collector._kernel import Bell, SpanBatch, Traces
from testbed.bench.payload import SPAN_BYTES, request

TRACES, SPANS, REQUESTS = 100, 5, 4
"""In a request, of each of them, and how many of those."""
LENGTH = SPANS * REQUESTS
TURNS, ROUNDS = 40, 9
MILLION = 1_000_000

FIVE: list[dict[str, object]] = [
    {"name": "errors", "type": "status_code", "status_code": {"status_codes": ["ERROR"]}},
    {"name": "slow", "type": "latency", "latency": {"threshold_ms": 1_000_000}},
    {"name": "large", "type": "numeric_attribute", "numeric_attribute": {"key": "app.tokens", "min_value": 1000}},
    {
        "name": "tenants",
        "type": "string_attribute",
        "string_attribute": {"key": "app.tenant", "values": ["umbrella", "hooli"]},
    },
    {"name": "some", "type": "probabilistic", "probabilistic": {"sampling_percentage": 0}},
]
"""Policies of which none says yes, so that all of them are asked about all spans."""
ALL: list[dict[str, object]] = [{"name": "all", "type": "always_sample"}]


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds of one thread."""

    arrival: float
    """A span."""
    decision: float
    """A trace."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Microseconds of one thread, and memory beside the bytes on the wire."""

    arrival: float
    """A span, of which nothing is asked."""
    arrival_with_policies: float
    """A span, asked by 5 policies."""
    decision: float
    """A trace, by 5 policies."""
    sampled: float
    """A trace that is sampled by a policy that asks nothing."""
    resident: float
    """Resident bytes, for a million spans that wait."""
    accounted: float
    """What they are counted as."""


def requests(groups: int) -> Iterator[SpanBatch]:
    """Build requests. What differs from one to the next are the trace ids."""
    random = Random(2)
    template = bytearray(request(TRACES * SPANS))
    # A span begins with its trace id: field 1, 16 bytes, and then its span id: field 2, 8 bytes.
    places = [match.start() + 2 for match in re.finditer(rb"\x0a\x10.{16}\x12\x08", bytes(template), re.DOTALL)]
    if len(places) != TRACES * SPANS:
        raise RuntimeError(f"found {len(places)} trace ids in a request of {TRACES * SPANS} spans")
    for _ in range(groups):
        ids = [random.randbytes(16) for _ in range(TRACES)]
        for number, place in enumerate(places):
            template[place : place + 16] = ids[number % TRACES]
        for _ in range(REQUESTS):
            yield SpanBatch.decode(bytes(template))


def traces(policies: Sequence[dict[str, object]]) -> Traces:
    """Build a store that holds whatever comes."""
    settings = {"decision_wait": 10.0, "num_traces": 10 * MILLION, "max_bytes": 1 << 40, "policies": list(policies)}
    return Traces(Bell(), settings)


def cost(policies: Sequence[dict[str, object]]) -> Cost:
    """Measure what arrives and what is decided, in memory that was used before, without what the next stage does."""
    store = traces(policies)
    batches = list(requests(TURNS))
    arrivals, decisions = [], []
    for turn in range(ROUNDS):
        arrivals.append(_seconds(partial(_offer, store, batches, turn * 100.0)))
        decisions.append(_seconds(partial(_decide, store, turn * 100.0 + 50.0)))
        while (batch := store.next()) is not None:
            store.leaving(-batch.pinned)
    decided = TURNS * TRACES
    return Cost(
        statistics.median(arrivals[1:]) * 1e6 / (decided * LENGTH), statistics.median(decisions[1:]) * 1e6 / decided
    )


def memory() -> tuple[float, float]:
    """Hold a million spans, and give the resident bytes, and those that are accounted for, as ratios to the wire."""
    store = traces(FIVE)
    process = psutil.Process()
    for batch in requests(1):
        store.offer(batch, 0.0)
    before, counted = process.memory_info().rss, store.bytes
    held = 0
    for batch in requests(MILLION // (TRACES * LENGTH)):
        store.offer(batch, 0.0)
        held += batch.size
    return (process.memory_info().rss - before) / held, (store.bytes - counted) / held


def _offer(store: Traces, batches: Sequence[SpanBatch], now: float) -> None:
    for batch in batches:
        store.offer(batch, now)


def _decide(store: Traces, now: float) -> None:
    while store.decide(now):
        pass


def _seconds(work: Callable[[], object]) -> float:
    began = time.thread_time_ns()
    work()
    return (time.thread_time_ns() - began) / 1e9


def measure() -> Figures:
    """Measure everything."""
    none, five = cost(ALL), cost(FIVE)
    resident, counted = memory()
    return Figures(none.arrival, five.arrival, five.decision, none.decision, resident, counted)


def table(figures: Figures) -> str:
    """Write the figures for people."""
    return "\n".join(
        [
            f"{f'traces of {LENGTH} spans of {SPAN_BYTES} bytes':42} {'µs':>8}",
            f"{'a span arrives, kept as it is':42} {figures.arrival:8.3f}",
            f"{'a span arrives, asked by 5 policies':42} {figures.arrival_with_policies:8.3f}",
            f"{'a trace is decided about by 5 policies':42} {figures.decision:8.3f}",
            f"{'a trace is sampled, and written anew':42} {figures.sampled:8.3f}",
            f"a million spans take {figures.resident:.2f} of their wire bytes, {figures.accounted:.2f} by our count",
        ]
    )
