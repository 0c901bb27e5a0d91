"""Six hundred traces that are the same whenever they are made, with all that a policy can trip over.

A trace has a number, which its id gives away to nobody; a span is known by the number of its trace and its own in it.
Spans of a trace are spread over several requests, in the order of their numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any, TypeVar

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from testbed.corpus.notation import to_pairs

T = TypeVar("T")

TRACES = 600
NO_ID = 0
"""The trace whose id is all zeros, or left out."""

_REQUESTS = 40
_MOST = 12
"""Spans in a trace."""
_START = 1_700_000_000_000_000_000
_MS = 1_000_000
_DAY = 86_400_000 * _MS

_DURATIONS: tuple[int, ...] = (
    *(0, 1, 999_999, 1 * _MS, 5 * _MS, 50 * _MS),
    *(99 * _MS, 100 * _MS - 1, 100 * _MS, 100 * _MS + 1, 100 * _MS + 500_000, 101 * _MS - 1, 101 * _MS, 150 * _MS),
    *(199 * _MS, 200 * _MS - 1, 200 * _MS, 200 * _MS + 1, 200 * _MS + 500_000, 201 * _MS - 1, 201 * _MS, 202 * _MS),
    *(500 * _MS, 1000 * _MS, 1001 * _MS, 30_000 * _MS, 40 * _DAY),
)

_RESOURCES: tuple[dict[str, Any], ...] = (
    {"service.name": "shop"},
    {"service.name": "pay", "service.version": "1.2.3"},
    {"service.name": "mail", "tier": "gold"},
    {"service.name": "mail", "tier": 5},
    {"service.name": "search", "n": 7, "vip": True},
    {"service.name": "search", "n": "7", "vip": "true"},
    {"service.name": "größe-κ", "vip": False, "n": -3},
    {"service.name": "", "tier": ""},
    {},
)
_RESOURCE_WEIGHTS = (12, 8, 1, 1, 1, 1, 1, 1, 2)

_SCOPES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("io.http", "1.0", {}),
    ("io.db", "", {}),
    ("io.db", "", {"tier": "gold", "n": 7, "vip": True}),  # no policy but OTTL looks at these
    ("", "", {}),
)

_TIERS: tuple[Any, ...] = (
    *("gold", "silver", "silver", "bronze", "Gold", "gold-plus", "", "a.b", "\u0430urum ünï 🥇", "5", "line\nbreak"),
    *(5, {"d": "5.0"}, True, ["gold"], {"kv": {"gold": "gold"}}, {"hex": "676f6c64"}, None),
)
_NUMBERS: tuple[Any, ...] = (
    *(-100, -10, -1, 0, 1, 4, 5, 6, 9, 10, 11, 100, 2**53 + 1, 2**63 - 1, -(2**63)),
    *({"d": "5.0"}, {"d": "-7.5"}, {"d": "nan"}, "5", "", True, False, [5], {"kv": {"n": 5}}, {"hex": "05"}, None),
)
_FLAGS: tuple[Any, ...] = (True, True, False, False, "true", "false", "", 1, 0, {"d": "1.0"}, [True], None)
_ROUTES = ("/", "/health", "/healthz", "/users/{id}", "/users/{id}/orders", "/größe", "", "/a\\b", "/x?y=1")

_STATES = (
    *("", "", "", "", "vendor=a", "vendor=b", "vendor=abc", "other=1,vendor=a", "vendor=a,other=1", "vendor=b,x=a"),
    *("ot=th:8", "ot=th:8;rv:9b8233f7e3a151", "vendor=a,ot=th:c", "tenant@vendor=a", "1vendor=a", "vendor=A"),
    *(" vendor=a", "vendor=a ", "vendor = a", "vendor=a,", ",vendor=a", "vendor=a,,x=1", "vendor=a, x=1"),
    *("vendor=a,vendor=b", "vendor=", "vendor", "=a", "Vendor=a", "vendor=a=b", "vendor=a b", "vendor=é", "bad;;"),
    ",".join(f"k{number}=v" for number in range(31)) + ",vendor=a",
    ",".join(f"k{number}=v" for number in range(32)) + ",vendor=a",
    "vendor=" + "a" * 249,
    "vendor=" + "a" * 250,
    "vendor=" + "a" * 256,
)
_SPAN_FLAGS = (0, 0, 0, 0, 0, 0x100, 0x300, 2, 0x200, 1, 3, 0x101, 0x301, 0xFFFFFFFE)
_NAMES = ("GET /", "SELECT", "charge", "sende ß 🚀", "")
_EVENTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("exception", {"exception.type": "Timeout", "n": 5}),
    ("exception", {"exception.type": "IOError"}),
    ("log", {"message": "ok", "n": "5"}),
    ("retry", {"n": 2, "vip": True, "tier": "gold"}),
    ("", {}),
)


class _Dice:
    """Randomness that is the same in all versions of Python: only `random()` is promised to be."""

    def __init__(self, seed: str) -> None:
        self._random = Random(int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8]))

    def below(self, limit: int) -> int:
        return int(self._random.random() * limit)

    def chance(self, share: float) -> bool:
        return self._random.random() < share

    def pick(self, values: Sequence[T]) -> T:
        return values[self.below(len(values))]

    def weighted(self, values: Sequence[T], weights: Sequence[int]) -> T:
        return self.pick([value for value, weight in zip(values, weights, strict=True) for _ in range(weight)])


def trace_id(number: int) -> bytes:
    """The id of a trace."""
    return bytes(16) if number == NO_ID else hashlib.sha256(f"trace {number}".encode()).digest()[:16]


def span_id(number: int, index: int) -> bytes:
    """The id of a span of a trace."""
    return hashlib.sha256(f"span {number} {index}".encode()).digest()[:8]


def requests() -> list[ExportTraceServiceRequest]:
    """Make all requests, in their order."""
    made = [ExportTraceServiceRequest() for _ in range(_REQUESTS)]
    for number in range(TRACES):
        dice = _Dice(f"trace {number}")
        first = dice.below(_REQUESTS)
        reach = min(_REQUESTS - first, dice.pick((1, 1, 1, 2, 3, 6)))
        spans = list(_spans(number, dice))
        places = sorted(first + dice.below(reach) for _ in spans)
        for place, (resource, scope, span) in zip(places, spans, strict=True):
            _scope_of(made[place], resource, scope, dice).spans.append(span)
    return [request for request in made if request.resource_spans]


def known() -> Mapping[bytes, tuple[int, int]]:
    """The number of the trace and that of the span in it, by what may be the id of a span."""
    return {span_id(number, index): (number, index) for number in range(TRACES) for index in range(_MOST)}


def digest(traffic: Sequence[ExportTraceServiceRequest]) -> str:
    """A fingerprint, to tell that these are the requests that were recorded."""
    whole = hashlib.sha256()
    for request in traffic:
        whole.update(hashlib.sha256(request.SerializeToString(deterministic=True)).digest())
    return whole.hexdigest()[:16]


def _scope_of(request: ExportTraceServiceRequest, resource: int, scope: int, dice: _Dice) -> ScopeSpans:
    """Where a span goes: beside others of the same resource and scope, or now and then into a group of its own."""
    group = _last(request.resource_spans, f"resource {resource}") if dice.chance(0.8) else None
    if group is None:
        group = request.resource_spans.add(schema_url=f"https://example.com/schemas/resource {resource}")
        group.resource.attributes.extend(to_pairs(_RESOURCES[resource]))
        group.resource.dropped_attributes_count = resource % 3
    spans = _last(group.scope_spans, f"scope {scope}") if dice.chance(0.8) else None
    if spans is None:
        name, version, attributes = _SCOPES[scope]
        spans = group.scope_spans.add(schema_url=f"https://example.com/schemas/scope {scope}")
        spans.scope.name, spans.scope.version = name, version
        spans.scope.attributes.extend(to_pairs(attributes))
    return spans


_Group = TypeVar("_Group", ResourceSpans, ScopeSpans)


def _last(groups: Sequence[_Group], ending: str) -> _Group | None:
    return next((group for group in reversed(groups) if group.schema_url.endswith(ending)), None)


def _spans(number: int, dice: _Dice) -> Iterator[tuple[int, int, Span]]:
    """The spans of a trace, each with the numbers of its resource and scope."""
    count = dice.weighted((1, 2, 3, 4, 5, 6, 8, 10, _MOST), (4, 4, 4, 3, 2, 2, 1, 1, 1))
    duration = dice.pick(_DURATIONS)
    start = _START + number * 60_000 * _MS
    shape = dice.weighted(("one root", "no root", "many roots", "zero parent"), (10, 2, 2, 1))
    quiet = dice.chance(0.4)  # nothing that most policies look for
    home = dice.weighted(range(len(_RESOURCES)), _RESOURCE_WEIGHTS)
    # The first span need not be the longest, and need not come first: that matters where a policy ends early.
    covering, last = dice.below(count), dice.below(count)
    for index in range(count):
        span = Span(trace_id=trace_id(number), span_id=span_id(number, index), name=dice.pick(_NAMES))
        if number == NO_ID and index % 2:
            span.ClearField("trace_id")
        span.kind = dice.below(6)  # type: ignore[assignment]  # an enum is a number on the wire
        if shape == "no root" or (shape == "one root" and index):
            span.parent_span_id = span_id(number, dice.below(index)) if index else span_id(number, 99)
        elif shape == "zero parent":
            span.parent_span_id = bytes(8) if index == count - 1 else span_id(number, 99)
        _set_times(span, (start, duration), covering == index, last == index, dice)
        span.trace_state = dice.pick(_STATES) if dice.chance(0.3) else ""
        span.flags = dice.pick(_SPAN_FLAGS) if dice.chance(0.3) else 0
        code = dice.weighted((0, 1, 2, 7), (12, 3, 0 if quiet else 2, 1 if number % 50 == 7 else 0))
        span.status.code = code  # type: ignore[assignment]
        if code == 2:
            span.status.message = dice.pick(("", "broken", "zu groß"))
        _set_attributes(span, 0.03 if quiet else 0.3, dice)
        for _ in range(dice.weighted((0, 1, 3), (8, 2, 1))):
            name, attributes = dice.pick(_EVENTS)
            span.events.add(name=name, time_unix_nano=span.start_time_unix_nano, attributes=to_pairs(attributes))
        if dice.chance(0.05):
            span.links.add(trace_id=trace_id(number + 1), span_id=span_id(number + 1, 0))
        elsewhere = dice.chance(0.2)
        resource = dice.weighted(range(len(_RESOURCES)), _RESOURCE_WEIGHTS) if elsewhere else home
        yield resource, dice.below(len(_SCOPES)), span


def _set_times(span: Span, whole: tuple[int, int], covers: bool, last: bool, dice: _Dice) -> None:
    """One span begins the trace and one ends it; the others lie between, and some are odd."""
    start, duration = whole
    inner = dice.below(1000) * duration // 1000
    begin = start if covers else start + inner
    end = start + duration if last else begin + dice.below(1000) * (start + duration - begin) // 1000
    odd = dice.below(40)
    if odd == 0:
        begin = 0
    elif odd == 1:
        end = 0
    elif odd == 2:
        begin, end = end, begin
    elif odd == 3:
        end = 2**64 - 1
    span.start_time_unix_nano, span.end_time_unix_nano = begin, end


def _set_attributes(span: Span, share: float, dice: _Dice) -> None:
    for key, values in (("tier", _TIERS), ("n", _NUMBERS), ("vip", _FLAGS), ("http.route", _ROUTES)):
        if dice.chance(share):
            span.attributes.extend(to_pairs({key: dice.pick(values)}))
            if dice.chance(0.05):  # the first of a name counts
                span.attributes.extend(to_pairs({key: dice.pick(values)}))
    if dice.chance(0.3):
        span.attributes.extend(to_pairs({"filler": "x" * dice.below(400)}))
