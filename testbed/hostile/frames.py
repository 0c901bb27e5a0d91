"""HTTP/2 by hand: what an honest client of gRPC sends, frame by frame, so that each of them can be wrong.

RFC 9113 for the frames, RFC 7541 for the headers, which are written as literals that no table keeps.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import IntEnum

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Type(IntEnum):
    """The kinds of frames."""

    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8


@dataclass(slots=True)
class Frame:
    """One frame. `length` stands in for the payload's where it lies."""

    type: int
    flags: int
    stream: int
    payload: bytes = b""
    length: int | None = None

    def encode(self) -> bytes:
        """Write it: nine bytes and the payload."""
        length = len(self.payload) if self.length is None else self.length
        head = (length & 0xFF_FFFF).to_bytes(3, "big") + bytes([self.type & 0xFF, self.flags & 0xFF])
        return head + (self.stream & 0xFFFF_FFFF).to_bytes(4, "big") + self.payload


def headers(path: str, content_type: str, **more: str) -> bytes:
    """Write the headers of a POST."""
    pairs = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "localhost",
        "content-type": content_type,
        "te": "trailers",
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    return b"".join(literal(name, value) for name, value in pairs.items())


def literal(name: str, value: str, *, kept: bool = False) -> bytes:
    """Write a header with its name, for the table to keep or not: RFC 7541, section 6.2."""
    return (b"\x40" if kept else b"\x00") + _string(name) + _string(value)


def _string(text: str) -> bytes:
    """A length with a prefix of 7 bits (RFC 7541, section 5.1), and the text."""
    data = text.encode()
    if len(data) < 127:
        return bytes([len(data)]) + data
    rest = len(data) - 127
    length = bytearray([127])
    while rest >= 128:
        length.append(rest % 128 + 128)
        rest //= 128
    return bytes([*length, rest]) + data


async def read_frame(reader: asyncio.StreamReader) -> Frame:
    """Read a frame. Raises `asyncio.IncompleteReadError` when the other side hangs up."""
    head = await reader.readexactly(9)
    payload = await reader.readexactly(int.from_bytes(head[:3], "big"))
    return Frame(head[3], head[4], int.from_bytes(head[5:], "big"), payload)


def conversation(message: bytes, path: str, content_type: str, *, framed: bool) -> list[Frame]:
    """What an honest client sends after the preface: settings, three requests in different shapes, a ping, the end."""
    head = headers(path, content_type)
    body = b"\x00" + len(message).to_bytes(4, "big") + message if framed else message
    half = len(body) // 2
    return [
        Frame(Type.SETTINGS, 0, 0, b"\x00\x04\x00\x10\x00\x00"),
        Frame(Type.WINDOW_UPDATE, 0, 0, (1 << 20).to_bytes(4, "big")),
        Frame(Type.SETTINGS, ACK, 0),
        Frame(Type.HEADERS, END_HEADERS, 1, head),
        Frame(Type.DATA, END_STREAM, 1, body),
        Frame(Type.HEADERS, 0, 3, head[:20]),
        Frame(Type.CONTINUATION, END_HEADERS, 3, head[20:]),
        Frame(Type.PING, 0, 0, b"12345678"),
        Frame(Type.DATA, 0, 3, body[:half]),
        Frame(Type.DATA, PADDED | END_STREAM, 3, b"\x04" + body[half:] + bytes(4)),
        Frame(Type.HEADERS, END_HEADERS, 5, head),
        Frame(Type.DATA, 0, 5, body[:half]),
        Frame(Type.RST_STREAM, 0, 5, (8).to_bytes(4, "big")),
        Frame(Type.GOAWAY, 0, 0, bytes(8)),
    ]
