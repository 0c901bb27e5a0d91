"""What goes over the wire of HTTP/2 besides the answer, where some clients are particular."""

import asyncio

import pytest
from otlp_http import address, http_receiver

from collector.testing import Sink, make_request
from testbed.hostile.connections import GRPC, HTTP
from testbed.hostile.frames import ACK, END_HEADERS, END_STREAM, PREFACE, Frame, Type, headers, read_frame

REQUEST = make_request(3).SerializeToString()


async def _frames(reader: asyncio.StreamReader) -> list[tuple[Type, int]]:
    """Type and stream of each frame up to the answer to our ping, which comes behind what was sent before it."""
    found = []
    while True:
        frame = await asyncio.wait_for(read_frame(reader), 10)
        if frame.type == Type.PING and frame.flags & ACK:
            return found
        found.append((Type(frame.type), frame.stream))


@pytest.mark.parametrize(
    "head",
    [
        headers(HTTP[0], "text/plain"),
        headers("/other", HTTP[1]),
        headers(HTTP[0], HTTP[1], content_encoding="snappy"),
        headers(*GRPC),
    ],
)
async def test_a_refusal_waits_for_the_body_instead_of_resetting_the_stream(head: bytes) -> None:
    """A body that comes after the answer is known is read: behind a reset, curl forgets the answer."""
    async with http_receiver(Sink()) as running:
        reader, writer = await asyncio.open_connection(*address(running))
        try:
            frames = [Frame(Type.SETTINGS, 0, 0), Frame(Type.HEADERS, END_HEADERS, 1, head)]
            writer.write(PREFACE + b"".join(frame.encode() for frame in frames))
            writer.write(Frame(Type.PING, 0, 0, b"no rush.").encode())
            found = await _frames(reader)
            writer.write(Frame(Type.DATA, END_STREAM, 1, REQUEST).encode())
            for _ in range(1000):
                writer.write(Frame(Type.PING, 0, 0, b"and now?").encode())
                found += await _frames(reader)
                if any(stream == 1 for _, stream in found):
                    break
        finally:
            writer.close()

    assert (Type.HEADERS, 1) in found
    assert (Type.RST_STREAM, 1) not in found
