"""`SpanBatch`, what travels between components: spans as wire bytes, immutable, shared, never copied."""

from __future__ import annotations

import json

from collector._kernel import MalformedInput, Origin, SpanBatch
from collector.errors import MalformedError

__all__ = ["Origin", "SpanBatch", "first_span", "receive"]


def receive(data: bytes, origin: Origin | None = None) -> SpanBatch:
    """Turn one request into a batch: check it, repair its strings, and count its spans.

    Raises `MalformedError`, which says what is wrong and where.
    """
    try:
        return SpanBatch.decode(data, origin)
    except MalformedInput as error:
        raise MalformedError(str(error)) from error


def first_span(batch: SpanBatch) -> str:
    """Name the first span of a batch, for messages."""
    for group in json.loads(batch.to_json()).get("resourceSpans", []):
        for scope in group.get("scopeSpans", []):
            for span in scope.get("spans", []):
                return f"span {span.get('spanId', '')} of trace {span.get('traceId', '')}"
    return "no span"
