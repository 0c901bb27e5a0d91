"""Attribute actions compared with the same actions in a few lines of Python, on protobuf objects."""

from __future__ import annotations

import hashlib
import re
import struct
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from otlp_strategies import requests

from collector._kernel import Op, Program
from collector.spans import receive
from collector.testing import any_value, decode

KEYS = st.sampled_from(["http.route", "user.id", "env", "a", "b", "new"])
PATTERNS = st.sampled_from(["^http", "^u.*id$", ".", "nothing", "^$"])
LITERALS = st.sampled_from(["prod", "", 7, -1, 2.5, True, ["x", 1]])


@st.composite
def actions(draw: st.DrawFn) -> dict[str, Any]:
    """One action with settings that fit it."""
    name = draw(st.sampled_from(["insert", "update", "upsert", "delete", "hash", "extract"]))
    action: dict[str, Any] = {"action": name, "key": draw(KEYS)}
    if name in {"insert", "update", "upsert"}:
        source = draw(st.sampled_from(["value", "from_attribute"]))
        action[source] = draw(LITERALS if source == "value" else KEYS)
        if draw(st.booleans()):
            action["default_value"] = draw(LITERALS)
    elif name == "extract":
        action["pattern"] = draw(st.sampled_from([r"^(?P<new>[a-z]+)", r"(?P<a>\d)(?P<env>x)?", "(?P<b>l*)"]))
    elif draw(st.booleans()):
        action["pattern"] = draw(PATTERNS)
    return action


def expected_after(action: dict[str, Any], entries: list[KeyValue]) -> list[KeyValue]:
    """Do one action to the attributes of a span."""
    key, name = action["key"], action["action"]
    found = next((entry for entry in entries if entry.key == key), None)
    if name in {"insert", "update", "upsert"}:
        value = source_of(action, entries)
        if value is None or (name == "insert" and found) or (name == "update" and not found):
            return entries
        return put(entries, key, value)
    if name == "extract":
        match = (
            found and found.value.HasField("string_value") and re.search(action["pattern"], found.value.string_value)
        )
        for group, text in match.groupdict().items() if match else ():
            entries = put(entries, group, AnyValue(string_value=text or ""))
        return entries
    pattern = action.get("pattern")
    if name == "delete":
        if found:
            # The last one moves into the gap.
            index = next(index for index, entry in enumerate(entries) if entry.key == key)
            entries = (
                [*entries[:index], entries[-1], *entries[index + 1 : -1]] if found is not entries[-1] else entries[:-1]
            )
        return [entry for entry in entries if not (pattern and re.search(pattern, entry.key))]
    hashed = [hash_of(entry) if entry is found else entry for entry in entries]
    return [hash_of(entry) if pattern and re.search(pattern, entry.key) else entry for entry in hashed]


def source_of(action: dict[str, Any], entries: list[KeyValue]) -> AnyValue | None:
    """Look up the value to set."""
    if "value" in action:
        return any_value(action["value"])
    found = next((entry.value for entry in entries if entry.key == action["from_attribute"]), None)
    return any_value(action["default_value"]) if found is None and "default_value" in action else found


def put(entries: list[KeyValue], key: str, value: AnyValue) -> list[KeyValue]:
    """Set the first entry of this key, or append one."""
    for index, entry in enumerate(entries):
        if entry.key == key:
            return [*entries[:index], KeyValue(key=key, value=value), *entries[index + 1 :]]
    return [*entries, KeyValue(key=key, value=value)]


def hash_of(entry: KeyValue) -> KeyValue:
    """Replace the value by its digest."""
    match entry.value.WhichOneof("value"):
        case "string_value":
            data = entry.value.string_value.encode()
        case "int_value":
            data = struct.pack("<q", entry.value.int_value)
        case "double_value":
            data = struct.pack("<d", entry.value.double_value)
        case "bool_value":
            data = bytes([entry.value.bool_value])
        case _:
            return KeyValue(key=entry.key, value=AnyValue(string_value=""))
    return KeyValue(key=entry.key, value=AnyValue(string_value=hashlib.sha256(data).hexdigest()))


def serialized(request: ExportTraceServiceRequest) -> bytes:
    """Give bytes that are equal for equal messages, NaN included."""
    return request.SerializeToString(deterministic=True)


@given(requests(), st.lists(actions(), min_size=1, max_size=4))
def test_spans_come_out_as_the_oracle_says(request: ExportTraceServiceRequest, chain: list[dict[str, Any]]) -> None:
    """Whatever the actions and the spans, the attributes are those that the oracle computes, in the same order."""
    result = Program([Op("attributes", {"actions": chain})]).run(receive(request.SerializeToString())).batch
    expected = ExportTraceServiceRequest()
    expected.CopyFrom(request)
    for span in (span for group in expected.resource_spans for scope in group.scope_spans for span in scope.spans):
        entries = list(span.attributes)
        for action in chain:
            entries = expected_after(action, entries)
        kept = [KeyValue(key=entry.key, value=entry.value) for entry in entries]
        del span.attributes[:]
        span.attributes.extend(kept)
    if len(result):
        assert serialized(decode(result)) == serialized(expected)
    else:
        assert not any(scope.spans for group in request.resource_spans for scope in group.scope_spans)


@given(requests(), st.lists(actions(), min_size=1, max_size=4))
def test_resources_come_out_as_the_oracle_says(request: ExportTraceServiceRequest, chain: list[dict[str, Any]]) -> None:
    """The same actions on resources, whose spans stay as they are."""
    result = Program([Op("resource", {"attributes": chain})]).run(receive(request.SerializeToString())).batch
    expected = ExportTraceServiceRequest()
    expected.CopyFrom(request)
    for group in expected.resource_spans:
        entries = list(group.resource.attributes)
        for action in chain:
            entries = expected_after(action, entries)
        kept = [KeyValue(key=entry.key, value=entry.value) for entry in entries]
        if kept or group.HasField("resource"):
            del group.resource.attributes[:]
            group.resource.attributes.extend(kept)
    if len(result):
        assert serialized(decode(result)) == serialized(expected)
