"""A server of HTTP/2 that is told frame by frame what to do: for answers that no library would give."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1
MAX_CONCURRENT_STREAMS = 3
NO_ERROR, REFUSED_STREAM, CANCEL = 0, 7, 8

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


@dataclass
class Frame:
    kind: int
    flags: int
    stream: int
    payload: bytes


@dataclass
class Connection:
    """One client. `number` counts connections from 0."""

    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    messages: dict[int, bytes] = field(default_factory=dict)
    """What came in DATA frames, by stream."""

    async def read(self) -> Frame:
        """Read a frame. Raises `asyncio.IncompleteReadError` when the client hangs up."""
        head = await self.reader.readexactly(9)
        length, kind, flags, stream = int.from_bytes(head[:3]), head[3], head[4], int.from_bytes(head[5:])
        return Frame(kind, flags, stream, await self.reader.readexactly(length))

    def send(self, kind: int, flags: int, stream: int, payload: bytes = b"") -> None:
        self.writer.write(len(payload).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + payload)

    def headers(self, stream: int, fields: dict[str, str], *, end: bool) -> None:
        """Send headers, or trailers. HPACK's plainest way: literals without an index, RFC 7541, section 6.2.2."""
        block = b"".join(
            b"\x00" + b"".join(_length(len(text)) + text.encode() for text in pair) for pair in fields.items()
        )
        self.send(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, block)

    def answer(self, stream: int, message: bytes = b"", trailers: dict[str, str] | None = None, **headers: str) -> None:
        """Answer as gRPC does: headers, a message, trailers."""
        fields = {":status": "200", "content-type": "application/grpc"}
        self.headers(stream, fields | {name.replace("_", "-"): value for name, value in headers.items()}, end=False)
        self.send(DATA, 0, stream, struct.pack(">BI", 0, len(message)) + message)
        self.headers(stream, trailers or {"grpc-status": "0"}, end=True)

    def reset(self, stream: int, code: int) -> None:
        self.send(RST_STREAM, 0, stream, code.to_bytes(4))

    def go_away(self, last: int, code: int = NO_ERROR) -> None:
        self.send(GOAWAY, 0, 0, last.to_bytes(4) + code.to_bytes(4))

    async def requests(self) -> AsyncIterator[int]:
        """The streams whose requests are there wholly, as they come. Windows are kept open, and pings answered."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                frame = await self.read()
                if frame.kind == PING and not frame.flags & ACK:
                    self.send(PING, ACK, 0, frame.payload)
                if frame.kind == DATA:
                    self.messages[frame.stream] = self.messages.get(frame.stream, b"") + frame.payload
                    for stream in {0, frame.stream} if frame.payload else ():
                        self.send(WINDOW_UPDATE, 0, stream, len(frame.payload).to_bytes(4))
                    if frame.flags & END_STREAM:
                        yield frame.stream


Behaviour = Callable[[Connection], Awaitable[None]]


@contextlib.asynccontextmanager
async def raw_http2(
    behave: Behaviour, *, max_concurrent_streams: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """Serve until the block ends, a call of `behave` for each connection. Gives the address."""
    connections: list[Connection] = []
    tasks: set[asyncio.Task[None]] = set()
    failures: list[BaseException] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(len(connections), reader, writer)
        connections.append(connection)
        task = asyncio.current_task()
        assert task
        tasks.add(task)
        try:
            assert await reader.readexactly(len(_PREFACE)) == _PREFACE
            limit = struct.pack(">HI", MAX_CONCURRENT_STREAMS, max_concurrent_streams)
            connection.send(SETTINGS, 0, 0, limit if max_concurrent_streams else b"")
            await behave(connection)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except Exception as error:
            failures.append(error)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield "{}:{}".format(*server.sockets[0].getsockname())
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
        assert not failures, failures


def _length(value: int) -> bytes:
    """A number with a prefix of 7 bits, RFC 7541, section 5.1."""
    if value < 127:
        return bytes((value,))
    value -= 127
    out = bytearray((127,))
    while value >= 128:
        out.append(value % 128 + 128)
        value //= 128
    out.append(value)
    return bytes(out)
