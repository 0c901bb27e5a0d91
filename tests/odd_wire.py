"""Odd bytes: what protobuf allows on the wire and no SDK writes, and a parser to judge what becomes of it.

    @given(odd_requests())
    def test_…(data: bytes) -> None: ...

`odd_requests` takes ordinary requests apart, and scatters, repeats and splits their fields. `mutated_requests` breaks
them at random places. `LenientRequest` parses like protobuf, but takes strings that are not UTF-8.
"""

from __future__ import annotations

import struct
from random import Random
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor
from google.protobuf.message import Message
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import DESCRIPTOR, ExportTraceServiceRequest
from otlp_strategies import put_varint, requests

PACKING = {
    FieldDescriptor.TYPE_FIXED64: (1, "<Q"),
    FieldDescriptor.TYPE_DOUBLE: (1, "<d"),
    FieldDescriptor.TYPE_FIXED32: (5, "<I"),
}
NOT_UTF8 = (b"\xff", b"a\xc3", b"\xe2\x82 cut", b"long enough for the fast path \xf0\x9f\x98 and more", b"\xed\xa0\x80")


def long_varint(value: int, length: int) -> bytes:
    """A varint with padding, `length` bytes long."""
    out = bytearray(put_varint(value).ljust(length, b"\0"))
    for index in range(length - 1):
        out[index] |= 0x80
    return bytes(out)


def field(number: int, value: bytes | int) -> bytes:
    """A length-delimited field for bytes, a varint field for an integer."""
    if isinstance(value, int):
        return put_varint(number << 3) + put_varint(value)
    return put_varint(number << 3 | 2) + put_varint(len(value)) + value


def nested(path: list[int], body: bytes) -> bytes:
    """Messages in messages, by field number from the outermost, around `body`."""
    for number in reversed(path):
        body = field(number, body)
    return body


def with_span(body: bytes) -> bytes:
    """A request of one span."""
    return nested([1, 2, 2], body)


def _lenient() -> type[Message]:
    pool = descriptor_pool.DescriptorPool()

    def add(file: FileDescriptor) -> None:
        for dependency in file.dependencies:
            add(dependency)
        proto = descriptor_pb2.FileDescriptorProto()
        file.CopyToProto(proto)
        todo = list(proto.message_type)
        while todo:
            message = todo.pop()
            todo.extend(message.nested_type)
            for entry in message.field:
                if entry.type == entry.TYPE_STRING:
                    entry.type = entry.TYPE_BYTES
        pool.Add(proto)  # type: ignore[attr-defined]

    add(DESCRIPTOR)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(ExportTraceServiceRequest.DESCRIPTOR.full_name))


LenientRequest = _lenient()


def repair(message: Any, strict: Descriptor = ExportTraceServiceRequest.DESCRIPTOR) -> Any:
    """Replace what is not UTF-8 in the strings of a lenient message, as Python does. Returns the message."""
    for descriptor, value in message.ListFields():
        kind = strict.fields_by_number[descriptor.number]
        if kind.type == kind.TYPE_MESSAGE:
            for item in value if kind.is_repeated else [value]:
                repair(item, kind.message_type)
        elif kind.type == kind.TYPE_STRING:
            if kind.is_repeated:
                value[:] = [item.decode(errors="replace").encode() for item in value]
            else:
                setattr(message, descriptor.name, value.decode(errors="replace").encode())
    return message


class _Scatter:
    """Writes messages in one of the many ways that parse alike."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def message(self, message: Message) -> bytes:
        fields: list[bytes] = []
        for descriptor, value in message.ListFields():
            for item in value if descriptor.is_repeated else [value]:
                if not descriptor.is_repeated and self.chance(0.1):
                    # An older value, of which only parts of messages shall remain.
                    fields.append(self.field(descriptor, type(item)()))
                fields.append(self.field(descriptor, item))
        if self.chance(0.2):
            fields.append(field(self.random.randrange(100, 5000), b"unknown"))
        if self.chance(0.2):
            fields.append(field(self.random.randrange(100, 5000), self.random.randrange(2**40)))
        if self.chance(0.4):
            self.random.shuffle(fields)
        return b"".join(fields)

    def field(self, descriptor: FieldDescriptor, value: Any) -> bytes:
        number = descriptor.number
        if isinstance(value, Message):
            body = self.message(value)
            if not descriptor.is_repeated and self.chance(0.1):
                return field(number, body) + field(number, self.message(value))
            return self.long_field(number, body)
        if isinstance(value, str):
            text = value.encode()
            if self.chance(0.1):
                text += self.random.choice(NOT_UTF8)
            return self.long_field(number, text)
        if isinstance(value, bytes):
            return self.long_field(number, value)
        if packing := PACKING.get(descriptor.type):
            wire_type, layout = packing
            return put_varint(number << 3 | wire_type) + struct.pack(layout, value)
        unsigned = value % 2**64
        return put_varint(number << 3) + (long_varint(unsigned, 10) if self.chance(0.1) else put_varint(unsigned))

    def long_field(self, number: int, body: bytes) -> bytes:
        if self.chance(0.05):
            return long_varint(number << 3 | 2, 5) + long_varint(len(body), 5) + body
        return field(number, body)


@st.composite
def odd_requests(draw: st.DrawFn) -> bytes:
    """Well-formed requests, scattered, some with strings that are not UTF-8."""
    # Drawing every choice by itself would be slow, and shrink no better.
    random = Random(draw(st.integers(0, 2**32)))
    return _Scatter(random).message(draw(requests(max_spans=2)))


@st.composite
def mutated_requests(draw: st.DrawFn) -> bytes:
    """Requests with a few bytes changed, inserted or cut off."""
    data = bytearray(draw(requests(max_spans=2)).SerializeToString())
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["set", "insert", "cut"])):
            case "set":
                data[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case "insert":
                data[at:at] = draw(st.binary(max_size=4))
            case _:
                del data[at:]
    return bytes(data)


def bad_requests() -> SearchStrategy[bytes]:
    """Any bytes, most of them no request."""
    return st.binary(max_size=200) | mutated_requests()
