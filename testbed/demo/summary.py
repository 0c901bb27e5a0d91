"""What the collector made of the traffic: what was sent, next to what stands in its file of OTLP/JSON lines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan

from testbed.demo.traffic import API_KEY, KINDS


@dataclass(frozen=True, slots=True)
class Written:
    """A span as the file has it."""

    kind: str
    trace_id: str
    span_id: str
    attributes: dict[str, Any]
    events: int


def read(path: Path, instance: str) -> Iterator[Written]:
    """Read the spans that one run of the application left in the file. A last line that is half written is left out."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if not line.endswith("\n"):
                return
            for group in json.loads(line).get("resourceSpans", []):
                resource = _attributes(group.get("resource", {}))
                if resource.get("service.instance.id") != instance:
                    continue
                for scope in group.get("scopeSpans", []):
                    kind = scope.get("scope", {}).get("name", "")
                    for span in scope.get("spans", []):
                        yield Written(
                            kind, span["traceId"], span["spanId"], _attributes(span), len(span.get("events", []))
                        )


def _attributes(owner: dict[str, Any]) -> dict[str, Any]:
    return {entry["key"]: _value(entry.get("value", {})) for entry in owner.get("attributes", [])}


def _value(value: dict[str, Any]) -> Any:
    for kind, content in value.items():
        if kind == "arrayValue":
            return [_value(item) for item in content.get("values", [])]
        return int(content) if kind == "intValue" else content
    return None


def table(sent: Sequence[ReadableSpan], written: Iterable[Written] | None) -> Iterator[str]:
    """Write a line for each kind of traffic: traces and spans sent, and spans kept if the file could be read."""
    spans = Counter(_kind(span) for span in sent)
    traces = Counter(kind for kind, _ in {(_kind(span), span.context.trace_id) for span in sent})
    kept = None if written is None else Counter(span.kind for span in written)
    yield f"  {'':18} {'traces':>7} {'spans':>7}" + ("" if kept is None else f" {'kept':>7} {'dropped':>8}")
    for kind in (*KINDS, "total"):
        count = spans.total() if kind == "total" else spans[kind]
        line = f"  {kind:18} {traces.total() if kind == 'total' else traces[kind]:7} {count:7}"
        if kept is not None:
            left = kept.total() if kind == "total" else kept[kind]
            line += f" {left:7} {count - left:8}"
        yield line


def changes(sent: Sequence[ReadableSpan], written: Sequence[Written]) -> Iterator[str]:
    """Write what happened to the attributes of spans that were kept: a line for each key that is hashed or gone."""
    before = {f"{span.context.span_id:016x}": dict(span.attributes or {}) for span in sent}
    hashed: dict[str, list[tuple[Any, Any]]] = {}
    deleted: Counter[str] = Counter()
    for span in written:
        for key, value in before.get(span.span_id, {}).items():
            if key not in span.attributes:
                deleted[key] += 1
            elif isinstance(value, str) and span.attributes[key] != value:
                hashed.setdefault(key, []).append((value, span.attributes[key]))
    for key, pairs in sorted(hashed.items()):
        old, new = pairs[0]
        yield f"  hashed   {key:34} {len(pairs):4} times, such as {_short(old)} → {_short(new)}"
    for key, count in sorted(deleted.items()):
        yield f"  deleted  {key:34} {count:4} times"
    secrets = sum(API_KEY in str(value) for span in written for value in span.attributes.values())
    yield f"  API keys left in the file: {secrets}"


def _kind(span: ReadableSpan) -> str:
    return span.instrumentation_scope.name if span.instrumentation_scope else ""


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 24 else f"{text[:16]}… ({len(text):,} characters)"
