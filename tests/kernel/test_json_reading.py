"""OTLP/JSON as it is read, compared with protobuf's own JSON, whose ids are base64."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import assume, given
from hypothesis import strategies as st
from odd_wire import odd_requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, EntityRef, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span
from otlp_strategies import requests

from collector._kernel import MalformedInput, Origin, SpanBatch
from collector.testing import any_value, key_values, make_spans

IDS = {"traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id"}
TRACE_ID = "0102030405060708090a0b0c0d0e0f10"


def with_ids(tree: Any, change: Callable[[str], str]) -> Any:
    """The same JSON with other ids."""
    if isinstance(tree, list):
        return [with_ids(item, change) for item in tree]
    if not isinstance(tree, dict):
        return tree
    return {key: change(value) if key in IDS else with_ids(value, change) for key, value in tree.items()}


def to_hex(text: str) -> str:
    return base64.b64decode(text).hex()


def to_base64(text: str) -> str:
    return base64.b64encode(bytes.fromhex(text)).decode()


def oracle(text: bytes) -> ExportTraceServiceRequest:
    """The request that protobuf reads."""
    tree = json.loads(text, parse_int=lambda digits: -0.0 if digits == "-0" else int(digits))
    return json_format.ParseDict(with_ids(tree, to_base64), ExportTraceServiceRequest())


def shuffled(tree: Any, random: Random) -> Any:
    """The same JSON with the members of every object in another order."""
    if isinstance(tree, list):
        return [shuffled(item, random) for item in tree]
    if not isinstance(tree, dict):
        return tree
    members = [(key, shuffled(value, random)) for key, value in tree.items()]
    random.shuffle(members)
    return dict(members)


def wire(request: ExportTraceServiceRequest) -> bytes:
    """The request as a batch has it: resources without spans are left out if there are no spans at all."""
    return SpanBatch.decode(request.SerializeToString()).encode()


@given(requests(), st.booleans(), st.booleans(), st.booleans(), st.integers(0, 2**32).map(Random))
def test_reads_what_protobuf_writes(
    request: ExportTraceServiceRequest, snake_case: bool, numbers: bool, defaults: bool, random: Random
) -> None:
    """In either spelling of names and enums, with and without what has its default value, in any order."""
    tree = json_format.MessageToDict(
        request,
        preserving_proto_field_name=snake_case,
        use_integers_for_enums=numbers,
        always_print_fields_with_no_presence=defaults,
    )
    text = json.dumps(shuffled(with_ids(tree, to_hex), random), ensure_ascii=random.random() < 0.5).encode()

    batch = SpanBatch.from_json(text)

    assert batch.encode() == wire(oracle(text))
    assert len(batch) == sum(len(scope.spans) for group in request.resource_spans for scope in group.scope_spans)


@given(requests())
def test_what_was_written_is_read_back_to_the_byte(request: ExportTraceServiceRequest) -> None:
    """Every span, with all that JSON has a word for."""
    batch = SpanBatch.decode(request.SerializeToString())
    text = batch.to_json()
    assume(b'{"doubleValue":"NaN"}' not in text)  # which of all NaNs it is, JSON cannot say

    assert SpanBatch.from_json(text).encode() == batch.encode()


@given(odd_requests())
def test_what_was_written_of_odd_bytes_is_read_back(data: bytes) -> None:
    """Unknown fields get lost, and fields come out in order: after that nothing changes any more."""
    text = SpanBatch.decode(data).to_json()

    batch = SpanBatch.from_json(text)

    assert batch.to_json() == text
    assert batch.encode() == wire(oracle(text))
    assert SpanBatch.from_json(batch.to_json()).encode() == batch.encode()


def refuse(word: str) -> None:
    raise ValueError(word)


@given(st.text(alphabet='{}[]:,"\\ \n0123456789.eE+-truefalsn', max_size=40) | st.binary(max_size=20))
def test_knows_json_as_the_standard_library_does(text: str | bytes) -> None:
    """In members that nobody knows as well: they are ignored, but they must be JSON."""
    data = b'{"x":%s}' % (text.encode() if isinstance(text, str) else text)
    try:
        json.loads(data.decode(), parse_constant=refuse)
    except ValueError:
        with pytest.raises(MalformedInput, match="invalid JSON at line"):
            SpanBatch.from_json(data)
    else:
        assert len(SpanBatch.from_json(data)) == 0


def read_span(members: str) -> Span:
    """The one span that is written so."""
    batch = SpanBatch.from_json(b'{"resourceSpans":[{"scopeSpans":[{"spans":[%s]}]}]}' % members.encode())
    request = ExportTraceServiceRequest.FromString(batch.encode())
    return request.resource_spans[0].scope_spans[0].spans[0]


LEGAL: list[tuple[str, Span]] = [
    ("{}", Span()),
    (f'{{"traceId":"{TRACE_ID}"}}', Span(trace_id=bytes(range(1, 17)))),
    (f'{{"traceId":"{TRACE_ID.upper()}"}}', Span(trace_id=bytes(range(1, 17)))),
    ('{"trace_id":"","spanId":"","parentSpanId":null}', Span()),
    ('{"parent_span_id":"00000000000000ff"}', Span(parent_span_id=b"\0\0\0\0\0\0\0\xff")),
    ('{"traceId":"0102030405060708090a0b0c0d0e0f\\u0031\\u0030"}', Span(trace_id=bytes(range(1, 17)))),
    ('{"kind":3}', Span(kind=Span.SPAN_KIND_CLIENT)),
    ('{"kind":"SPAN_KIND_CLIENT"}', Span(kind=Span.SPAN_KIND_CLIENT)),
    ('{"kind":"3"}', Span(kind=Span.SPAN_KIND_CLIENT)),
    ('{"kind":"SPAN_KIND_UNSPECIFIED"}', Span()),
    ('{"kind":-1}', Span(kind=-1)),  # type: ignore[arg-type]
    ('{"kind":99}', Span(kind=99)),  # type: ignore[arg-type]
    ('{"status":{"code":"STATUS_CODE_ERROR"}}', Span(status={"code": 2})),
    ('{"status":null}', Span()),
    ('{"startTimeUnixNano":"18446744073709551615"}', Span(start_time_unix_nano=2**64 - 1)),
    ('{"startTimeUnixNano":18446744073709551615}', Span(start_time_unix_nano=2**64 - 1)),
    ('{"startTimeUnixNano":1.7600000000000000010e18}', Span(start_time_unix_nano=1_760_000_000_000_000_001)),
    ('{"start_time_unix_nano":"1.76E+18"}', Span(start_time_unix_nano=1_760_000_000_000_000_000)),
    ('{"endTimeUnixNano":"007"}', Span(end_time_unix_nano=7)),
    ('{"droppedEventsCount":"7","droppedLinksCount":7.0}', Span(dropped_events_count=7, dropped_links_count=7)),
    ('{"droppedAttributesCount":4294967295,"flags":-0}', Span(dropped_attributes_count=2**32 - 1)),
    ('{"name":"\\ud83d\\ude80\\/\\u0000\\t"}', Span(name="\U0001f680/\0\t")),
    ('{"nam\\u0065":"n"}', Span(name="n")),
    ('{"name":"a","name":"b"}', Span(name="b")),
    ('{"name":"a","name":null}', Span(name="a")),
    ('{"name":"n","Name":"x","trace-id":1,"":2,"traceID":{"a":[1,{"b":null}]},"x":1e999}', Span(name="n")),
    ('\t{\r\n"name"\n:\n"n"\n,\n"links"\n:\n[\n]\n}\n', Span(name="n")),
    ('{"events":[null,{"name":"e","name":"f"}]}', Span(events=[Span.Event(), Span.Event(name="f")])),
    ('{"links":[{"flags":1,"traceState":"a=b"}]}', Span(links=[Span.Link(trace_state="a=b", flags=1)])),
    ('{"attributes":[{"key":"a"}],"name":"n","attributes":[{"key":"b"}]}',
     Span(name="n", attributes=[KeyValue(key="a"), KeyValue(key="b")])),
    ('{"attributes":[{"value":{"intValue":"3"},"key":"k"}]}', Span(attributes=key_values({"k": 3}))),
    ('{"attributes":[{"key_strindex":4,"value":{"stringValueStrindex":-5}}]}',
     Span(attributes=[KeyValue(key_strindex=4, value=AnyValue(string_value_strindex=-5))])),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), LEGAL, ids=[text for text, _ in LEGAL])
def test_odd_but_legal(text: str, expected: Span) -> None:
    """What protobuf's JSON or the Go collector takes."""
    assert read_span(text) == expected


VALUES: list[tuple[str, AnyValue]] = [
    ("{}", AnyValue()),
    ('{"stringValue":""}', any_value("")),
    ('{"string_value":null}', AnyValue()),
    ('{"boolValue":false}', any_value(False)),
    ('{"intValue":"0"}', any_value(0)),
    ('{"intValue":-9223372036854775808}', any_value(-(2**63))),
    ('{"intValue":"-9.223372036854775808e18"}', any_value(-(2**63))),
    ('{"int_value":9223372036854775807.0}', any_value(2**63 - 1)),
    ('{"doubleValue":1}', any_value(1.0)),
    ('{"doubleValue":"-1.5e-3"}', any_value(-1.5e-3)),
    ('{"doubleValue":5e-324}', any_value(5e-324)),
    ('{"doubleValue":1e-999}', any_value(0.0)),
    ('{"doubleValue":"Infinity"}', any_value(math.inf)),
    ('{"doubleValue":"-Infinity"}', any_value(-math.inf)),
    ('{"bytesValue":""}', any_value(b"")),
    ('{"bytesValue":"+/8="}', any_value(b"\xfb\xff")),
    ('{"bytesValue":"-_8="}', any_value(b"\xfb\xff")),
    ('{"bytesValue":"-_8"}', any_value(b"\xfb\xff")),
    ('{"bytesValue":"+\\/8="}', any_value(b"\xfb\xff")),
    ('{"arrayValue":{}}', any_value([])),
    ('{"arrayValue":{"values":null}}', any_value([])),
    ('{"array_value":{"values":[{"stringValue":"a"},{"arrayValue":{"values":[{"intValue":1}]}}]}}',
     any_value(["a", [1]])),
    ('{"kvlistValue":{"values":[{"key":"k","value":{"kvlist_value":{"values":[]}}}]}}', any_value({"k": {}})),
    ('{"intValue":1,"stringValue":"last"}', any_value("last")),
    ('{"intValue":1,"stringValue":null}', any_value(1)),
    ('{"mapValue":{},"intValue":1}', any_value(1)),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), VALUES, ids=[text for text, _ in VALUES])
def test_values(text: str, expected: AnyValue) -> None:
    """Of every type, in every way they may be written."""
    (attribute,) = read_span(f'{{"attributes":[{{"value":{text}}}]}}').attributes

    assert attribute.value == expected


def test_doubles_that_are_no_number() -> None:
    """They stand in quotes; minus zero does not."""
    read = [
        read_span(f'{{"attributes":[{{"value":{{"doubleValue":{text}}}}}]}}').attributes[0].value.double_value
        for text in ('"NaN"', "-0", "-0.0")
    ]

    assert math.isnan(read[0])
    assert [math.copysign(1, value) for value in read[1:]] == [-1, -1]


def test_everything_around_spans() -> None:
    """Resources, scopes, entities and schemas, in any order of members."""
    batch = SpanBatch.from_json(b"""{"resourceSpans":[{
        "schemaUrl": "https://r",
        "scopeSpans": [{
            "schema_url": "https://s",
            "spans": [{}],
            "scope": {"droppedAttributesCount": 1, "version": "2", "name": "lib", "attributes": [{"key": "s"}]}}],
        "resource": {
            "entityRefs": [{"descriptionKeys": ["d", ""], "idKeys": ["a", null, "b"], "type": "t", "schemaUrl": "u"}],
            "droppedAttributesCount": 2,
            "attributes": [{"key": "r"}]},
        "deprecatedThing": [[[]]]}]}""")

    (group,) = ExportTraceServiceRequest.FromString(batch.encode()).resource_spans
    expected = ResourceSpans(schema_url="https://r")
    expected.resource.attributes.add(key="r")
    expected.resource.dropped_attributes_count = 2
    expected.resource.entity_refs.append(
        EntityRef(schema_url="u", type="t", id_keys=["a", "", "b"], description_keys=["d", ""])
    )
    scope = expected.scope_spans.add(schema_url="https://s")
    scope.scope.name, scope.scope.version, scope.scope.dropped_attributes_count = "lib", "2", 1
    scope.scope.attributes.add(key="s")
    scope.spans.add()
    assert group == expected


def test_no_group_of_spans_is_lost_when_a_name_repeats() -> None:
    """Lists go on."""
    one = make_spans(1).to_json()[1:-1]

    assert len(SpanBatch.from_json(b"{%s,%s}" % (one, one))) == 2


def test_the_origin_goes_along() -> None:
    """As with other requests."""
    origin = Origin("peer:1", {"x-tenant": ["a"]})

    assert SpanBatch.from_json(make_spans(1).to_json(), origin).origin == origin
