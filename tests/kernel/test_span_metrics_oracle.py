"""Metrics of spans compared with the same counting in Python, on protobuf objects."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from metrics_requests import INSTANCE, series
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from otlp_strategies import key_values, requests

from collector._kernel import SpanMetrics
from collector.spans import receive
from collector.testing import any_value

BOUNDS = [0.002, 1.0, 5_000_000.0]
MILLISECOND = 1e6
KEYS = ["service.name", "http.route", "env", "a"]
OVERFLOW = {"otel.metric.overflow": True}


@dataclass
class Config:
    """What is drawn of the settings."""

    dimensions: list[tuple[str, str | None]]
    event_dimensions: list[tuple[str, str | None]]
    excluded: list[str]
    scopes: list[str]
    resource_key: list[str]
    limit: int
    exemplars: int
    method: bool

    def settings(self) -> dict[str, Any]:
        """The same for the kernel."""

        def dimensions(pairs: list[tuple[str, str | None]]) -> list[dict[str, Any]]:
            return [{"name": name, "default": default} for name, default in pairs]

        return {
            "namespace": "",
            "instance": "me",
            "dimensions": dimensions(self.dimensions),
            "event_dimensions": dimensions(self.event_dimensions),
            "exclude_dimensions": self.excluded,
            "scopes": self.scopes,
            "histogram": {"unit": "ms", "buckets": {"explicit": BOUNDS}},
            "resources": 100,
            "resource_key": self.resource_key,
            "cardinality": self.limit,
            "exemplars": self.exemplars,
            "sampling_method": self.method,
        }


USUAL = ["service.name", "span.name", "span.kind", "status.code", INSTANCE]
dimension_lists = st.lists(
    st.tuples(st.sampled_from(["http.route", "env", "a", "b"]), st.none() | st.sampled_from(["", "x"])),
    max_size=3,
    unique_by=lambda pair: pair[0],
)
configs = st.builds(
    Config,
    dimensions=dimension_lists,
    event_dimensions=st.just([("user.id", None)]),
    excluded=st.lists(st.sampled_from(USUAL), max_size=2),
    scopes=st.lists(st.sampled_from(["lib.http", "lib.db"]), max_size=2),
    resource_key=st.lists(st.sampled_from(["service.name", "env"]), max_size=1),
    limit=st.sampled_from([0, 0, 1, 2]),
    exemplars=st.sampled_from([0, 2]),
    method=st.booleans(),
)

service_names = st.sampled_from(["shop", "till"]).map(any_value)
resources = st.one_of(
    key_values(KEYS, max_size=3),
    st.tuples(service_names, key_values(["env", "host"], max_size=2)).map(
        lambda pair: (
            [*pair[1], KeyValue(key="service.name", value=pair[0])]
            if all(each.key != "service.name" for each in pair[1])
            else pair[1]
        )
    ),
)


@dataclass
class Expected:
    """What a series has come to."""

    attributes: list[tuple[str, bytes]]
    count: int = 0
    sum: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    exemplars: int = 0


class Oracle:
    """Counts span by span, with dictionaries."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.resources: dict[Any, Resource] = {}
        self.tables: dict[Any, dict[Any, Expected]] = defaultdict(dict)
        self.unnamed = self.overflowed = 0

    def consume(self, request: ExportTraceServiceRequest) -> None:
        for group in request.resource_spans:
            service = get(group.resource.attributes, "service.name")
            for scope in group.scope_spans:
                for span in scope.spans:
                    if service is None:
                        self.unnamed += 1
                    else:
                        self.span(span, scope.scope, group.resource, service.string_value)

    def span(self, span: Span, scope: InstrumentationScope, resource: Resource, service: str) -> None:
        wanted = self.config.resource_key
        key = tuple(sorted((a.key, wire(a.value)) for a in resource.attributes if not wanted or a.key in wanted))
        self.resources.setdefault(key, resource)
        weight = 2 if span.trace_state == "ot=th:8" else 1
        duration = max(0, span.end_time_unix_nano - span.start_time_unix_nano) / MILLISECOND
        usual = list(self.usual(span, scope, service, weight))
        sources = [span.attributes, resource.attributes]
        attributes = usual + list(found(self.config.dimensions, sources))
        full = self.add((key, "calls"), attributes, duration, weight, span)
        self.add((key, "duration"), attributes, duration, weight, span)
        for event in span.events:
            sources = [span.attributes, event.attributes, resource.attributes]
            dimensions = self.config.dimensions + self.config.event_dimensions
            full |= self.add((key, "events"), usual + list(found(dimensions, sources)), duration, weight, span)
        self.overflowed += full

    def usual(self, span: Span, scope: InstrumentationScope, service: str, weight: int) -> Iterator[tuple[str, bytes]]:
        values = [service, span.name, kind(span.kind), code(span.status.code), "me"]
        for name, value in zip(USUAL, values, strict=True):
            if name not in self.config.excluded:
                yield name, wire(any_value(value))
        if scope.name and scope.name in self.config.scopes:
            yield "span.instrumentation.scope.name", wire(any_value(scope.name))
            if scope.version:
                yield "span.instrumentation.scope.version", wire(any_value(scope.version))
        if self.config.method:
            yield "sampling.method", wire(any_value("extrapolated" if weight > 1 else "counted"))

    def add(self, table: Any, attributes: list[tuple[str, bytes]], value: float, weight: int, span: Span) -> bool:
        known = self.tables[table]
        key: Any = tuple(sorted(attributes))
        full = key not in known and 0 < self.config.limit <= sum(each != OVERFLOW_KEY for each in known)
        if full:
            key, attributes = OVERFLOW_KEY, [(name, wire(any_value(flag))) for name, flag in OVERFLOW.items()]
        one = known.setdefault(key, Expected(attributes))
        one.count += weight
        one.sum += value * weight
        one.buckets[bisect_left([bound * 1000 for bound in BOUNDS], value)] += weight
        one.exemplars += not full and any(span.trace_id)
        return full


OVERFLOW_KEY = "overflow"


def get(attributes: Any, name: str) -> AnyValue | None:
    return next((each.value for each in attributes if each.key == name), None)


def found(dimensions: list[tuple[str, str | None]], sources: list[Any]) -> Iterator[tuple[str, bytes]]:
    seen = set()
    for name, default in dimensions:
        values = [value for source in sources if (value := get(source, name)) is not None]
        if default is not None:
            values.append(any_value(default))
        if values and name not in seen:
            seen.add(name)
            yield name, wire(values[0])


def wire(value: AnyValue) -> bytes:
    return value.SerializeToString(deterministic=True)


def kind(number: int) -> str:
    return Span.SpanKind.Name(number)  # type: ignore[arg-type]


def code(number: int) -> str:
    return Status.StatusCode.Name(number)  # type: ignore[arg-type]


@given(st.lists(requests(key_values(KEYS), resources), min_size=1, max_size=3), configs)
def test_counts_what_the_oracle_counts(batches: list[ExportTraceServiceRequest], config: Config) -> None:
    """Counts, sums, buckets and the number of exemplars of every series, whatever comes."""
    oracle, metrics = Oracle(config), SpanMetrics(config.settings())
    for batch in batches:
        oracle.consume(batch)
        metrics.consume(receive(batch.SerializeToString()), 1)

    got = series(*(data for data, _ in metrics.flush(2, 1 << 20)))
    wanted = {
        (repr(sorted_attributes(oracle.resources[resource].attributes)), metric, readable(one.attributes)): one
        for (resource, metric), table in oracle.tables.items()
        for one in table.values()
    }
    keyed = {(repr(sorted(one.resource.items())), one.metric, repr(sorted(one.attributes.items()))): one for one in got}
    assert len(keyed) == len(got)
    assert keyed.keys() == wanted.keys()
    for key, expected in wanted.items():
        one = keyed[key]
        assert len(one.exemplars) == min(expected.exemplars, config.exemplars)
        if one.metric == "duration":
            assert (one.count, one.buckets) == (expected.count, expected.buckets)
            assert math.isclose(one.sum, expected.sum, rel_tol=1e-9)
        else:
            assert one.value == expected.count
    counts = metrics.counts()
    assert counts["unnamed"] == oracle.unnamed
    assert counts["overflowed"] == oracle.overflowed
    assert counts["counted"] + counts["unnamed"] == sum(
        len(scope.spans) for batch in batches for group in batch.resource_spans for scope in group.scope_spans
    )


def sorted_attributes(entries: Any) -> list[tuple[str, Any]]:
    from metrics_requests import attributes  # noqa: PLC0415

    return sorted(attributes(entries).items())


def readable(entries: list[tuple[str, bytes]]) -> str:
    return repr(sorted_attributes([KeyValue(key=key, value=AnyValue.FromString(value)) for key, value in entries]))
