"""Bytes that were right once, and how many spans are in those that still are."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

_ODD = (
    b"\xff" * 9 + b"\x01",
    b"\x80" * 11,
    b"\x00",
    b"\x0b",
    b"\x0c",
    b"\x0a\x00",
    b"\xff\xff\xff\xff\x0f",
    b"\xed\xa0\x80",
)
"""Varints at and over their limit, tags of groups and of field 0, an empty message, half of a surrogate pair."""


def mutate(data: bytes, chance: Random) -> bytes:
    """Change some bytes: set, flipped by a bit, cut out, doubled, put in, cut off. One in ten stays as it is."""
    if chance.random() < 0.1:
        return data
    out = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(out) or 1)
        match chance.randrange(7):
            case 0 if out:
                out[at] = chance.randrange(256)
            case 1 if out:
                out[at] ^= 1 << chance.randrange(8)
            case 2:
                del out[at : at + chance.randint(1, 40)]
            case 3:
                out[at:at] = out[at : at + chance.randint(1, 40)]
            case 4:
                out[at:at] = chance.choice(_ODD)
            case 5:
                out[at:at] = chance.randbytes(chance.randint(1, 8))
            case 6 if chance.random() < 0.1:
                del out[at:]
    return bytes(out)


def spans(request: bytes) -> int:
    """Count the spans in a request that is well formed. Raises `IndexError` if it is not."""
    return sum(1 for group in _messages(request, 1) for scope in _messages(group, 2) for _ in _messages(scope, 2))


def _messages(body: bytes, wanted: int) -> Iterator[bytes]:
    """Give the values of one field that have a length."""
    at = 0
    while at < len(body):
        tag, at = _varint(body, at)
        match tag & 7:
            case 0:
                _, at = _varint(body, at)
            case 1:
                at += 8
            case 2:
                length, at = _varint(body, at)
                if tag >> 3 == wanted:
                    yield body[at : at + length]
                at += length
            case _:
                at += 4


def _varint(body: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = body[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
        shift += 7
