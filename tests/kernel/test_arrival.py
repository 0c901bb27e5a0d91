"""What becomes of requests that nobody should send: refused with what and where, or repaired, or accepted."""

from __future__ import annotations

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from odd_wire import bad_requests, field, long_varint, nested, with_span
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp_strategies import put_varint, requests, unknown_fields

from collector._kernel import MalformedInput, SpanBatch

SPAN = "resource_spans[0].scope_spans[0].spans[0]"
GOOD = with_span(field(1, b"\1" * 16) + field(2, b"\2" * 8) + field(5, b"good"))


def value(depth: int, level: list[int]) -> bytes:
    """An attribute of a span, with a value that nests `depth` levels."""
    return with_span(nested([9, 2, *level * (depth - 1)], b""))


LIST = [5, 1]
MAP = [6, 1, 2]

REFUSED = {
    "cut in a tag": (GOOD + b"\x8a", "truncated varint at byte 40"),
    "cut in a span": (GOOD[:-3], "length runs past the end of the message in resource_spans[0] at byte 0"),
    "length beyond the span": (
        with_span(b"\x2a\x05ab"),
        f"length runs past the end of the message in {SPAN}.name at byte 6",
    ),
    "length of 2^63": (
        b"\x0a" + put_varint(2**63),
        "length runs past the end of the message in resource_spans[0] at byte 0",
    ),
    "cut in a fixed value": (
        with_span(b"\x39\1\2"),
        f"truncated fixed-width value in {SPAN}.start_time_unix_nano at byte 6",
    ),
    "varint of 11 bytes": (
        with_span(b"\x30" + b"\xff" * 10 + b"\1"),
        f"varint longer than 10 bytes in {SPAN}.kind at byte 6",
    ),
    "string as a number": (with_span(field(5, 7)), f"wrong wire type in {SPAN}.name at byte 6"),
    "number as a string": (with_span(field(7, b"7")), f"wrong wire type in {SPAN}.start_time_unix_nano at byte 6"),
    "resource as a number": (field(1, field(1, 7)), "wrong wire type in resource_spans[0].resource at byte 2"),
    "group": (with_span(b"\x2b\x2c"), f"group tag in {SPAN}.name at byte 6"),
    "unknown group": (with_span(b"\xa3\x06\xa4\x06"), f"group tag in {SPAN} at byte 6"),
    "wire type 6": (with_span(b"\x2e"), f"unknown wire type in {SPAN}.name at byte 6"),
    "field number 0": (with_span(b"\x02\x00"), f"field number 0 in {SPAN} at byte 6"),
    "field number beyond 29 bits": (
        with_span(put_varint(2**33) + b"\0"),
        f"field number out of range in {SPAN} at byte 6",
    ),
    "trace id of 15 bytes": (with_span(field(1, b"\1" * 15)), f"15 bytes instead of 16 in {SPAN}.trace_id at byte 6"),
    "trace id of 32 digits": (with_span(field(1, b"0" * 32)), f"32 bytes instead of 16 in {SPAN}.trace_id at byte 6"),
    "span id of 16 bytes": (with_span(field(2, b"\1" * 16)), f"16 bytes instead of 8 in {SPAN}.span_id at byte 6"),
    "parent id of 1 byte": (with_span(field(4, b"\1")), f"1 bytes instead of 8 in {SPAN}.parent_span_id at byte 6"),
    "link to half a trace": (
        with_span(field(13, field(1, b"\1" * 8))),
        f"8 bytes instead of 16 in {SPAN}.links[0].trace_id at byte 8",
    ),
    "second of two attributes": (
        with_span(field(9, b"") + field(9, b"\x08\1")),
        f"wrong wire type in {SPAN}.attributes[1].key at byte 10",
    ),
    "third request of a batch": (GOOD + GOOD + with_span(field(1, b"x")), "1 bytes instead of 16 in resource_spans[2]"),
    "lists nested 41 deep": (value(41, LIST), "value nested deeper than 40"),
    "lists nested 3,000 deep": (value(3_000, LIST), "value nested deeper than 40"),
    "maps nested 33 deep": (value(33, MAP), "message nested deeper than 100"),
    "maps nested 100,000 deep": (value(10_000, MAP), "deeper than"),
    "a metric": (
        ExportMetricsServiceRequest.FromString(nested([1, 2, 2], field(1, b"requests"))).SerializeToString(),
        f"8 bytes instead of 16 in {SPAN}.trace_id at byte 6",
    ),
    "text": (b"GET / HTTP/1.1\r\n\r\n", "unknown wire type"),
}


@pytest.mark.parametrize(("data", "message"), REFUSED.values(), ids=REFUSED)
def test_refuses_with_what_and_where(data: bytes, message: str) -> None:
    """What is no request is refused as a whole, and the message leads to the byte."""
    with pytest.raises(MalformedInput) as error:
        SpanBatch.decode(data)

    assert message in str(error.value)


ACCEPTED = {
    "an empty request": (b"", 0),
    "ids of no bytes": (with_span(field(1, b"") + field(2, b"")), 1),
    "ids of zeros": (with_span(field(1, bytes(16)) + field(2, bytes(8))), 1),
    "unknown fields of every wire type": (
        with_span(field(99, b"x") + field(98, 7) + b"\xb9\x06" + bytes(8) + b"\xbd\x06" + bytes(4)),
        1,
    ),
    "20,000 attributes": (with_span(field(9, field(1, b"key")) * 20_000), 1),
    "duplicate keys": (with_span(field(9, field(1, b"key")) * 2), 1),
    "two requests in a row": (GOOD + GOOD, 2),
    "a name that stands twice": (with_span(field(5, b"old") + field(5, b"new")), 1),
    "a scope behind its spans": (nested([1, 2], field(2, b"") + field(1, field(1, b"lib"))), 1),
    "a tag of five bytes": (long_varint(1 << 3 | 2, 5) + GOOD[1:], 1),
    "a tag of ten bytes": (long_varint(1 << 3 | 2, 10) + GOOD[1:], 1),
    "lists nested 40 deep": (value(40, LIST), 1),
    "maps nested 32 deep": (value(32, MAP), 1),
}


@pytest.mark.parametrize(("data", "spans"), ACCEPTED.values(), ids=ACCEPTED)
def test_accepts_what_protobuf_allows(data: bytes, spans: int) -> None:
    """What is odd, but well formed, is accepted, and strict parsers take what leaves."""
    batch = SpanBatch.decode(data)

    assert len(batch) == spans
    assert batch.repaired == 0
    sent = ExportTraceServiceRequest.FromString(batch.encode())
    if spans:
        assert sent == ExportTraceServiceRequest.FromString(data.replace(long_varint(10, 10), b"\x0a"))


def test_repairs_text_wherever_it_stands() -> None:
    """Text that is not UTF-8 gets replacement characters and is counted, in every string field."""
    bad = b"a\xffb"
    text = field(9, field(1, bad) + field(2, field(1, bad)))
    event = field(11, field(2, bad))
    link = field(13, field(3, bad))
    span = field(3, bad) + field(5, bad) + text + event + link + field(15, field(2, bad))
    scope = field(1, field(1, bad) + field(2, bad)) + field(2, span) + field(3, bad)
    data = field(1, field(1, field(1, field(1, bad))) + field(2, scope) + field(3, bad))

    batch = SpanBatch.decode(data)

    assert batch.repaired == data.count(bad) == 12
    assert batch.encode().count("a\N{REPLACEMENT CHARACTER}b".encode()) == 12
    ExportTraceServiceRequest.FromString(batch.encode())


@given(requests(max_spans=2), unknown_fields())
def test_takes_over_ordinary_requests_as_they_are(request: ExportTraceServiceRequest, unknown: bytes) -> None:
    """A request as SDKs write them is not written anew."""
    data = request.SerializeToString() + unknown

    batch = SpanBatch.decode(data)

    spans = sum(len(scope.spans) for resource in request.resource_spans for scope in resource.scope_spans)
    assert len(batch) == spans
    assert batch.encode() == (data if spans else b"")


@given(bad_requests())
def test_accepts_nothing_that_a_strict_parser_refuses(data: bytes) -> None:
    """Whatever comes in, what is accepted can be sent to a backend that parses strictly."""
    try:
        batch = SpanBatch.decode(data)
    except MalformedInput:
        return
    try:
        ExportTraceServiceRequest.FromString(batch.encode())
    except DecodeError as error:
        pytest.fail(f"accepted and not parsed: {error}")
