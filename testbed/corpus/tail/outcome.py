"""What was kept, as recordings have it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from testbed.corpus.tail.traffic import known, requests

SpanKey = tuple[int, int]
"""The number of a trace, and of a span in it."""


def summary(spans: Iterable[SpanKey]) -> dict[str, Any]:
    """Whole traces in `traces`, and the spans of others in `parts`. Raises `ValueError` if one came twice."""
    counted = Counter(spans)
    if twice := sorted(key for key, count in counted.items() if count > 1):
        raise ValueError(f"these spans came twice: {twice}")
    by_trace: dict[int, set[int]] = {}
    for number, index in counted:
        by_trace.setdefault(number, set()).add(index)
    whole = {number for number, indices in by_trace.items() if len(indices) == _sizes()[number]}
    parts = {str(number): shorthand(by_trace[number]) for number in sorted(by_trace.keys() - whole)}
    return {"traces": shorthand(whole), **({"parts": parts} if parts else {})}


def keys(spans: Iterable[Span]) -> list[SpanKey]:
    """The keys of spans of the traffic."""
    names = _names()
    return [names[span.span_id] for span in spans]


def spans_of(traffic: Iterable[ExportTraceServiceRequest]) -> list[Span]:
    """All spans of requests, in their order."""
    groups = (group for request in traffic for group in request.resource_spans)
    return [span for group in groups for scope in group.scope_spans for span in scope.spans]


def numbers(text: str) -> set[int]:
    """Read numbers: `0-3 7`."""
    ranges = (part.partition("-") for part in text.split())
    return {number for first, _, last in ranges for number in range(int(first), int(last or first) + 1)}


def shorthand(values: Iterable[int]) -> str:
    """Write numbers, in their order."""
    parts: list[list[int]] = []
    for value in sorted(values):
        if parts and parts[-1][1] == value - 1:
            parts[-1][1] = value
        else:
            parts.append([value, value])
    return " ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in parts)


@cache
def _names() -> Mapping[bytes, SpanKey]:
    return known()


@cache
def _sizes() -> Mapping[int, int]:
    return Counter(number for number, _ in keys(spans_of(requests())))
