"""Small HTTP servers: an ASGI application behind uvicorn, on the collector's own loop.

For pages that are read now and then: metrics, health.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from email.utils import formatdate
from typing import Any

from collector.component import Host, Leavings
from collector.transport.settings import join_endpoint, listen, socket_key

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


async def respond(send: Send, status: int, body: str, content_type: str = "text/plain; charset=utf-8") -> None:
    """Send a whole answer."""
    data = body.encode()
    headers = [
        (b"date", formatdate(usegmt=True).encode()),
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(data)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": data})


class HttpServer:
    """Serves an application at an endpoint until it is told to stop."""

    def __init__(self, app: App, endpoint: str, owner: str) -> None:
        self._app = app
        self._endpoint = endpoint
        # Nobody else listens with sockets of Python.
        self._key = f"http {socket_key(endpoint, owner)}"
        self._listener: socket.socket | None = None
        self._serving: asyncio.Task[None] | None = None
        self._over = asyncio.Event()
        self.address = ""
        """The bound address, known once it has started."""

    def leaves(self) -> Leavings:
        """Where it listens, for another server of this kind that is to follow."""
        return {self._key: self._listener.dup} if self._listener else {}

    async def start(self, host: Host) -> None:
        """Listen and serve. Raises `StartError` when the address cannot be had."""
        listener = self._listener = host.left(self._key) or listen(self._endpoint)
        self.address = join_endpoint(*listener.getsockname()[:2])

        # Not everybody serves pages, and the import takes its time.
        import uvicorn  # noqa: PLC0415

        over = self._over

        class Server(uvicorn.Server):
            """uvicorn without its own idea of what signals mean, and without a clock that wakes it all the time."""

            @contextlib.contextmanager
            def capture_signals(self) -> Iterator[None]:
                yield

            async def main_loop(self) -> None:
                await over.wait()

        config = uvicorn.Config(
            self._app,
            http="httptools",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=1,
        )
        self._serving = asyncio.create_task(Server(config).serve(sockets=[listener]))

    async def shutdown(self) -> None:
        """Stop serving. May be called twice, and without `start`."""
        if self._serving is None:
            return
        self._listener = None
        self._over.set()
        await asyncio.wait([self._serving])
        self._serving = None
