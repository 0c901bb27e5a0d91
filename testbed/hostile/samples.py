"""Requests to begin with: well formed, small, and with every message of OTLP's traces in them."""

from __future__ import annotations

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status


def samples() -> list[bytes]:
    """Requests of one, three and eight spans."""
    return [_request(spans).SerializeToString() for spans in (1, 3, 8)]


def _request(spans: int) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add(schema_url="https://opentelemetry.io/schemas/1.30.0")
    group.resource.attributes.extend(_attributes())
    group.resource.entity_refs.add(type="service", id_keys=["service.name"])
    scope = group.scope_spans.add()
    scope.scope.name = "hostile"
    scope.spans.extend(_span(number) for number in range(spans))
    return request


def _span(number: int) -> Span:
    span = Span(
        trace_id=bytes([number + 1]) * 16,
        span_id=bytes([number + 1]) * 8,
        parent_span_id=b"\x09" * 8,
        trace_state="vendor=1",
        name="chat completion",
        kind=Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=1_700_000_000_000_000_000,
        end_time_unix_nano=1_700_000_000_100_000_000,
        attributes=_attributes(),
        status=Status(code=Status.STATUS_CODE_ERROR, message="quota"),
    )
    span.events.add(name="token", time_unix_nano=1_700_000_000_050_000_000, attributes=_attributes())
    span.links.add(trace_id=b"\x07" * 16, span_id=b"\x07" * 8, attributes=_attributes())
    return span


def _attributes() -> list[KeyValue]:
    values = ArrayValue(values=[AnyValue(string_value="a"), AnyValue(int_value=-1), AnyValue(double_value=0.5)])
    pairs = KeyValueList(values=[KeyValue(key="role", value=AnyValue(bool_value=True))])
    return [
        KeyValue(key="user.email", value=AnyValue(string_value="somebody@example.com")),
        KeyValue(key="list", value=AnyValue(array_value=values)),
        KeyValue(key="map", value=AnyValue(kvlist_value=pairs)),
        KeyValue(key="bytes", value=AnyValue(bytes_value=b"\x00\xff")),
    ]
