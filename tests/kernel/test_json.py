"""OTLP/JSON, compared with what twenty lines of Python make of protobuf objects."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import given
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span
from otlp_strategies import requests

from collector._kernel import SpanBatch
from collector.testing import make_spans

ALWAYS_THERE = {ResourceSpans: ("resource",), ScopeSpans: ("scope",), Span: ("status",), KeyValue: ("value",)}
IDS = {"trace_id", "span_id", "parent_span_id"}
LONG = {FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_FIXED64}


def as_json(message: Message) -> dict[str, Any]:
    """The message as the Go collector writes it."""
    out: dict[str, Any] = {}
    for descriptor, value in message.ListFields():
        items = [_value(descriptor, item) for item in (value if descriptor.is_repeated else [value])]
        out[descriptor.json_name] = items if descriptor.is_repeated else items[0]
    for name in ALWAYS_THERE.get(type(message), ()):  # type: ignore[call-overload]
        out.setdefault(name, {})
    return out


def _value(descriptor: FieldDescriptor, value: Any) -> Any:
    if isinstance(value, Message):
        return as_json(value)
    if isinstance(value, bytes):
        return value.hex() if descriptor.name in IDS else base64.b64encode(value).decode()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return str(value) if descriptor.type in LONG else value


@given(requests(max_spans=2))
def test_writes_what_the_oracle_writes(request: ExportTraceServiceRequest) -> None:
    """The object that JSON readers see is the oracle's, on one line."""
    batch = SpanBatch.decode(request.SerializeToString())

    text = batch.to_json()

    assert b"\n" not in text
    expected = as_json(request).get("resourceSpans", []) if len(batch) else []
    # Doubles without a fraction are written without a point.
    assert json.loads(text, parse_int=float) == {"resourceSpans": expected}


def test_joined_batches_are_one_object() -> None:
    """What came in several requests is one list."""
    joined = SpanBatch.join([make_spans(1), make_spans(2)])

    groups = json.loads(joined.to_json())["resourceSpans"]

    assert [len(group["scopeSpans"][0]["spans"]) for group in groups] == [1, 2]


def test_keeps_the_precision_of_numbers() -> None:
    """64-bit integers are strings, doubles read back as they were, and text is not escaped without need."""
    span = Span(name="na\u00efve \U0001f680", start_time_unix_nano=2**64 - 1)
    for value in (AnyValue(int_value=-(2**63)), AnyValue(double_value=0.1), AnyValue(double_value=5e-324)):
        span.attributes.add(value=value)
    request = ExportTraceServiceRequest(resource_spans=[ResourceSpans(scope_spans=[ScopeSpans(spans=[span])])])

    text = SpanBatch.decode(request.SerializeToString()).to_json().decode()

    assert (
        '{"name":"na\u00efve \U0001f680","startTimeUnixNano":"18446744073709551615","attributes":['
        '{"value":{"intValue":"-9223372036854775808"}},{"value":{"doubleValue":0.1}},{"value":{"doubleValue":5e-324}}],'
        '"status":{}}'
    ) in text
