"""What tests of metrics share: requests taken apart into series, as values that compare."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

CUMULATIVE, DELTA = 2, 1
INSTANCE, MASK = "collector.instance.id", "*"


@dataclass
class Series:
    """A data point with all that it is known by."""

    resource: dict[str, Any]
    metric: str
    unit: str
    temporality: int
    attributes: dict[str, Any]
    value: float = 0.0
    """Of a sum."""
    count: int = 0
    sum: float = 0.0
    bounds: list[float] = field(default_factory=list)
    buckets: list[int] = field(default_factory=list)
    scale: int = 0
    offset: int = 0
    zeros: int = 0
    min: float = 0.0
    max: float = 0.0
    exemplars: list[tuple[str, str, float]] = field(default_factory=list)
    start: int = 0
    time: int = 0

    @property
    def key(self) -> str:
        """Tells it from others of the same request."""
        return repr((sorted(self.resource.items(), key=repr), self.metric, sorted(self.attributes.items(), key=repr)))

    def facts(self) -> dict[str, Any]:
        """Everything but times, in values that JSON has, without what is empty.

        Sums are rounded, since they depend on the order of additions, and the collector's own id is masked.
        """
        facts = {
            "resource": self.resource,
            "metric": self.metric,
            "unit": self.unit,
            "temporality": self.temporality,
            "attributes": {name: MASK if name == INSTANCE else value for name, value in self.attributes.items()},
            "value": self.value,
            "count": self.count,
            "sum": float(f"{self.sum:.9g}"),
            "bounds": self.bounds,
            "buckets": self.buckets,
            "scale": self.scale,
            "offset": self.offset,
            "zeros": self.zeros,
            "min": self.min,
            "max": self.max,
            "exemplars": [list(each) for each in sorted(self.exemplars)],
        }
        return {name: fact for name, fact in facts.items() if fact}


def plain(value: AnyValue) -> Any:
    """A value as it would be in Python; types that JSON lacks as text."""
    kind = value.WhichOneof("value")
    match kind:
        case None:
            return None
        case "array_value":
            return [plain(item) for item in value.array_value.values]
        case "kvlist_value":
            return {item.key: plain(item.value) for item in value.kvlist_value.values}
        case "bytes_value":
            return f"bytes {value.bytes_value.hex()}"
        case "double_value":
            return value.double_value if math.isfinite(value.double_value) else str(value.double_value)
    return getattr(value, kind)


def attributes(entries: Iterable[KeyValue]) -> dict[str, Any]:
    """Attributes by name; of equal names the first counts."""
    found: dict[str, Any] = {}
    for entry in entries:
        found.setdefault(entry.key, plain(entry.value))
    return found


def series(*requests: bytes) -> list[Series]:
    """All data points of requests, in order."""
    found = []
    for data in requests:
        for group in ExportMetricsServiceRequest.FromString(data).resource_metrics:
            resource = attributes(group.resource.attributes)
            for scope in group.scope_metrics:
                assert scope.scope.name == "spanmetricsconnector"
                for metric in scope.metrics:
                    kind = metric.WhichOneof("data")
                    body = getattr(metric, kind)
                    assert kind != "sum" or body.is_monotonic
                    for point in body.data_points:
                        one = Series(
                            resource,
                            metric.name,
                            metric.unit,
                            body.aggregation_temporality,
                            attributes(point.attributes),
                            start=point.start_time_unix_nano,
                            time=point.time_unix_nano,
                            exemplars=[(e.trace_id.hex(), e.span_id.hex(), e.as_double) for e in point.exemplars],
                        )
                        _fill(one, kind, point)
                        found.append(one)
    return found


def _fill(one: Series, kind: str, point: Any) -> None:
    if kind == "sum":
        one.value = point.as_int if point.WhichOneof("value") == "as_int" else point.as_double
        return
    one.count, one.sum = point.count, point.sum
    if kind == "histogram":
        one.bounds, one.buckets = list(point.explicit_bounds), list(point.bucket_counts)
        assert not point.HasField("min")
    else:
        one.scale, one.zeros = point.scale, point.zero_count
        one.offset, one.buckets = point.positive.offset, list(point.positive.bucket_counts)
        one.min, one.max = point.min, point.max
        assert not point.negative.bucket_counts
