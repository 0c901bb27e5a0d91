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
PLACE = "in resourceSpans[0].scopeSpans[0].spans[0]"


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


BAD_SPANS: list[tuple[str, str]] = [
    ('{"traceId":"abc"}', f'{PLACE}.traceId: must be 32 hexadecimal digits, got "abc"'),
    (f'{{"traceId":"{TRACE_ID[:-1]}x"}}', f'{PLACE}.traceId: must be 32 hexadecimal digits, got "{TRACE_ID[:-1]}x"'),
    ('{"traceId":"AQIDBAUGBwgJCgsMDQ4PEA=="}',
     f'{PLACE}.traceId: must be 32 hexadecimal digits (not base64), got "AQIDBAUGBwgJCgsMDQ4PEA=="'),
    (f'{{"spanId":"{TRACE_ID}"}}', f'{PLACE}.spanId: must be 16 hexadecimal digits, got "{TRACE_ID}"'),
    ('{"parent_span_id":"0"}', f'{PLACE}.parentSpanId: must be 16 hexadecimal digits, got "0"'),
    ('{"traceId":7}', f"{PLACE}.traceId: must be a string, got a number"),
    ('{"links":[{},{"spanId":"x"}]}', f'{PLACE}.links[1].spanId: must be 16 hexadecimal digits, got "x"'),
    ('{"name":7}', f"{PLACE}.name: must be a string, got a number"),
    ('{"name":"\\ud800"}', f"{PLACE}.name: half of a surrogate pair, which is no character"),
    ('{"name":"a\nb"}', f"{PLACE}.name: a control character in a string, which must be escaped"),
    ('{"kind":"SPAN_KIND_GUEST"}',
     f"{PLACE}.kind: must be a whole number from -2147483648 to 2147483647, or one of SPAN_KIND_UNSPECIFIED, "
     "SPAN_KIND_INTERNAL, SPAN_KIND_SERVER, SPAN_KIND_CLIENT, SPAN_KIND_PRODUCER, SPAN_KIND_CONSUMER, "
     'got "SPAN_KIND_GUEST"'),
    ('{"kind":1.5}',
     f"{PLACE}.kind: must be a whole number from -2147483648 to 2147483647, or one of SPAN_KIND_UNSPECIFIED, "
     "SPAN_KIND_INTERNAL, SPAN_KIND_SERVER, SPAN_KIND_CLIENT, SPAN_KIND_PRODUCER, SPAN_KIND_CONSUMER, got 1.5"),
    ('{"kind":{}}', f"{PLACE}.kind: must be a number, got an object"),
    ('{"flags":4294967296}', f"{PLACE}.flags: must be a whole number from 0 to 4294967295, got 4294967296"),
    ('{"flags":"-1"}', f'{PLACE}.flags: must be a whole number from 0 to 4294967295, got "-1"'),
    ('{"droppedLinksCount":0.5}', f"{PLACE}.droppedLinksCount: must be a whole number from 0 to 4294967295, got 0.5"),
    ('{"startTimeUnixNano":18446744073709551616}',
     f"{PLACE}.startTimeUnixNano: must be a whole number from 0 to 18446744073709551615, got 18446744073709551616"),
    ('{"startTimeUnixNano":"2026-01-01T00:00:00Z"}',
     f"{PLACE}.startTimeUnixNano: must be a whole number from 0 to 18446744073709551615, "
     'got "2026-01-01T00:00:00Z"'),
    ('{"startTimeUnixNano":""}',
     f'{PLACE}.startTimeUnixNano: must be a whole number from 0 to 18446744073709551615, got ""'),
    ('{"startTimeUnixNano":true}', f'{PLACE}.startTimeUnixNano: must be a number, got "true"'),
    ('{"endTimeUnixNano":01}', f"{PLACE}.endTimeUnixNano: a number that is not written as JSON has it"),
    ('{"attributes":{"a":1}}', f"{PLACE}.attributes: must be a list, got an object"),
    ('{"attributes":[{"key":"a","value":"b"}]}', f"{PLACE}.attributes[0].value: must be an object, got a string"),
    ('{"attributes":[{"value":{"boolValue":"true"}}]}',
     f"{PLACE}.attributes[0].value.boolValue: must be true or false, got a string"),
    ('{"attributes":[{"value":{"intValue":1.5}}]}',
     f"{PLACE}.attributes[0].value.intValue: must be a whole number from -9223372036854775808 to "
     "9223372036854775807, got 1.5"),
    ('{"attributes":[{"value":{"doubleValue":1e999}}]}',
     f"{PLACE}.attributes[0].value.doubleValue: must be a 64-bit floating-point number, got 1e999"),
    ('{"attributes":[{"value":{"doubleValue":"much"}}]}',
     f'{PLACE}.attributes[0].value.doubleValue: must be a 64-bit floating-point number, got "much"'),
    ('{"attributes":[{"value":{"doubleValue":NaN}}]}',
     f'{PLACE}.attributes[0].value.doubleValue: must be a number, got "NaN"'),
    ('{"attributes":[{"value":{"bytesValue":"a*b="}}]}',
     f'{PLACE}.attributes[0].value.bytesValue: must be base64, got "a*b="'),
    ('{"attributes":[{"value":{"bytesValue":"' + "?" * 100 + '"}}]}',
     f'{PLACE}.attributes[0].value.bytesValue: must be base64, got "{"?" * 48}"…'),
    ('{"attributes":[{"value":{"arrayValue":{"values":[{},{"kvlistValue":{"values":[{"value":[]}]}}]}}}]}',
     f"{PLACE}.attributes[0].value.arrayValue.values[1].kvlistValue.values[0].value: must be an object, got a list"),
    ('{"attributes":[{"value":' + '{"arrayValue":{"values":[' * 40 + "{}" + "]}}" * 40 + "}]}",
     ".arrayValue.values[0]: value nested deeper than 40"),
    ('{"attributes":[{"value":' + '{"kvlistValue":{"values":[{"value":' * 32 + "{}" + "}]}}" * 32 + "}]}",
     ".kvlistValue.values[0].value: message nested deeper than 100"),
    ('{"unknown":' + "[" * 200 + "]" * 200 + "}", f"{PLACE}: nested deeper than 128"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), BAD_SPANS, ids=[text[:60] for text, _ in BAD_SPANS])
def test_a_bad_span_is_refused_by_name(text: str, message: str) -> None:
    """With the place, the rule, and the value."""
    with pytest.raises(MalformedInput) as caught:
        read_span(text)

    assert str(caught.value).startswith("invalid JSON at line 1 column ")
    assert str(caught.value).endswith(message)


BAD_TEXTS: list[tuple[bytes, str]] = [
    (b"", "at line 1 column 1: must be an object, got the end of the text"),
    (b" \n ", "at line 2 column 2: must be an object, got the end of the text"),
    (b"null", 'at line 1 column 1: must be an object, got "null"'),
    (b"[]", "at line 1 column 1: must be an object, got a list"),
    (b"\xef\xbb\xbf{}", "at line 1 column 1: must be an object, got '\\u{feff}'"),
    (b"{} {}", "at line 1 column 4: must be the end of the text, got an object"),
    (b'{"resourceSpans":[', "at line 1 column 19 in resourceSpans[0]: must be an object, got the end of the text"),
    (b'{"resourceSpans":[{}', "at line 1 column 21 in resourceSpans: must be ',' or ']', got the end of the text"),
    (b'{"resourceSpans":[{},]}', "at line 1 column 22 in resourceSpans[1]: must be an object, got ']'"),
    (b'{"resourceSpans":nil}', "at line 1 column 18: \"nil\" is nothing that JSON knows"),
    (b'{"resourceSpans"}', "at line 1 column 17: must be ':', got '}'"),
    (b"{'a':1}", "at line 1 column 2: must be the name of a member in quotes, got '\\''"),
    (b'{"a":1 "b":2}', "at line 1 column 8: must be ',' or '}', got a string"),
    (b'{"a":"\xff"}', "at line 1 column 7: not UTF-8"),
    ('{\n"ä":"ä",\n"äöü":-}'.encode(), "at line 3 column 7: a number that is not written as JSON has it"),
    (b'{"a":"\\ud834\\u0041"}', "at line 1 column 7: half of a surrogate pair, which is no character"),
    (b'{"a":"\\ude80"}', "at line 1 column 7: half of a surrogate pair, which is no character"),
    (b'{"a":"\\x"}', "at line 1 column 7: an unknown escape in a string"),
    (b'{"a":"b}', "at line 1 column 6: the string does not end"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), BAD_TEXTS, ids=[message for _, message in BAD_TEXTS])
def test_what_is_no_request_is_refused_with_its_place(text: bytes, message: str) -> None:
    """Line and column count from 1, columns in characters."""
    with pytest.raises(MalformedInput) as caught:
        SpanBatch.from_json(text)

    assert str(caught.value) == f"invalid JSON {message}"


@pytest.mark.parametrize("opening", ['{"a":', "[", '{"resourceSpans":[', '{"arrayValue":{"values":['])
def test_endless_nesting_ends_early(opening: str) -> None:
    """However much comes: nothing recurses with it."""
    attribute = '{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":[{"value":'
    for start in ("", attribute):
        with pytest.raises(MalformedInput):
            SpanBatch.from_json((start + opening * 200_000).encode())
