"""OTLP/JSON that is refused, and what is said about it: text in, message out."""

from __future__ import annotations

import pytest

from collector._kernel import MalformedInput, SpanBatch

TRACE_ID = "0102030405060708090a0b0c0d0e0f10"
PLACE = "in resourceSpans[0].scopeSpans[0].spans[0]"
UINT32 = "must be a whole number from 0 to 4294967295"
UINT64 = "must be a whole number from 0 to 18446744073709551615"
INT64 = "must be a whole number from -9223372036854775808 to 9223372036854775807"
KIND = (
    "must be a whole number from -2147483648 to 2147483647, or one of SPAN_KIND_UNSPECIFIED, SPAN_KIND_INTERNAL, "
    "SPAN_KIND_SERVER, SPAN_KIND_CLIENT, SPAN_KIND_PRODUCER, SPAN_KIND_CONSUMER"
)

BAD_SPANS: list[tuple[str, str]] = [
    ('{"traceId":"abc"}', '.traceId: must be 32 hexadecimal digits, got "abc"'),
    (f'{{"traceId":"{TRACE_ID[:-1]}x"}}', f'.traceId: must be 32 hexadecimal digits, got "{TRACE_ID[:-1]}x"'),
    ('{"traceId":"AQIDBAUGBwgJCgsMDQ4PEA=="}',
     '.traceId: must be 32 hexadecimal digits (not base64), got "AQIDBAUGBwgJCgsMDQ4PEA=="'),
    (f'{{"spanId":"{TRACE_ID}"}}', f'.spanId: must be 16 hexadecimal digits, got "{TRACE_ID}"'),
    ('{"parent_span_id":"0"}', '.parentSpanId: must be 16 hexadecimal digits, got "0"'),
    ('{"traceId":7}', ".traceId: must be a string, got a number"),
    ('{"links":[{},{"spanId":"x"}]}', '.links[1].spanId: must be 16 hexadecimal digits, got "x"'),
    ('{"name":7}', ".name: must be a string, got a number"),
    ('{"name":"\\ud800"}', ".name: half of a surrogate pair, which is no character"),
    ('{"name":"a\nb"}', ".name: a control character in a string, which must be escaped"),
    ('{"kind":"SPAN_KIND_GUEST"}', f'.kind: {KIND}, got "SPAN_KIND_GUEST"'),
    ('{"kind":1.5}', f".kind: {KIND}, got 1.5"),
    ('{"kind":{}}', ".kind: must be a number, got an object"),
    ('{"flags":4294967296}', f".flags: {UINT32}, got 4294967296"),
    ('{"flags":"-1"}', f'.flags: {UINT32}, got "-1"'),
    ('{"droppedLinksCount":0.5}', f".droppedLinksCount: {UINT32}, got 0.5"),
    ('{"startTimeUnixNano":18446744073709551616}',
     f".startTimeUnixNano: {UINT64}, got 18446744073709551616"),
    ('{"startTimeUnixNano":"2026-01-01T00:00:00Z"}',
     f'.startTimeUnixNano: {UINT64}, got "2026-01-01T00:00:00Z"'),
    ('{"startTimeUnixNano":""}',
     f'.startTimeUnixNano: {UINT64}, got ""'),
    ('{"startTimeUnixNano":true}', '.startTimeUnixNano: must be a number, got "true"'),
    ('{"endTimeUnixNano":01}', ".endTimeUnixNano: a number that is not written as JSON has it"),
    ('{"attributes":{"a":1}}', ".attributes: must be a list, got an object"),
    ('{"attributes":[{"key":"a","value":"b"}]}', ".attributes[0].value: must be an object, got a string"),
    ('{"attributes":[{"value":{"boolValue":"true"}}]}',
     ".attributes[0].value.boolValue: must be true or false, got a string"),
    ('{"attributes":[{"value":{"intValue":1.5}}]}',
     f".attributes[0].value.intValue: {INT64}, got 1.5"),
    ('{"attributes":[{"value":{"doubleValue":1e999}}]}',
     ".attributes[0].value.doubleValue: must be a 64-bit floating-point number, got 1e999"),
    ('{"attributes":[{"value":{"doubleValue":"much"}}]}',
     '.attributes[0].value.doubleValue: must be a 64-bit floating-point number, got "much"'),
    ('{"attributes":[{"value":{"doubleValue":NaN}}]}',
     '.attributes[0].value.doubleValue: must be a number, got "NaN"'),
    ('{"attributes":[{"value":{"bytesValue":"a*b="}}]}',
     '.attributes[0].value.bytesValue: must be base64, got "a*b="'),
    ('{"attributes":[{"value":{"bytesValue":"' + "?" * 100 + '"}}]}',
     f'.attributes[0].value.bytesValue: must be base64, got "{"?" * 48}"…'),
    ('{"attributes":[{"value":{"arrayValue":{"values":[{},{"kvlistValue":{"values":[{"value":[]}]}}]}}}]}',
     ".attributes[0].value.arrayValue.values[1].kvlistValue.values[0].value: must be an object, got a list"),
    ('{"attributes":[{"value":' + '{"arrayValue":{"values":[' * 40 + "{}" + "]}}" * 40 + "}]}",
     ".arrayValue.values[0]: value nested deeper than 40"),
    ('{"attributes":[{"value":' + '{"kvlistValue":{"values":[{"value":' * 32 + "{}" + "}]}}" * 32 + "}]}",
     ".kvlistValue.values[0].value: message nested deeper than 100"),
    ('{"unknown":' + "[" * 200 + "]" * 200 + "}", ": nested deeper than 128"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), BAD_SPANS, ids=[text[:60] for text, _ in BAD_SPANS])
def test_a_bad_span_is_refused_by_name(text: str, message: str) -> None:
    """With the place, the rule, and the value."""
    with pytest.raises(MalformedInput) as caught:
        SpanBatch.from_json(b'{"resourceSpans":[{"scopeSpans":[{"spans":[%s]}]}]}' % text.encode())

    assert str(caught.value).startswith("invalid JSON at line 1 column ")
    assert str(caught.value).endswith(message)
    assert PLACE in str(caught.value)


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
