"""OTLP over HTTP, and over gRPC without grpcio: the kernel serves, and Python takes what has gathered.

All that is there is taken as one *ticket*: one batch, one await, and one answer for each request in it. The busier the
pipeline is, the more requests share its cost. Where the kernel can run the front of the pipeline, there are no tickets:
requests are answered there, and only their counts come here.
"""

from __future__ import annotations

import asyncio
import functools
import os
import time

from collector._kernel import Fairness, Guard, OtlpServer, Plan, ServerSocket, ServerTls, Ticket
from collector.auth import guard
from collector.component import Host, Leavings
from collector.errors import StartError
from collector.offload import Offload
from collector.receivers.otlp.http_config import OtlpHttpConfig
from collector.receivers.otlp.ingest import Ingest
from collector.transport.connections import Troubles, most_connections
from collector.transport.native_tls import Certificates
from collector.transport.settings import (
    GrpcServerConfig,
    KeepaliveEnforcementPolicy,
    join_endpoint,
    resolve,
    socket_key,
)

TICKET_BYTES = 4 << 20
"""The most that is taken at once, unless one request alone is larger."""
MOST_TICKETS = 16
"""That are under way at a time. Behind them requests gather, within `MOST_IN_FLIGHT`."""
MOST_IN_FLIGHT = 256 << 20
"""Bytes of requests that were not answered yet. Further ones are told to come back."""
MOST_STREAMS = 250
"""Requests at a time on one connection of HTTP/2, where nothing else can be said. As in Go."""
INTRODUCTION = 10.0
"""Seconds until a client of gRPC has said that it is one."""
BODY = 60.0
"""Seconds that the body of a gRPC request may take to arrive. Until then it takes of `MOST_IN_FLIGHT`."""

PINGS = 300.0
"""Seconds between two pings of a client, where 0 is said. As in Go."""


class NativeServer:
    """Serves OTLP at one endpoint."""

    def __init__(
        self,
        config: GrpcServerConfig | OtlpHttpConfig,
        ingest: Ingest,
        *,
        needs_origin: bool,
        one_by_one: bool,
        offload: Offload | None,
        fairness: Fairness | None,
        owner: str,
    ) -> None:
        self._config = config
        self._owner = owner
        self.ingest = ingest
        self._needs_origin = needs_origin
        self._one_by_one = one_by_one
        self._offload = offload
        self._fairness = fairness
        alpn = ["h2"] if isinstance(config, GrpcServerConfig) else ["h2", "http/1.1"]
        self._certificates = Certificates(config.tls, alpn, ingest.logger) if config.tls else None
        self._server: OtlpServer | None = None
        self._tickets: dict[asyncio.Task[None], Ticket] = {}
        self._ended = asyncio.Event()
        self._troubles = Troubles()
        self.address = ""
        """The bound address, known once it has started."""

    async def start(self, host: Host) -> None:
        """Listen and serve. Raises `StartError`, with the path of the option that is to blame."""
        tls = self._certificates.read() if self._certificates else None
        asked = guard(host, self._config.auth)
        try:
            server = self._server = self._listen(tls, asked, host.left(self._key))
        except StartError as error:
            raise error.below("endpoint") from error
        self.ingest.sources.append(self._refresh)
        asyncio.get_running_loop().add_reader(server.fileno(), self._hear, server)
        if self._certificates:
            self._certificates.start(server.set_tls)

    def rewire(self, offload: Offload | None, *, needs_origin: bool, one_by_one: bool) -> None:
        """Hear that something else comes next."""
        self._needs_origin, self._one_by_one, self._offload = needs_origin, one_by_one, offload
        if self._server:
            self._server.set_front(self._plan, needs_origin=needs_origin)
            # What has gathered for a plan that is gone is taken now.
            self._take(self._server)

    def leaves(self) -> Leavings:
        """Where it listens, for another server that is to follow."""
        server = self._server
        return {self._key: lambda: server.socket} if server else {}

    @property
    def _key(self) -> str:
        return socket_key(self._config.endpoint, self._owner, self._config.transport)

    @property
    def _plan(self) -> Plan | None:
        return self._offload.plan if self._offload and self._config.offload else None

    def _listen(self, tls: ServerTls | None, asked: Guard | None, socket: ServerSocket | None) -> OtlpServer:
        config = self._config
        if config.transport == "unix":
            endpoint: dict[str, object] = {"unix": {"path": config.endpoint}}
            address = config.endpoint
        else:
            _, host, port = resolve(config.endpoint, config.transport)
            endpoint = {"tcp": {"host": host, "port": port}}
            address = join_endpoint(host, port)
        settings = {
            "endpoint": endpoint,
            "max_connections": most_connections(),
            "max_in_flight": MOST_IN_FLIGHT,
            "include_metadata": config.include_metadata,
            **(_grpc(config) if isinstance(config, GrpcServerConfig) else _http(config)),
        }
        try:
            server = OtlpServer(
                settings,
                self._plan,
                needs_origin=self._needs_origin,
                tls=tls,
                guard=asked,
                fairness=self._fairness,
                socket=socket,
            )
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise StartError(f"cannot listen on {address}: {reason.lower()}") from error
        self.address = f"unix:{address}" if config.transport == "unix" else join_endpoint(host, server.port)
        return server

    async def shutdown(self) -> None:
        """Accept nothing more and wait for what is under way. When it is cancelled, that is broken off."""
        server, self._server = self._server, None
        if server is None:
            return
        if self._certificates:
            self._certificates.stop()
        server.drain()
        try:
            await self._ended.wait()
        except asyncio.CancelledError:
            server.stop()
            for ticket in self._tickets:
                ticket.cancel()
            raise
        finally:
            asyncio.get_running_loop().remove_reader(server.fileno())
            await asyncio.to_thread(server.join)
            if self._tickets:
                await asyncio.wait(self._tickets)
            self.ingest.sources.remove(self._refresh)
            self._count(server)

    def _hear(self, server: OtlpServer) -> None:
        """Take what has arrived: the kernel has rung."""
        server.clear()
        self._count(server)
        for task, ticket in self._tickets.items():
            if ticket.is_abandoned:
                task.cancel()
        self._take(server)
        if server.has_ended:
            self._ended.set()

    def _refresh(self) -> None:
        """Bring the account up to date: requests that the kernel answers do not wake anybody."""
        if self._server:
            self._count(self._server)

    def _count(self, server: OtlpServer) -> None:
        counts = server.counts()
        self.ingest.count(counts)
        line = self._troubles.note(
            slow=counts.slow,
            broken=counts.broken,
            strangers=counts.strangers,
            crowded=counts.crowded,
            now=time.monotonic(),
        )
        if line:
            self.ingest.logger.warning(line, extra={"endpoint": self.address})

    def _take(self, server: OtlpServer) -> None:
        while len(self._tickets) < MOST_TICKETS:
            ticket = server.take(TICKET_BYTES, self._one_by_one)
            if ticket is None:
                return
            if ticket.is_abandoned:
                self.ingest.give_back(ticket)
                continue
            task = asyncio.get_running_loop().create_task(self.ingest.ticket(ticket))
            self._tickets[task] = ticket
            # Not at the end of the task itself: one that is cancelled before its first step does nothing at all.
            task.add_done_callback(functools.partial(self._done, server))

    def _done(self, server: OtlpServer, task: asyncio.Task[None]) -> None:
        del self._tickets[task]
        self._take(server)


def _grpc(config: GrpcServerConfig) -> dict[str, object]:
    keepalive = config.keepalive and config.keepalive.server_parameters
    pings = (config.keepalive and config.keepalive.enforcement_policy) or KeepaliveEnforcementPolicy()
    return {
        "protocol": "grpc",
        "max_message": config.max_recv_bytes,
        "max_streams": config.max_concurrent_streams,
        "read_header_timeout": INTRODUCTION,
        "read_timeout": BODY,
        "keep_alives": True,
        "max_connection_idle": float(keepalive.max_connection_idle) if keepalive else 0.0,
        "max_connection_age": float(keepalive.max_connection_age) if keepalive else 0.0,
        "max_connection_age_grace": float(keepalive.max_connection_age_grace) if keepalive else 0.0,
        "keepalive_time": float(keepalive.time) if keepalive else 0.0,
        "keepalive_timeout": float(keepalive.timeout) if keepalive else 0.0,
        "ping_min_time": float(pings.min_time) or PINGS,
        "ping_without_stream": pings.permit_without_stream,
    }


def _http(config: OtlpHttpConfig) -> dict[str, object]:
    cors = config.cors if config.cors and config.cors.allowed_origins else None
    return {
        "protocol": {
            "http": {
                "traces_url_path": config.traces_path,
                "encodings": list(config.compression_algorithms or ("",)),
                "cors": cors
                and {
                    "allowed_origins": cors.allowed_origins,
                    "allowed_headers": cors.allowed_headers,
                    "exposed_headers": cors.exposed_headers,
                    "max_age": cors.max_age,
                },
            }
        },
        "max_message": config.max_body_bytes,
        "max_streams": MOST_STREAMS,
        "read_header_timeout": float(config.read_header_timeout),
        "read_timeout": float(config.read_timeout),
        "keep_alives": config.keep_alives_enabled,
        "max_connection_idle": float(config.idle_timeout),
        "max_connection_age": 0.0,
        "max_connection_age_grace": 0.0,
        "keepalive_time": 0.0,
        "keepalive_timeout": 0.0,
        "ping_min_time": 0.0,
        "ping_without_stream": True,
    }
