"""Spans that nobody takes, one by one: which they were, and what made them so large. Their contents are not kept."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from collector.spans import SpanBatch

_MOST = 20
"""How many are remembered: the last ones."""
_NAMED = 3
"""How many attributes are named: the largest ones."""
_LONGEST = 100
"""Characters of a name."""


@dataclass(frozen=True, slots=True)
class SetAside:
    """A span that was too large for the next hop, and is lost."""

    at: float
    """Seconds since 1970."""
    trace_id: str
    span_id: str
    name: str
    service: str
    size: int
    """Bytes on the wire, of the span with its resource and scope."""
    largest: tuple[tuple[str, int], ...]
    """Keys of attributes, of the span, its events and links or its resource, and the bytes of their values as JSON."""
    why: str

    def __str__(self) -> str:
        attributes = ", ".join(f"{key} ({size:,} bytes)" for key, size in self.largest)
        return (
            f"span {self.span_id} of trace {self.trace_id} ({self.name!r} of {self.service!r}), {self.size:,} bytes,"
            f" the largest attributes: {attributes or 'none'}: {self.why}"
        )


Shelf = deque[SetAside]
"""The last ones."""


def shelf() -> Shelf:
    """Give an empty one."""
    return deque(maxlen=_MOST)


def set_aside(batch: SpanBatch, why: str) -> SetAside:
    """Describe the span of a batch that has one."""
    group = json.loads(batch.to_json())["resourceSpans"][0]
    resource, [scope] = group.get("resource", {}), group["scopeSpans"]
    [span] = scope["spans"]
    sizes = sorted(_sizes(span, scope.get("scope", {}), resource), key=lambda found: -found[1])
    service = next((_text(it) for it in resource.get("attributes", []) if it.get("key") == "service.name"), "")
    return SetAside(
        at=time.time(),
        trace_id=span.get("traceId", ""),
        span_id=span.get("spanId", ""),
        name=span.get("name", "")[:_LONGEST],
        service=service[:_LONGEST],
        size=batch.size,
        largest=tuple((key[:_LONGEST], size) for key, size in sizes[:_NAMED]),
        why=why,
    )


def _sizes(*holders: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    for holder in holders:
        for attribute in holder.get("attributes", []):
            yield attribute.get("key", ""), len(json.dumps(attribute.get("value", {})))
        yield from _sizes(*holder.get("events", []), *holder.get("links", []))


def _text(attribute: Mapping[str, Any]) -> str:
    return str(attribute.get("value", {}).get("stringValue", ""))
