"""The filter compared with the same conditions written in Python, on protobuf objects."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from collector._kernel import Op, Program
from collector.spans import receive
from collector.testing import Attribute, key_values

NAMES = st.sampled_from(["GET /", "GET /healthz", "load", "é", ""])
VALUES: st.SearchStrategy[Attribute] = st.one_of(
    st.sampled_from(["a", "ab", "", "5"]),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([-1.5, 0.0, 2.0]),
    st.binary(max_size=2),
    st.lists(st.sampled_from(["a", "b"]), max_size=2),
)
ATTRIBUTES = st.dictionaries(st.sampled_from(["k", "l"]), VALUES, max_size=2)


@st.composite
def spans(draw: st.DrawFn) -> Span:
    """A span with what the conditions look at."""
    start = draw(st.integers(0, 3)) * 1_000_000
    span = Span(
        trace_id=bytes(15) + b"\1",
        span_id=bytes(7) + b"\1",
        parent_span_id=draw(st.sampled_from([b"", bytes(8), bytes(7) + b"\2"])),
        name=draw(NAMES),
        kind=draw(st.sampled_from([Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT])),
        start_time_unix_nano=start,
        end_time_unix_nano=start + draw(st.integers(0, 3)) * 1_000_000,
        attributes=key_values(draw(ATTRIBUTES)),
        status=Status(code=draw(st.sampled_from([Status.STATUS_CODE_UNSET, Status.STATUS_CODE_ERROR]))),
    )
    for name in draw(st.lists(NAMES, max_size=3)):
        span.events.add(name=name, attributes=key_values(draw(ATTRIBUTES)))
    return span


@st.composite
def requests(draw: st.DrawFn) -> ExportTraceServiceRequest:
    """A request of few resources, scopes and spans, some of them empty."""
    request = ExportTraceServiceRequest()
    for _ in range(draw(st.integers(1, 2))):
        group = ResourceSpans(resource=Resource(attributes=key_values(draw(ATTRIBUTES))))
        for _ in range(draw(st.integers(0, 2))):
            group.scope_spans.append(ScopeSpans(spans=draw(st.lists(spans(), max_size=3))))
        request.resource_spans.append(group)
    return request


def get(attributes: object, key: str) -> AnyValue | None:
    """The value of an attribute."""
    return next((item.value for item in attributes if item.key == key), None)  # type: ignore[attr-defined]


def text(value: AnyValue | None) -> str | None:
    """The text, if that is what it is."""
    return value.string_value if value is not None and value.HasField("string_value") else None


def number(value: AnyValue | None) -> float | None:
    """The number, if that is what it is."""
    if value is None or value.WhichOneof("value") not in {"int_value", "double_value"}:
        return None
    return value.int_value if value.HasField("int_value") else value.double_value


def is_nil(value: AnyValue | None) -> bool:
    """Whether a value equals `nil`. Empty bytes do, as in the Go collector."""
    return value is None or (value.HasField("bytes_value") and not value.bytes_value)


SpanTest = Callable[[Span, Resource], bool]

SPAN_CONDITIONS: dict[str, SpanTest] = {
    'span.attributes["k"] == "a"': lambda span, _: text(get(span.attributes, "k")) == "a",
    'span.attributes["k"] != "a"': lambda span, _: text(get(span.attributes, "k")) != "a",
    'span.attributes["k"] == nil': lambda span, _: is_nil(get(span.attributes, "k")),
    'span.attributes["k"] >= 1.5': lambda span, _: (number(get(span.attributes, "k")) or 0) >= 1.5,
    'not IsString(span.attributes["l"])': lambda span, _: text(get(span.attributes, "l")) is None,
    'IsMatch(span.name, "^GET /health")': lambda span, _: span.name.startswith("GET /health"),
    "Len(span.name) == 2": lambda span, _: len(span.name.encode()) == 2,
    "span.kind == SPAN_KIND_SERVER and span.status.code != STATUS_CODE_ERROR": lambda span, _: (
        span.kind == Span.SPAN_KIND_SERVER and span.status.code != Status.STATUS_CODE_ERROR
    ),
    'span.end_time - span.start_time > Duration("1ms") or span.name == ""': lambda span, _: (
        span.end_time_unix_nano - span.start_time_unix_nano > 1_000_000 or not span.name
    ),
    "span.parent_span_id == SpanID(0x0000000000000000)": lambda span, _: not any(span.parent_span_id),
    "Len(span.events) > 1 and (span.start_time_unix_nano / 1000000) * 2 < 4": lambda span, _: (
        len(span.events) > 1 and span.start_time_unix_nano // 1_000_000 * 2 < 4
    ),
    'Concat([span.name, "x"], "-") == "load-x"': lambda span, _: span.name == "load",
    'resource.attributes["k"] == span.attributes["k"]': lambda span, resource: _same(
        get(resource.attributes, "k"), get(span.attributes, "k")
    ),
}


def _same(left: AnyValue | None, right: AnyValue | None) -> bool:
    if number(left) is not None and number(right) is not None:
        return number(left) == number(right)
    if is_nil(left) or is_nil(right):
        return is_nil(left) and is_nil(right)
    return left == right


def expected(request: ExportTraceServiceRequest, drops: SpanTest) -> ExportTraceServiceRequest:
    """What the filter should leave, in a few lines."""
    left = ExportTraceServiceRequest()
    for group in request.resource_spans:
        kept = ResourceSpans(resource=group.resource)
        for scope in group.scope_spans:
            spans = [span for span in scope.spans if not drops(span, group.resource)]
            kept.scope_spans.extend([ScopeSpans(spans=spans)] if spans else [])
        left.resource_spans.extend([kept] if kept.scope_spans else [])
    return left


def filtered(request: ExportTraceServiceRequest, condition: str) -> ExportTraceServiceRequest:
    """What the filter leaves."""
    op = Op("filter", {"conditions": [{"option": "trace_conditions", "conditions": [condition]}]})
    result = Program([op]).run(receive(request.SerializeToString()))
    spans = sum(len(scope.spans) for group in request.resource_spans for scope in group.scope_spans)
    assert result.counts[0].incoming == spans
    assert result.counts[0].dropped == spans - len(result.batch)
    return ExportTraceServiceRequest.FromString(result.batch.encode())


@given(requests(), st.sampled_from(sorted(SPAN_CONDITIONS)))
def test_spans_go_as_the_oracle_says(request: ExportTraceServiceRequest, condition: str) -> None:
    """A condition on spans drops exactly the spans that the same condition in Python matches."""
    assert filtered(request, condition) == expected(request, SPAN_CONDITIONS[condition])


@given(requests())
def test_events_go_and_their_spans_stay(request: ExportTraceServiceRequest) -> None:
    """A condition on events drops exactly those."""
    wanted = expected(request, lambda *_: False)
    for group in wanted.resource_spans:
        for scope in group.scope_spans:
            for span in scope.spans:
                kept = [event for event in span.events if event.name != "load" or not event.attributes]
                del span.events[:]
                span.events.extend(kept)

    condition = 'spanevent.name == "load" and Len(spanevent.attributes) > 0'
    assert filtered(request, condition) == wanted


@given(requests())
def test_resources_go_with_all_they_hold(request: ExportTraceServiceRequest) -> None:
    """A condition on resources drops the whole of each that matches, and resources that hold nothing."""
    wanted = ExportTraceServiceRequest(
        resource_spans=[
            group
            for group in request.resource_spans
            if text(get(group.resource.attributes, "k")) != "a" and group.scope_spans
        ]
    )
    left = filtered(request, 'resource.attributes["k"] == "a"')
    if any(scope.spans for group in wanted.resource_spans for scope in group.scope_spans):
        assert left == wanted
    else:
        assert not left.resource_spans, "a batch without spans is empty"
