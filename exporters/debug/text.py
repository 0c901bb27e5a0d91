"""Spans as text for people: OTLP/JSON, decoded, in; lines out.

What comes from outside may contain anything, terminal control sequences included, so characters that do not print
are shown as escapes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

_KINDS = ("Unspecified", "Internal", "Server", "Client", "Producer", "Consumer")
_STATUSES = ("Unset", "Ok", "Error")

_TYPES = {
    "stringValue": "Str",
    "boolValue": "Bool",
    "intValue": "Int",
    "doubleValue": "Double",
    "arrayValue": "Slice",
    "kvlistValue": "Map",
    "bytesValue": "Bytes",
}

Json = dict[str, Any]


def normal(request: Json) -> str:
    """A line for each resource, scope and span."""
    lines: list[str] = []
    for i, group in enumerate(request.get("resourceSpans", [])):
        lines.append(_joined(f"ResourceTraces #{i}", _schema(group), _pairs(group.get("resource", {}))))
        for j, scoped in enumerate(group.get("scopeSpans", [])):
            scope = scoped.get("scope", {})
            name = "@".join(filter(None, (printable(scope.get("name", "")), printable(scope.get("version", "")))))
            lines.append(_joined(f"ScopeTraces #{j}", name, _schema(scoped), _pairs(scope)))
            lines.extend(
                _joined(printable(span.get("name", "")), span.get("traceId", ""), span.get("spanId", ""), _pairs(span))
                for span in scoped.get("spans", [])
            )
    return "\n".join(lines)


def detailed(request: Json) -> str:
    """A tree with everything there is."""
    return "\n".join(_tree(request))


def printable(value: str) -> str:
    """Show characters that do not print as escapes."""
    if value.isprintable():
        return value
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in value)


def timestamp(nanoseconds: Any) -> str:
    """Show a time as the Go collector does: `2026-11-24 13:52:16.123 +0000 UTC`."""
    seconds, rest = divmod(int(nanoseconds), 1_000_000_000)
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return f"{nanoseconds} ns"
    fraction = f".{rest:09d}".rstrip("0").rstrip(".")
    return f"{moment:%Y-%m-%d %H:%M:%S}{fraction} +0000 UTC"


def _tree(request: Json) -> Iterator[str]:
    for i, group in enumerate(request.get("resourceSpans", [])):
        resource = group.get("resource", {})
        yield f"ResourceSpans #{i}"
        yield f"Resource SchemaURL: {printable(group.get('schemaUrl', ''))}"
        yield from _attributes("Resource attributes:", resource, "")
        for j, scoped in enumerate(group.get("scopeSpans", [])):
            scope = scoped.get("scope", {})
            yield f"ScopeSpans #{j}"
            yield f"ScopeSpans SchemaURL: {printable(scoped.get('schemaUrl', ''))}"
            name, version = printable(scope.get("name", "")), printable(scope.get("version", ""))
            yield _joined("InstrumentationScope", name, version)
            yield from _attributes("InstrumentationScope attributes:", scope, "")
            for k, span in enumerate(scoped.get("spans", [])):
                yield f"Span #{k}"
                yield from _span(span)


def _span(span: Json) -> Iterator[str]:
    status = span.get("status", {})
    fields = {
        "Trace ID": span.get("traceId", ""),
        "Parent ID": span.get("parentSpanId", ""),
        "ID": span.get("spanId", ""),
        "Name": printable(span.get("name", "")),
        "Kind": _name(_KINDS, span.get("kind", 0)),
        "TraceState": printable(span.get("traceState", "")),
        "Start time": timestamp(span.get("startTimeUnixNano", 0)),
        "End time": timestamp(span.get("endTimeUnixNano", 0)),
        "Status code": _name(_STATUSES, status.get("code", 0)),
        "Status message": printable(status.get("message", "")),
    }
    for name, value in fields.items():
        if value or name != "TraceState":
            yield f"    {name:<15}: {value}".rstrip()
    for counter in ("droppedAttributesCount", "droppedEventsCount", "droppedLinksCount"):
        if span.get(counter):
            yield f"    {counter[0].upper()}{counter[1:]}: {span[counter]}"
    yield from _attributes("Attributes:", span, "")
    if span.get("events"):
        yield "Events:"
    for n, event in enumerate(span.get("events", [])):
        yield f"SpanEvent #{n}"
        yield f"     -> Name: {printable(event.get('name', ''))}"
        yield f"     -> Timestamp: {timestamp(event.get('timeUnixNano', 0))}"
        yield f"     -> DroppedAttributesCount: {event.get('droppedAttributesCount', 0)}"
        yield from _attributes("     -> Attributes::", event, "     ")
    if span.get("links"):
        yield "Links:"
    for n, link in enumerate(span.get("links", [])):
        yield f"SpanLink #{n}"
        yield f"     -> Trace ID: {link.get('traceId', '')}"
        yield f"     -> ID: {link.get('spanId', '')}"
        yield f"     -> TraceState: {printable(link.get('traceState', ''))}".rstrip()
        yield f"     -> DroppedAttributesCount: {link.get('droppedAttributesCount', 0)}"
        yield from _attributes("     -> Attributes::", link, "     ")


def _attributes(title: str, owner: Json, indent: str) -> Iterator[str]:
    if owner.get("attributes"):
        yield title
    for attribute in owner.get("attributes", []):
        kind, text = _value(attribute.get("value", {}))
        yield f"{indent}     -> {printable(attribute.get('key', ''))}: {kind}({text})"


def _pairs(owner: Json) -> str:
    return " ".join(
        f"{printable(attribute.get('key', ''))}={_value(attribute.get('value', {}))[1]}"
        for attribute in owner.get("attributes", [])
    )


def _value(value: Json) -> tuple[str, str]:
    """Give the type and the text of an AnyValue."""
    for field, kind in _TYPES.items():
        if field in value:
            plain = _plain(value)
            text = plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)
            return kind, printable(text)
    return "Empty", ""


def _plain(value: Json) -> Any:
    """Turn an AnyValue into what JSON would have in its place."""
    match value:
        case {"arrayValue": array}:
            return [_plain(item) for item in array.get("values", [])]
        case {"kvlistValue": pairs}:
            return {pair.get("key", ""): _plain(pair.get("value", {})) for pair in pairs.get("values", [])}
        case {"intValue": number}:
            return int(number)
    return next(iter(value.values()), None)


def _schema(owner: Json) -> str:
    return f"[{printable(owner['schemaUrl'])}]" if owner.get("schemaUrl") else ""


def _name(names: tuple[str, ...], number: int) -> str:
    return names[number] if 0 <= number < len(names) else str(number)


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)
