"""The figures that subjects are compared by: where they stand in a measurement, and which way is better."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from testbed.report import numbers
from testbed.results import Cost, Latency, Measurement, Memory, Spans


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure of a measurement."""

    title: str
    unit: str
    definition: str
    read: Callable[[Measurement], float | None]
    write: Callable[[float], str] = numbers.significant
    more: bool = False
    """Whether more is better."""
    before_load: bool = False
    """Whether it is taken before any load: then all cases measure the same thing."""
    count: bool = False
    """Whether it counts spans. Then the worst round is what is judged: a median would hide a loss in one of three."""

    @property
    def heading(self) -> str:
        """The title, with the unit behind it."""
        return f"{self.title}, {self.unit}" if self.unit else self.title

    def figure(self, value: float) -> str:
        """Write a value with its unit."""
        return f"{self.write(value)} {self.unit}" if self.unit else self.write(value)


def _cost(read: Callable[[Cost], float]) -> Callable[[Measurement], float | None]:
    return lambda it: None if it.cost is None else read(it.cost)


def _memory(read: Callable[[Memory], float | None]) -> Callable[[Measurement], float | None]:
    return lambda it: None if it.memory is None else read(it.memory)


def _acknowledgement(read: Callable[[Latency], float]) -> Callable[[Measurement], float | None]:
    return lambda it: None if it.acknowledgement is None else read(it.acknowledgement)


def _end_to_end(read: Callable[[Latency], float]) -> Callable[[Measurement], float | None]:
    return lambda it: None if it.end_to_end is None else read(it.end_to_end)


def _spans(title: str, definition: str, read: Callable[[Spans], int]) -> Metric:
    return Metric(
        title,
        "spans",
        definition,
        lambda it: None if it.spans is None else read(it.spans),
        numbers.count,
        count=True,
    )


CPU = Metric(
    "CPU per span",
    "µs",
    "user and system time of the whole process tree from the end of the warm-up until all had arrived, "
    "for each span accepted in that time",
    _cost(lambda cost: cost.us_per_span),
)
RATE = Metric(
    "Accepted",
    "spans/s",
    "spans acknowledged while the load lasted, a second",
    # Nothing accepted is a figure, unless nothing was measured.
    lambda it: None if it.spans is None else it.accepted_rate,
    numbers.short,
    more=True,
)
PEAK = Metric(
    "Peak RSS",
    "MiB",
    "most resident memory of the whole process tree, sampled from outside",
    _memory(lambda memory: memory.max),
)
IDLE = Metric(
    "Idle RSS",
    "MiB",
    "resident memory when the subject was ready, before the first span",
    _memory(lambda memory: memory.idle),
    before_load=True,
)
MEAN = Metric("Mean RSS", "MiB", "mean of the resident memory", _memory(lambda memory: memory.mean))
SLOPE = Metric(
    "RSS slope",
    "MiB/min",
    "growth of the resident memory over the second half of the load (Theil-Sen)",
    _memory(lambda memory: memory.slope),
)
_ACK = "time from when a request was due to its answer"
ACK_P50 = Metric("Acknowledgement p50", "ms", f"median {_ACK}", _acknowledgement(lambda latency: latency.p50))
ACK_P99 = Metric("Acknowledgement p99", "ms", f"99th percentile of the {_ACK}", _acknowledgement(lambda it: it.p99))
_END = "time from when the request of a span was due to the arrival of the span at the sink"
END_P50 = Metric("End-to-end p50", "ms", f"median {_END}", _end_to_end(lambda latency: latency.p50))
END_P99 = Metric("End-to-end p99", "ms", f"99th percentile of the {_END}", _end_to_end(lambda latency: latency.p99))
STARTUP = Metric(
    "Startup",
    "s",
    "from the start of the process until it answers a request",
    lambda it: it.startup_seconds,
    before_load=True,
)
DRAIN = Metric("Drain", "s", "from the end of the load until the last span arrived", lambda it: it.drain_seconds)
LOST = _spans("Lost", "accepted, should have arrived, and never did", lambda spans: spans.lost)
DUPLICATED = _spans("Duplicated", "arrivals of ids that had arrived before", lambda spans: spans.duplicated)
WRONGLY_KEPT = _spans(
    "Wrongly kept", "arrived, and should have been filtered or sampled out", lambda spans: spans.wrongly_kept
)
LEAKED = _spans(
    "Leaked", "requests at the sink with a secret that should have been removed", lambda spans: spans.leaked
)
FOREIGN = _spans("Foreign", "arrivals with an id that was never sent: damaged spans", lambda spans: spans.foreign)
UNANSWERED = _spans("Unanswered", "sent, but the answer never came", lambda spans: spans.unanswered)

GRAVE = (LOST, WRONGLY_KEPT, LEAKED, FOREIGN)
"""Any of these is a fault of the subject."""

COMPARED = (
    CPU,
    RATE,
    PEAK,
    IDLE,
    ACK_P50,
    ACK_P99,
    END_P50,
    END_P99,
    STARTUP,
    DRAIN,
    *GRAVE,
    DUPLICATED,
    UNANSWERED,
)
"""What subjects are compared by. Refused and unsent spans are not accepted ones, and counted there."""
