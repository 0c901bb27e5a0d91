"""The collector's own metrics: plain integers, read when somebody asks.

Names are the Go collector's Prometheus names, so that existing dashboards work. Counting must cost nothing next to a
span: a component increments an integer of its own, and registers a function that reads it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Labels = Mapping[str, str]


class MetricKind(StrEnum):
    """How Prometheus calls a metric."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Sample:
    """One value under its labels."""

    labels: Labels
    value: float


class Histogram:
    """Counts observations by size. `bounds` are the upper limits of its buckets, ascending."""

    __slots__ = ("bounds", "buckets", "count", "sum")

    def __init__(self, bounds: Iterable[float]) -> None:
        self.bounds = tuple(bounds)
        self.buckets = [0] * (len(self.bounds) + 1)
        self.count = 0
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count one observation."""
        self.buckets[bisect_left(self.bounds, value)] += 1
        self.count += 1
        self.sum += value


Read = Callable[[], Iterable[Sample] | Iterable[tuple[Labels, Histogram]]]

Write = Callable[[], str]
"""Gives series as lines of Prometheus' text. Where there are thousands it takes a while: it may run on any thread."""


@dataclass(slots=True)
class Metric:
    """A metric and everybody who contributes series to it."""

    name: str
    kind: MetricKind
    help: str
    reads: list[Read] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)


class Metrics:
    """A registry: one for the service, and one in it for each component."""

    def __init__(self) -> None:
        self._metrics: dict[str, Metric] = {}
        self.refreshes: list[Callable[[], None]] = []
        """Called before all metrics are read."""
        self.parts: list[Metrics] = []
        """The registries of components, whose series are shown as well."""

    def register(self, name: str, kind: MetricKind, help: str, read: Read) -> None:
        """Add series to the metric `name`: `read` is called at every scrape and gives the samples of that moment."""
        self._metric(name, kind, help).reads.append(read)

    def register_written(self, name: str, kind: MetricKind, help: str, write: Write) -> None:
        """The same for series that somebody else writes."""
        self._metric(name, kind, help).writes.append(write)

    def _metric(self, name: str, kind: MetricKind, help: str) -> Metric:
        metric = self._metrics.setdefault(name, Metric(name, kind, help))
        if metric.kind is not kind:
            msg = f"metric {name} is a {metric.kind}, not a {kind}"
            raise ValueError(msg)
        return metric

    @property
    def writes(self) -> list[Write]:
        """All that write series themselves."""
        registries = (self, *self.parts)
        return [write for registry in registries for metric in registry._metrics.values() for write in metric.writes]

    def __iter__(self) -> Iterator[Metric]:
        for refresh in self.refreshes:
            refresh()
        found: dict[str, Metric] = {}
        for registry in (self, *self.parts):
            for name, metric in registry._metrics.items():
                known = found.setdefault(name, Metric(name, metric.kind, metric.help))
                known.reads += metric.reads
                known.writes += metric.writes
        return iter(sorted(found.values(), key=lambda metric: metric.name))
