"""Routing: each span to the owner of its key, in order, with its resource and scope; and the Go collector's owners."""

from __future__ import annotations

import base64
import json
import zlib
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from otlp_strategies import key_values, put_varint, requests, texts

from collector._kernel import Origin, Router, SpanBatch
from collector.testing import decode, make_spans
from testbed.corpus.owners import POSITIONS, RECORDED, STEP, digest, trace_ids

NAMES = [(f"10.0.0.{number}:4317", number) for number in range(4)]
GO = json.loads(RECORDED.read_text(encoding="utf-8"))
KINDS = ("Unspecified", "Internal", "Server", "Client", "Producer", "Consumer")

Placed = tuple[bytes, bytes, bytes]


# --- The oracle: the same on protobuf objects


def text(value: AnyValue) -> str:
    """The text form of a value that holds no others. The recordings have the rest."""
    match value.WhichOneof("value"):
        case None:
            return ""
        case "bool_value":
            return str(value.bool_value).lower()
        case "bytes_value":
            return base64.b64encode(value.bytes_value).decode()
        case kind:
            return str(getattr(value, kind))


def find(name: str, *places: list[KeyValue]) -> str | None:
    return next((text(pair.value) for place in places for pair in place if pair.key == name), None)


def key_of(name: str, resource: list[KeyValue], scope: list[KeyValue], span: Span) -> str:
    found = find(name, resource, scope)
    if found is None and name == "span.kind":
        found = KINDS[span.kind]
    if found is None and name == "span.name":
        found = span.name
    return f"{name}={find(name, list(span.attributes)) or '' if found is None else found}|"


def expected(request: ExportTraceServiceRequest, router: Router, names: list[str] | None) -> dict[int, list[Placed]]:
    """Every span with what it belongs to, by its owner, in order."""
    out = defaultdict(list)
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            owners: dict[bytes, int] = {}
            for span in scope.spans:
                above = list(resource.resource.attributes), list(scope.scope.attributes)
                key = span.trace_id or bytes(16)
                if names is not None:
                    key = "".join(key_of(name, *above, span) for name in names).encode()
                owner = owners.setdefault(span.trace_id, router.owner(key))
                out[owner].append(place(resource, scope, span))
    return dict(out)


def place(resource: object, scope: object, span: Span) -> Placed:
    bare = type(resource)(), type(scope)()
    bare[0].CopyFrom(resource)
    del bare[0].scope_spans[:]
    bare[1].CopyFrom(scope)
    del bare[1].spans[:]
    return bare[0].SerializeToString(), bare[1].SerializeToString(), span.SerializeToString()


def placed(batch: SpanBatch) -> list[Placed]:
    return [
        place(resource, scope, span)
        for resource in decode(batch).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


SIMPLE = st.one_of(
    texts().map(lambda value: AnyValue(string_value=value)),
    st.booleans().map(lambda value: AnyValue(bool_value=value)),
    st.integers(-3, 300).map(lambda value: AnyValue(int_value=value)),
    st.binary(max_size=4).map(lambda value: AnyValue(bytes_value=value)),
    st.just(AnyValue()),
)
TEXTUAL = {None, "string_value", "bool_value", "int_value", "bytes_value"}
LISTS = st.lists(st.sampled_from(["a", "b", "service.name", "span.kind", "span.name", "none"]), min_size=1, max_size=3)


def few_traces(request: ExportTraceServiceRequest) -> ExportTraceServiceRequest:
    """Make traces of several spans out of traces of one, and leave some without an id."""
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            # Texts of lists, maps and doubles are for the recordings.
            simple = [pair for pair in scope.scope.attributes if pair.value.WhichOneof("value") in TEXTUAL]
            scope.scope.ClearField("attributes")
            scope.scope.attributes.extend(simple)
            for span in scope.spans:
                number = span.trace_id[0] % 4
                span.trace_id = bytes([number]) * 16 if number else b""
    return request


ROUTED = requests(
    attributes=key_values(["a", "b"], SIMPLE), resource_attributes=key_values(["a", "service.name"], SIMPLE, max_size=2)
).map(few_traces)


@given(st.lists(ROUTED, max_size=2), st.none() | LISTS)
def test_each_owner_gets_its_spans_in_order_with_what_they_belong_to(
    parts: list[ExportTraceServiceRequest], names: list[str] | None
) -> None:
    """Parts hold what the oracle says, and nothing is lost or doubled."""
    batch = SpanBatch.join([SpanBatch.decode(part.SerializeToString()) for part in parts])
    router = Router(NAMES, names)

    routed = router.route(batch)

    assert {owner: placed(part) for owner, part in routed} == expected(decode(batch), router, names)
    assert [owner for owner, _ in routed] == sorted({owner for owner, _ in routed})
    assert sum(len(part) for _, part in routed) == len(batch)
    for _, part in routed:
        assert 0 < len(part) == len(placed(part))
        assert part.size == len(part.encode()) <= part.pinned


@given(ROUTED, st.sets(st.integers(0, 3)))
def test_who_is_away_gets_nothing_unless_all_are(request: ExportTraceServiceRequest, away: set[int]) -> None:
    """What belonged to others stays where it was."""
    batch = SpanBatch.decode(request.SerializeToString())
    router = Router(NAMES)

    before, after = dict(router.route(batch)), dict(router.route(batch, sorted(away)))

    assert sum(map(len, after.values())) == len(batch)
    if away != {0, 1, 2, 3}:
        assert not away & set(after)
    for owner in set(before) - away:
        assert set(placed(before[owner])) <= set(placed(after[owner]))


def test_unknown_fields_go_along() -> None:
    """What nobody knows is repeated around the spans, and what stands beside resources comes to one of the owners."""
    router = Router(NAMES)
    unknown = [b"\xfa\x7f" + put_varint(len(word)) + word for word in (b"in span", b"in scope", b"in resource")]
    message = ExportTraceServiceRequest()
    scope = message.resource_spans.add().scope_spans.add()
    for number in range(20):
        span = Span(trace_id=bytes([number] * 16))
        span.MergeFromString(unknown[0])
        scope.spans.append(span)
    scope.MergeFromString(unknown[1])
    message.resource_spans[0].MergeFromString(unknown[2])
    data = message.SerializeToString() + b"\xfa\x7f\x06beside"

    routed = [part.encode() for _, part in router.route(SpanBatch.decode(data))]

    assert len(routed) > 2
    assert all(unknown[1] in part and unknown[2] in part for part in routed)
    assert sum(part.count(unknown[0]) for part in routed) == 20
    assert sum(part.count(b"beside") for part in routed) == 1


def test_parts_come_from_the_same_client() -> None:
    """Who sent the batch is who sent its parts; repaired strings are counted once."""
    origin = Origin("198.51.100.7:4242", {})
    data = make_spans(50).encode().replace(b"service.name", b"service.nam\xff")

    parts = [part for _, part in Router(NAMES).route(SpanBatch.decode(data, origin))]

    assert len(parts) > 1
    assert {part.origin for part in parts} == {origin}
    assert sum(part.repaired for part in parts) == 1


def test_nothing_is_routed_without_names() -> None:
    """There is no owner to give spans to."""
    with pytest.raises(ValueError, match="there are no backends"):
        Router([])
    with pytest.raises(ValueError, match="owner 1 of 1 names"):
        Router([("a", 1)])


# --- The Go collector


@pytest.fixture(scope="module")
def ids() -> list[bytes]:
    """A trace id for each position of the ring."""
    return trace_ids()


@pytest.mark.parametrize("ring", GO["rings"])
def test_owns_what_the_go_collector_says(ring: str, ids: list[bytes]) -> None:
    """Every position of the ring has the owner that a Go collector gave it, so both can stand in one tier."""
    names = GO["rings"][ring]["names"]
    router = Router([(name, names.index(name)) for name in names])

    owners = [router.owner(id) for id in ids]

    assert len(owners) == POSITIONS
    assert [zlib.crc32(id) % POSITIONS for id in ids[:3]] == [0, 1, 2]
    assert owners[::STEP] == GO["rings"][ring]["some"]
    assert digest(owners) == GO["rings"][ring]["sha256"]


@pytest.mark.parametrize("case", GO["keys"])
def test_makes_the_go_collectors_keys(case: str) -> None:
    """Values of all types, wherever they stand, or missing, lead to the same backends."""
    recorded = GO["keys"][case]
    batch = SpanBatch.decode(base64.b64decode(GO["request"]))
    router = Router(
        list(zip(recorded["names"], range(99), strict=False)), recorded.get("routing_attributes") or ["service.name"]
    )

    owners = {span[2]: owner for owner, part in router.route(batch) for span in placed(part)}

    by_id = {Span.FromString(data).span_id: owner for data, owner in owners.items()}
    assert [by_id[id] for id in sorted(by_id)] == recorded["owners"]
    assert len(set(recorded["owners"])) > 5
