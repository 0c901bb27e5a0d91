"""Requests made of traces: which spans are in one, how they are numbered, and when they took place.

A template describes its ids and times, so that a load generator can make the ids unique and the times current:

- `trace_id` is the number of the trace in the request, from 0 in order of appearance (16 bytes, big-endian).
- `span_id` is the index of the span in the request plus 1, in wire order (8 bytes, big-endian).
- `parent_span_id` is the `span_id` of the parent, absent for a root, and 8 bytes 0xFF for a span of another service.
- Links have ids of spans in the same request.
- Each time of a span or an event says how many nanoseconds before the moment of sending it lies: larger is earlier.

Spans are exported in the order in which they end, so children come before their parents, within each scope. All have
ended within the last 5 ms. Hence children overlap that would have followed each other; durations are as they should be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from collector.testing import key_values
from testbed.profiles.building import Draft, Scope, Service, Trace

HEALTH_ROUTE: Final = "/healthz"
FOREIGN_PARENT: Final = b"\xff" * 8
SCHEMA: Final = "https://opentelemetry.io/schemas/1.37.0"
ENDED_WITHIN: Final = 4_900_000
"""Nanoseconds before sending in which all spans end."""

SAMPLED: Final = 0x101
"""Flags of a span that is sampled and whose parent is known to be of this process."""
REMOTE: Final = 0x200
"""The flag of a span whose parent is not."""


@dataclass(frozen=True, slots=True)
class Template:
    """A serialized request, whose ids and times are to be replaced."""

    data: bytes
    health_checks: tuple[int, ...]
    """Indices of the spans that are health checks, in wire order."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A kind of traffic."""

    name: str
    title: str
    """One line for lists."""
    spans_per_request: int
    """What requests of this kind usually have."""
    traces: Callable[[Random], Iterator[Trace]]
    """Traces without end."""
    secrets: tuple[str, ...] = ()
    """Texts that stand in `user.email` and `http.request.header.authorization`, and nowhere else."""
    prompt_secrets: tuple[str, ...] = ()
    """Texts that stand in prompts as part of something private, and nowhere else."""


@dataclass(slots=True, eq=False)
class _Placed:
    """A draft in a request. Its times are nanoseconds before sending."""

    draft: Draft
    trace: Trace
    parent: _Placed | None
    index: int = 0
    start: int = 0
    end: int = 0


def build(traces: Iterator[Trace], spans: int, random: Random) -> Template:
    """Make one request of the next traces. The last one is cut, so that there are exactly so many spans."""
    ended: list[_Placed] = []
    while len(ended) < spans:
        ended += _place(next(traces), spans - len(ended))
    _set_times(ended, random)
    groups: dict[Service, dict[Scope, list[_Placed]]] = {}
    for placed in ended:
        groups.setdefault(placed.trace.service, {}).setdefault(placed.draft.scope, []).append(placed)
    in_order = [placed for scopes in groups.values() for members in scopes.values() for placed in members]
    for index, placed in enumerate(in_order):
        placed.index = index
    encode = _Encoder(in_order)
    request = ExportTraceServiceRequest()
    for service, scopes in groups.items():
        resource_spans = request.resource_spans.add(schema_url=SCHEMA)
        resource_spans.resource.attributes.extend(key_values(service.resource(random)))
        for scope, members in scopes.items():
            scope_spans = resource_spans.scope_spans.add(schema_url=SCHEMA)
            scope_spans.scope.name, scope_spans.scope.version = scope.name, scope.version
            scope_spans.spans.extend(map(encode.span, members))
    checks = (placed.index for placed in in_order if placed.draft.attributes.get("http.route") == HEALTH_ROUTE)
    return Template(request.SerializeToString(deterministic=True), tuple(checks))


def _place(trace: Trace, room: int) -> list[_Placed]:
    """Take a trace, or as much of it as there is room for: no span without its parent. Children come first."""
    kept: list[_Placed] = []
    waiting: list[tuple[Draft, _Placed | None]] = [(trace.root, None)]
    while waiting and len(kept) < room:
        draft, parent = waiting.pop()
        kept.append(_Placed(draft, trace, parent))
        waiting += [(child, kept[-1]) for child in draft.children]
    # Parents before children, the last child first: the other way round it is the order in which they end.
    return kept[::-1]


def _set_times(ended: list[_Placed], random: Random) -> None:
    """Let the spans end one after the other, and start as long before as they take, within their parents."""
    step = ENDED_WITHIN // len(ended)
    for position, placed in enumerate(ended):
        placed.end = (len(ended) - position) * step - random.randrange(step)
        placed.start = max(placed.start, placed.end + int(placed.draft.ms * 1e6))
        if placed.parent:
            placed.parent.start = max(placed.parent.start, placed.start + random.randint(20_000, 400_000))


class _Encoder:
    """Writes the spans of one request, whose order is known."""

    def __init__(self, in_order: list[_Placed]) -> None:
        self.placed = {placed.draft: placed for placed in in_order}
        numbers: dict[Trace, int] = {}
        for placed in in_order:
            numbers.setdefault(placed.trace, len(numbers))
        self.trace_ids = {trace: number.to_bytes(16, "big") for trace, number in numbers.items()}

    def span(self, placed: _Placed) -> Span:
        draft = placed.draft
        span = Span(
            trace_id=self.trace_ids[placed.trace],
            span_id=_span_id(placed),
            name=draft.name,
            kind=draft.kind,
            flags=SAMPLED | REMOTE if draft.parent_is_foreign else SAMPLED,
            start_time_unix_nano=placed.start,
            end_time_unix_nano=placed.end,
            attributes=key_values(draft.attributes),
        )
        if placed.parent:
            span.parent_span_id = _span_id(placed.parent)
        elif draft.parent_is_foreign:
            span.parent_span_id = FOREIGN_PARENT
        for event in draft.events:
            time = placed.start - int(event.at * (placed.start - placed.end))
            span.events.add(time_unix_nano=time, name=event.name, attributes=key_values(event.attributes))
        for target in draft.links:
            if other := self.placed.get(target):  # unless it was cut off
                span.links.add(trace_id=self.trace_ids[other.trace], span_id=_span_id(other), flags=SAMPLED)
        if draft.error is not None:
            span.status.code, span.status.message = Status.STATUS_CODE_ERROR, draft.error
        return span


def _span_id(placed: _Placed) -> bytes:
    return (placed.index + 1).to_bytes(8, "big")
