"""`SpanBatch`, what travels between components: spans as wire bytes, immutable, shared, never copied."""

from __future__ import annotations

from collector._kernel import MalformedInput, Origin, SpanBatch
from collector.errors import MalformedError

__all__ = ["Origin", "SpanBatch", "receive"]


def receive(data: bytes, origin: Origin | None = None) -> SpanBatch:
    """Turn one request into a batch: check it, repair its strings, and count its spans.

    Raises `MalformedError`, which says what is wrong and where.
    """
    try:
        return SpanBatch.decode(data, origin)
    except MalformedInput as error:
        raise MalformedError(str(error)) from error
