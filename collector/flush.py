"""Metrics that were made of spans, on their way from a connector to exporters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class MetricsRequest:
    """An `ExportMetricsServiceRequest` on the wire."""

    data: bytes
    points: int
    """How many data points it has."""


@dataclass(frozen=True, slots=True)
class Flush:
    """The metrics of one interval."""

    source: str
    """The id of the connector."""
    requests: tuple[MetricsRequest, ...]
    is_cumulative: bool
    """Whether the next flush says all of it again, so that this one need not be kept longer than that."""


class MetricsConsumer(Protocol):
    """Where the metrics of a connector go."""

    def take(self, flush: Flush) -> None:
        """Take responsibility for the metrics. Nobody waits here: what cannot be kept is counted."""
