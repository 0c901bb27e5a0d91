"""Clients that send what they are given, over gRPC and over HTTP/1.1, and tell the answers apart."""

from __future__ import annotations

import asyncio
import gzip
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from random import Random

import grpc
import grpc.aio

from testbed.hostile.connections import GRPC, HTTP
from testbed.hostile.mutations import mutate, spans

PIPELINED = 32
"""Requests of HTTP/1.1 that are sent before an answer is read."""
PATIENCE = 20.0
"""Seconds for an answer, and for the end of a connection that the client has ended."""

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_PATH, _MEDIA_TYPE = HTTP


@dataclass
class Tally:
    """What clients sent and heard."""

    requests: int = 0
    accepted: int = 0
    malformed: int = 0
    garbled: int = 0
    """Malformed, because they cannot be decompressed."""
    spans: int = 0
    """In requests that were accepted, counted by ourselves."""
    others: dict[str, int] = field(default_factory=dict)
    """Answers that are neither."""

    def note(self, body: bytes | None, status: str) -> None:
        """Note an answer: `OK`, `malformed`, or its own word for anything else. `None` cannot be decompressed."""
        self.requests += 1
        if status == "malformed":
            self.malformed += 1
            self.garbled += body is None
        elif status == "OK" and body is not None:
            self.accepted += 1
            self.spans += spans(body)
        else:
            self.others[status] = self.others.get(status, 0) + 1


def requests(samples: list[bytes], chance: Random, count: int) -> Iterator[bytes]:
    """Make mutated requests."""
    return (mutate(chance.choice(samples), chance) for _ in range(count))


async def over_http(address: str, bodies: Iterator[bytes], chance: Random, tally: Tally) -> None:
    """Send bodies on one connection, some of them compressed, a few of those broken. Raises `OSError`."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        while part := [_encode(body, chance) for body in islice(bodies, PIPELINED)]:
            writer.writelines(data for _, data in part)
            for body, _ in part:
                status = await asyncio.wait_for(_status(reader), PATIENCE)
                tally.note(body, {200: "OK", 400: "malformed"}.get(status, f"HTTP {status}"))
    finally:
        writer.close()


def _encode(body: bytes, chance: Random) -> tuple[bytes | None, bytes]:
    """Give what the server shall see, or `None` if it cannot, and a request of HTTP/1.1 with it."""
    sent, encoding = body, ""
    seen: bytes | None = body
    if chance.random() < 0.1:
        sent, encoding = gzip.compress(body, 1, mtime=0), "Content-Encoding: gzip\r\n"
        if chance.random() < 0.5:
            sent = mutate(sent, chance)
            seen = _inflated(sent)
    head = f"POST {_PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {_MEDIA_TYPE}\r\n{encoding}"
    return seen, f"{head}Content-Length: {len(sent)}\r\n\r\n".encode() + sent


def _inflated(data: bytes) -> bytes | None:
    """Inflate as RFC 1952 says; `gzip.decompress` overlooks reserved flags, zeros, and that nothing is there."""
    body = b""
    if not data:
        return None
    try:
        while data:
            member = zlib.decompressobj(wbits=31)
            body += member.decompress(data)
            if not member.eof:
                return None
            data = member.unused_data
    except zlib.error:
        return None
    return body


async def _status(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    if length := _LENGTH.search(head):
        await reader.readexactly(int(length[1]))
    return int(head[9:12])


async def over_grpc(address: str, bodies: Iterator[bytes], tally: Tally) -> None:
    """Send bodies one after the other."""
    # Channels to the same address would share one connection.
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
    async with grpc.aio.insecure_channel(address, options) as channel:
        call = channel.unary_unary(GRPC[0])
        for body in bodies:
            status = "OK"
            try:
                await call(body, timeout=PATIENCE)
            except grpc.aio.AioRpcError as error:
                status = "malformed" if error.code() is grpc.StatusCode.INVALID_ARGUMENT else error.code().name
            tally.note(body, status)


async def connect(address: str, data: bytes) -> bool:
    """Send bytes on a connection of their own, end it, and say whether the server ended it as well."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(data)
        await asyncio.wait_for(_finish(reader, writer), PATIENCE)
    except TimeoutError:
        return False
    except OSError:
        pass  # hung up while we were talking
    finally:
        writer.close()
    return True


async def _finish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write_eof()
    while await reader.read(1 << 16):
        pass


async def probe(address: str, message: bytes, done: Callable[[], bool], tally: Tally) -> float:
    """Be the honest client that asks all the time, until it is done. Gives the longest wait in seconds."""
    loop, longest = asyncio.get_running_loop(), 0.0
    while not done():
        began = loop.time()
        await over_grpc(address, iter([message]), tally)
        longest = max(longest, loop.time() - began)
        await asyncio.sleep(0.1)
    return longest
