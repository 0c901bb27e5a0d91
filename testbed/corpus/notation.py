"""Requests as plain data that people can write: what stands in the files of cases.

    resource: {service.name: shop}
    scope: {name: lib, version: "1"}
    attributes: {a: text, n: 5, f: {d: "2.5"}, by: {hex: 00ff}, m: {kv: {k: v}}, l: [1, a], nothing: null}
    events: [{name: log, attributes: {k: v}}]

What is left out has the default of the protocol, but for ids and times, which have those of `SPAN`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

SPAN: Mapping[str, Any] = {
    "name": "GET /u/42/o/7",
    "kind": 2,
    "trace_id": "0123456789abcdeffedcba9876543210",
    "span_id": "0102030405060708",
    "parent_span_id": "",
    "trace_state": "",
    "start_time_unix_nano": 1700000000123456789,
    "end_time_unix_nano": 1706933106789012345,
    "flags": 0,
    "dropped_attributes_count": 0,
    "dropped_events_count": 0,
    "dropped_links_count": 0,
}
"""The fields of a span that are plain, with what they are where a case says nothing."""

_IDS = ("trace_id", "span_id", "parent_span_id")


def to_any(value: Any) -> AnyValue:
    """Make an `AnyValue`."""
    match value:
        case None:
            return AnyValue()
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case str():
            return AnyValue(string_value=value)
        case list():
            return AnyValue(array_value=ArrayValue(values=[to_any(item) for item in value]))
        case {"d": number}:
            return AnyValue(double_value=float(number))
        case {"hex": digits}:
            return AnyValue(bytes_value=bytes.fromhex(digits))
        case {"kv": entries}:
            return AnyValue(kvlist_value=KeyValueList(values=to_pairs(entries)))
    raise ValueError(value)


def to_pairs(entries: Mapping[str, Any] | None) -> list[KeyValue]:
    """Make attributes."""
    return [KeyValue(key=key, value=to_any(value)) for key, value in (entries or {}).items()]


def from_any(value: AnyValue) -> Any:
    """Read an `AnyValue`."""
    match value.WhichOneof("value"):
        case None:
            return None
        case "array_value":
            return [from_any(item) for item in value.array_value.values]
        case "kvlist_value":
            return {"kv": from_pairs(value.kvlist_value.values)}
        case "double_value":
            return {"d": repr(value.double_value)}
        case "bytes_value":
            return {"hex": value.bytes_value.hex()}
        case kind:
            return getattr(value, kind)


def from_pairs(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    """Read attributes. Their order does not matter."""
    return {pair.key: from_any(pair.value) for pair in pairs}


def to_request(case: Mapping[str, Any]) -> ExportTraceServiceRequest:
    """Make a request of one span."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add(schema_url=case.get("resource_schema_url", ""))
    resource.resource.attributes.extend(to_pairs(case.get("resource")))
    scope = resource.scope_spans.add(schema_url=case.get("scope_schema_url", ""))
    described = case.get("scope", {})
    scope.scope.name, scope.scope.version = described.get("name", ""), described.get("version", "")
    scope.scope.attributes.extend(to_pairs(described.get("attributes")))
    span = scope.spans.add()
    for field, default in SPAN.items():
        value = case.get(field, default)
        setattr(span, field, bytes.fromhex(value) if field in _IDS else value)
    span.attributes.extend(to_pairs(case.get("attributes")))
    for event in case.get("events", []):
        made = span.events.add(name=event.get("name", ""), time_unix_nano=event.get("time_unix_nano", 0))
        made.attributes.extend(to_pairs(event.get("attributes")))
    for link in case.get("links", []):
        made = span.links.add(trace_id=bytes(range(16)), span_id=bytes(range(8)))  # type: ignore[assignment]
        made.attributes.extend(to_pairs(link.get("attributes")))
    status = case.get("status", {})
    span.status.code, span.status.message = status.get("code", 0), status.get("message", "")
    return request


def from_request(request: ExportTraceServiceRequest) -> list[dict[str, Any]]:
    """Read every span with what encloses it, without what has the default of the protocol."""
    found: list[dict[str, Any]] = []
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                plain: dict[str, Any] = {field: getattr(span, field) for field in SPAN}
                plain |= {field: plain[field].hex() for field in _IDS}
                plain["resource"] = from_pairs(resource.resource.attributes)
                plain["resource_schema_url"] = resource.schema_url
                plain["scope"] = {
                    "name": scope.scope.name,
                    "version": scope.scope.version,
                    "attributes": from_pairs(scope.scope.attributes),
                }
                plain["scope_schema_url"] = scope.schema_url
                plain["attributes"] = from_pairs(span.attributes)
                plain["events"] = [
                    {
                        "name": event.name,
                        "time_unix_nano": event.time_unix_nano,
                        "attributes": from_pairs(event.attributes),
                    }
                    for event in span.events
                ]
                plain["links"] = [{"attributes": from_pairs(link.attributes)} for link in span.links]
                plain["status"] = {"code": span.status.code, "message": span.status.message}
                found.append({key: _small(value) for key, value in plain.items() if _small(value)})
    return found


def changes(case: Mapping[str, Any], request: ExportTraceServiceRequest) -> Any:
    """Say what became of the span of a case: each field that is different now, and of attributes those that are.

    `None` stands for a span that is gone, and several spans are given as they are.
    """
    spans = from_request(request)
    if len(spans) != 1:
        return spans or None
    (before,), (after,) = from_request(to_request(case)), spans
    found: dict[str, Any] = {}
    for field in sorted({*before, *after}):
        old, new = before.get(field), after.get(field)
        if old != new and field in ("attributes", "resource"):
            old, new = old or {}, new or {}
            fresh = {key: value for key, value in new.items() if key not in old or old[key] != value}
            gone = [key for key in old if key not in new]
            found[field] = {name: part for name, part in (("set", fresh), ("del", gone)) if part}
        elif old != new:
            found[field] = new
    return found


def _small(value: Any) -> Any:
    """The value without what is empty in it; attributes stay as they are."""
    if isinstance(value, dict) and ("name" in value or "code" in value):
        return {key: item for key, item in value.items() if item}
    if isinstance(value, list):
        return [_small(item) for item in value]
    return value
