"""Requests whose fields are scattered, compared with what protobuf makes of them."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from odd_wire import LenientRequest, bad_requests, field, nested, odd_requests, repair, with_span
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector._kernel import MalformedInput, SpanBatch

UNKNOWN = field(77, b"kept")


def parsed(data: bytes) -> Any:
    return LenientRequest.FromString(data)


def meaning(request: Any) -> bytes:
    """The request as bytes of one form: NaN would not be equal to itself."""
    return bytes(request.SerializeToString(deterministic=True))


@given(odd_requests())
def test_means_the_same_as_before(data: bytes) -> None:
    """Protobuf reads the same from the scattered request, strings repaired, and from the normal form."""
    batch = SpanBatch.decode(data)

    if len(batch):
        assert meaning(parsed(batch.encode())) == meaning(repair(parsed(data)))


@given(odd_requests())
def test_is_normal_afterwards(data: bytes) -> None:
    """What was brought to the normal form is taken as it is the next time."""
    batch = SpanBatch.decode(data)

    again = SpanBatch.decode(batch.encode())

    assert (len(again), again.repaired) == (len(batch), 0)
    assert again.encode() == batch.encode()


@given(bad_requests())
def test_means_the_same_for_any_bytes_that_are_accepted(data: bytes) -> None:
    """Whatever bytes pass the check, protobuf reads the same before and after."""
    try:
        batch = SpanBatch.decode(data)
    except MalformedInput:
        return
    if len(batch):
        before, after = repair(parsed(data)), parsed(batch.encode())
        before.DiscardUnknownFields()
        after.DiscardUnknownFields()
        assert meaning(after) == meaning(before)


def test_merges_values_as_protobuf_does() -> None:
    """Of a value that stands twice lists go on, other members are replaced."""

    def through(*values: bytes) -> list[str]:
        attribute = field(1, b"key") + b"".join(field(2, value) for value in values)
        batch = SpanBatch.decode(with_span(field(9, attribute)))
        request = ExportTraceServiceRequest.FromString(batch.encode())
        value = request.resource_spans[0].scope_spans[0].spans[0].attributes[0].value
        return [item.string_value for item in value.array_value.values] or [value.string_value]

    a, b = (nested([5, 1, 1], text) for text in (b"a", b"b"))
    assert through(a, b) == ["a", "b"]
    assert through(a, field(1, b"text"), b) == ["b"]
    assert through(a, field(1, b"text")) == ["text"]
    assert through(a, b"") == ["a"]


def test_keeps_unknown_fields_at_the_end_of_their_message() -> None:
    """What nobody knows stays, behind what is known."""
    batch = SpanBatch.decode(with_span(field(9, b"") + UNKNOWN + field(9, b"") + field(5, b"name")))

    assert batch.encode() == with_span(field(5, b"name") + field(9, b"") * 2 + UNKNOWN)
