"""A server of HTTP/2 that is told frame by frame what to do: for answers that no library would give."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from testbed.hostile.frames import ACK, END_HEADERS, END_STREAM, PREFACE, Frame, Type, literal, read_frame

MAX_CONCURRENT_STREAMS = 3
NO_ERROR, REFUSED_STREAM, CANCEL = 0, 7, 8


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
        return await read_frame(self.reader)

    def send(self, kind: int, flags: int, stream: int, payload: bytes = b"") -> None:
        self.writer.write(Frame(kind, flags, stream, payload).encode())

    def headers(self, stream: int, fields: dict[str, str], *, end: bool) -> None:
        """Send headers, or trailers."""
        block = b"".join(literal(name, value) for name, value in fields.items())
        self.send(Type.HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, block)

    def answer(self, stream: int, message: bytes = b"", trailers: dict[str, str] | None = None, **headers: str) -> None:
        """Answer as gRPC does: headers, a message, trailers."""
        fields = {":status": "200", "content-type": "application/grpc"}
        self.headers(stream, fields | {name.replace("_", "-"): value for name, value in headers.items()}, end=False)
        self.send(Type.DATA, 0, stream, struct.pack(">BI", 0, len(message)) + message)
        self.headers(stream, trailers or {"grpc-status": "0"}, end=True)

    def reset(self, stream: int, code: int) -> None:
        self.send(Type.RST_STREAM, 0, stream, code.to_bytes(4))

    def go_away(self, last: int, code: int = NO_ERROR) -> None:
        self.send(Type.GOAWAY, 0, 0, last.to_bytes(4) + code.to_bytes(4))

    async def requests(self) -> AsyncIterator[int]:
        """The streams whose requests are there wholly, as they come. Windows are kept open, and pings answered."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                frame = await self.read()
                if frame.type == Type.PING and not frame.flags & ACK:
                    self.send(Type.PING, ACK, 0, frame.payload)
                if frame.type == Type.DATA:
                    self.messages[frame.stream] = self.messages.get(frame.stream, b"") + frame.payload
                    for stream in {0, frame.stream} if frame.payload else ():
                        self.send(Type.WINDOW_UPDATE, 0, stream, len(frame.payload).to_bytes(4))
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
            assert await reader.readexactly(len(PREFACE)) == PREFACE
            limit = struct.pack(">HI", MAX_CONCURRENT_STREAMS, max_concurrent_streams)
            connection.send(Type.SETTINGS, 0, 0, limit if max_concurrent_streams else b"")
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
