"""OTLP trace requests made by hypothesis, as protobuf objects.

    @given(requests())
    def test_…(request: ExportTraceServiceRequest) -> None: ...

Keys and texts come from small pools beside free text, so that what an op looks for is found often enough. Where an op
looks for something in particular, pass attributes of its own: `requests(attributes=key_values(keys=["http.url"]))`.
"""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import (
    AnyValue,
    ArrayValue,
    InstrumentationScope,
    KeyValue,
    KeyValueList,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

KEYS = ("http.route", "http.status_code", "service.name", "user.id", "env", "a", "b", "")
TEXTS = ("", "a", "abc", "GET /u/42", "42", "-7", "1.5", "true", "prod", "héllo", "line\nline")

UINT32 = st.integers(0, 2**32 - 1)
UINT64 = st.integers(0, 2**64 - 1)


def texts(pool: Sequence[str] = TEXTS) -> SearchStrategy[str]:
    """Text from the pool or any text, up to lengths that need two bytes on the wire."""
    return st.sampled_from(pool) | st.text(max_size=20) | st.text(alphabet="xy", min_size=120, max_size=200)


def scalars() -> SearchStrategy[AnyValue]:
    """Values that hold no other values, among them one without content."""
    return st.one_of(
        texts().map(lambda value: AnyValue(string_value=value)),
        st.booleans().map(lambda value: AnyValue(bool_value=value)),
        (st.integers(-3, 300) | st.integers(-(2**63), 2**63 - 1)).map(lambda value: AnyValue(int_value=value)),
        (st.sampled_from([0.0, -0.0, 1.0, 1.5, -3.9, 1e21, 1e-7]) | st.floats()).map(
            lambda value: AnyValue(double_value=value)
        ),
        st.binary(max_size=8).map(lambda value: AnyValue(bytes_value=value)),
        st.just(AnyValue()),
    )


def _nest(values: SearchStrategy[AnyValue]) -> SearchStrategy[AnyValue]:
    entries = st.lists(st.builds(KeyValue, key=texts(KEYS), value=values), max_size=3)
    return st.lists(values, max_size=3).map(lambda items: AnyValue(array_value=ArrayValue(values=items))) | entries.map(
        lambda items: AnyValue(kvlist_value=KeyValueList(values=items))
    )


def any_values() -> SearchStrategy[AnyValue]:
    """Values of every type, nested a few levels."""
    return scalars() | st.recursive(scalars(), _nest, max_leaves=6)


def key_values(
    keys: Sequence[str] = KEYS,
    values: SearchStrategy[AnyValue] | None = None,
    *,
    unique: bool = True,
    max_size: int = 6,
) -> SearchStrategy[list[KeyValue]]:
    """Attributes, as a list. With `unique=False` keys may stand more than once."""
    entries = st.builds(
        KeyValue, key=st.sampled_from(keys) | texts(keys), value=any_values() if values is None else values
    )
    return st.lists(entries, max_size=max_size, unique_by=(lambda entry: entry.key) if unique else None)


def _ids(size: int) -> SearchStrategy[bytes]:
    return st.binary(min_size=size, max_size=size)


def events(attributes: SearchStrategy[list[KeyValue]] | None = None) -> SearchStrategy[Span.Event]:
    """Span events."""
    return st.builds(
        Span.Event,
        time_unix_nano=UINT64,
        name=texts(("exception", "debug", "")),
        attributes=key_values(max_size=3) if attributes is None else attributes,
        dropped_attributes_count=st.sampled_from([0, 1, 300]),
    )


def links() -> SearchStrategy[Span.Link]:
    """Span links."""
    return st.builds(
        Span.Link, trace_id=_ids(16), span_id=_ids(8), trace_state=texts(("", "a=b")), attributes=key_values(max_size=2)
    )


def spans(attributes: SearchStrategy[list[KeyValue]] | None = None) -> SearchStrategy[Span]:
    """Spans."""
    return st.builds(
        Span,
        trace_id=_ids(16),
        span_id=_ids(8),
        parent_span_id=st.just(b"") | _ids(8),
        trace_state=st.sampled_from(["", "a=b", "ot=th:8", "vendor=1,ot=p:8;r:62"]),
        name=texts(("GET /healthz", "GET /u/42", "query", "")),
        kind=st.sampled_from(Span.SpanKind.values()),
        start_time_unix_nano=UINT64,
        end_time_unix_nano=UINT64,
        attributes=key_values() if attributes is None else attributes,
        dropped_attributes_count=UINT32,
        events=st.lists(events(), max_size=2),
        dropped_events_count=st.sampled_from([0, 2]),
        links=st.lists(links(), max_size=2),
        dropped_links_count=st.sampled_from([0, 3]),
        status=st.builds(Status, code=st.sampled_from(Status.StatusCode.values()), message=texts(("", "failed"))),
        flags=st.sampled_from([0, 1, 0x101]),
    )


def scopes() -> SearchStrategy[InstrumentationScope]:
    """Instrumentation scopes."""
    return st.builds(
        InstrumentationScope,
        name=texts(("lib.http", "lib.db", "")),
        version=st.sampled_from(["", "1.0", "2.0"]),
        attributes=key_values(max_size=2),
    )


def requests(
    attributes: SearchStrategy[list[KeyValue]] | None = None,
    resource_attributes: SearchStrategy[list[KeyValue]] | None = None,
    *,
    max_spans: int = 3,
) -> SearchStrategy[ExportTraceServiceRequest]:
    """Requests of several resources, scopes and spans, empty levels among them.

    `attributes` are those of spans, `resource_attributes` those of resources.
    """
    scope_spans = st.builds(
        ScopeSpans,
        scope=scopes(),
        spans=st.lists(spans(attributes), max_size=max_spans),
        schema_url=st.sampled_from(["", "https://schema"]),
    )
    resources = st.builds(
        Resource,
        attributes=key_values(max_size=4) if resource_attributes is None else resource_attributes,
        dropped_attributes_count=st.sampled_from([0, 1]),
    )
    resource_spans = st.builds(
        ResourceSpans,
        resource=resources,
        scope_spans=st.lists(scope_spans, max_size=2),
        schema_url=st.sampled_from(["", "https://schema"]),
    )
    return st.builds(ExportTraceServiceRequest, resource_spans=st.lists(resource_spans, max_size=3))


def put_varint(value: int) -> bytes:
    """A varint, as protobuf writes it."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def unknown_fields() -> SearchStrategy[bytes]:
    """Fields that no OTLP message has, as bytes to append to any of them."""
    return st.lists(
        st.tuples(st.integers(100, 5000), st.binary(max_size=10)).map(
            lambda field: put_varint(field[0] << 3 | 2) + put_varint(len(field[1])) + field[1]
        ),
        max_size=2,
    ).map(b"".join)
