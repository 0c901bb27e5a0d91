"""OTLP/gRPC on grpcio: one method that takes raw bytes.

No message is parsed here. A handler without a deserializer gets the bytes as they came, already inflated and within the
size limit, and the answer to a success is an empty message.
"""

from __future__ import annotations

import asyncio
import os
import socket
from urllib.parse import unquote

from collector.component import Host, Leavings
from collector.errors import StartError
from collector.offload import Offload
from collector.receivers.otlp.ingest import Ingest
from collector.receivers.otlp.status import answer_to
from collector.spans import Origin
from collector.transport.grpcio import grpc
from collector.transport.settings import GrpcServerConfig, join_endpoint, resolve, socket_key
from collector.transport.tls import ServerTlsConfig

_EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_OTHER_SIGNALS = {
    "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export": "metrics",
    "/opentelemetry.proto.collector.logs.v1.LogsService/Export": "logs",
    "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export": "profiles",
}

_HEALTH = "/grpc.health.v1.Health/Check"
_SERVICE = b"opentelemetry.proto.collector.trace.v1.TraceService"
_HEALTH_REQUESTS = (b"", bytes((0x0A, len(_SERVICE))) + _SERVICE)
"""A `HealthCheckRequest` for everything, and one for what there is."""
_SERVING, _NOT_SERVING = b"\x08\x01", b"\x08\x02"

_AS_LONG_AS_IT_TAKES = 24 * 3600.0
"""Seconds. The service decides how long a shutdown may take, and cancels it."""


class GrpcServer:
    """Serves the TraceService at one endpoint."""

    def __init__(self, config: GrpcServerConfig, ingest: Ingest, *, needs_origin: bool, owner: str) -> None:
        self._config = config
        self._owner = owner
        self.ingest = ingest
        self._needs_origin = needs_origin
        self._export = grpc.unary_unary_rpc_method_handler(self._handle)
        self._health = grpc.unary_unary_rpc_method_handler(self._check_health)
        self._draining = False
        self._server: grpc.aio.Server | None = None
        self.address = ""
        """The bound address, known once it has started."""

    async def start(self, host: Host) -> None:
        """Listen and serve. Raises `StartError`, with the path of the option that is to blame."""
        tls = self._config.tls
        if tls and (problem := tls.unsupported_by_grpcio()):
            option, _, message = problem.partition(": ")
            raise StartError(message, path=f"tls::{option}")
        credentials = _credentials(tls) if tls else None
        server = grpc.aio.server(handlers=[self], options=_options(self._config))
        try:
            self.address = self._bind(server, credentials, host.left(self._key))
        except StartError as error:
            raise error.below("endpoint") from error
        await server.start()
        self._server = server

    def rewire(self, offload: Offload | None, *, needs_origin: bool, one_by_one: bool) -> None:
        """Hear that something else comes next. Requests are handed on one by one here, and by Python."""
        self._needs_origin = needs_origin

    def leaves(self) -> Leavings:
        """Where it listens, which a successor may do at the same time."""
        return {self._key: lambda: self.address}

    async def shutdown(self) -> None:
        """Accept nothing more and wait for what is under way. When it is cancelled, that is broken off."""
        if self._server is None:
            return
        self._draining = True
        try:
            await self._server.stop(grace=_AS_LONG_AS_IT_TAKES)
        except asyncio.CancelledError:
            await self._server.stop(grace=None)
            raise
        self._server = None

    @property
    def _key(self) -> str:
        # Sockets of grpcio cannot be handed to anybody.
        return f"grpcio {socket_key(self._config.endpoint, self._owner, self._config.transport)}"

    def _bind(self, server: grpc.aio.Server, credentials: grpc.ServerCredentials | None, before: str | None) -> str:
        """Open the port, beside the server that has it `before`, and give the bound address. Raises `StartError`."""
        config = self._config
        if config.transport == "unix":
            target = f"unix:{config.endpoint}"
            if before:
                raise StartError("a unix socket cannot be handed on with the grpcio engine: restart the collector")
            if _is_alive(config.endpoint):
                raise StartError(f"cannot listen on {config.endpoint}: another process listens there")
            obstacle = None
        else:
            _, host, port = resolve(config.endpoint, config.transport)
            target = before or join_endpoint(host, port)
            obstacle = None if before else _obstacle(config)
        try:
            if obstacle is None:
                bound = server.add_secure_port(target, credentials) if credentials else server.add_insecure_port(target)
                return target if config.transport == "unix" else join_endpoint(host, bound)
        except RuntimeError:
            obstacle = _obstacle(config) or "gRPC could not bind it"
        raise StartError(f"cannot listen on {target}: {obstacle}")

    def service(self, call: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """Find the handler of a method: grpcio asks for every request."""
        if call.method == _EXPORT:
            return self._export
        if call.method == _HEALTH:
            return self._health
        if signal := _OTHER_SIGNALS.get(call.method):
            return _unimplemented(signal)
        return None

    async def _check_health(self, data: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        """Answer a `HealthCheckRequest`, as the kernel's server does."""
        if data not in _HEALTH_REQUESTS:
            await context.abort(grpc.StatusCode.NOT_FOUND, "there is no such service here")
        return _NOT_SERVING if self._draining else _SERVING

    async def _handle(self, data: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        try:
            await self.ingest.request(data, self._origin(context) if self._needs_origin else None)
        except Exception as error:
            code, message, trailer = answer_to(error)
            await context.abort(code, message, trailer)
        return b""

    def _origin(self, context: grpc.aio.ServicerContext[bytes, bytes]) -> Origin:
        metadata: dict[str, list[str]] = {}
        if self._config.include_metadata:
            for name, value in context.invocation_metadata() or ():
                text = value if isinstance(value, str) else value.decode("utf-8", "replace")
                metadata.setdefault(name, []).append(text)
        return Origin(_peer(context.peer()), metadata)


def _unimplemented(signal: str) -> grpc.RpcMethodHandler:
    async def refuse(data: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
        message = f"this collector takes traces only: send {signal} elsewhere, or switch their export off"
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, message)

    return grpc.unary_unary_rpc_method_handler(refuse)


def _peer(peer: str) -> str:
    """Turn grpcio's `ipv4:127.0.0.1:5000` and `ipv6:%5B::1%5D:5000` into an address with its port."""
    _, _, address = unquote(peer).partition(":")
    return address


def _options(config: GrpcServerConfig) -> list[tuple[str, int]]:
    options = [
        # A successor shares the port for a moment. Nobody else does: whether it is free is looked at before.
        ("grpc.so_reuseport", 1),
        ("grpc.max_receive_message_length", config.max_recv_bytes),
    ]
    if config.max_concurrent_streams:
        options.append(("grpc.max_concurrent_streams", config.max_concurrent_streams))
    if config.keepalive and (server := config.keepalive.server_parameters):
        durations = {
            "grpc.max_connection_idle_ms": server.max_connection_idle,
            "grpc.max_connection_age_ms": server.max_connection_age,
            "grpc.max_connection_age_grace_ms": server.max_connection_age_grace,
            "grpc.keepalive_time_ms": server.time,
            "grpc.keepalive_timeout_ms": server.timeout,
        }
        # 0 stands for the default everywhere: never, or the times of gRPC itself.
        options += [(name, _milliseconds(value)) for name, value in durations.items() if value > 0]
    if config.keepalive and (policy := config.keepalive.enforcement_policy):
        options.append(("grpc.http2.min_recv_ping_interval_without_data_ms", _milliseconds(policy.min_time)))
        options.append(("grpc.keepalive_permit_without_calls", int(policy.permit_without_stream)))
    return options


def _milliseconds(duration: float) -> int:
    return min(round(1000 * duration), 2**31 - 1)


def _credentials(tls: ServerTlsConfig) -> grpc.ServerCredentials:
    clients = tls.read_client_authorities()
    return grpc.ssl_server_credentials(
        [tls.read_identity()], root_certificates=clients, require_client_auth=clients is not None
    )


def _is_alive(path: str) -> bool:
    """Whether somebody listens at a unix socket. grpcio would silently take it over."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
        return True


def _obstacle(config: GrpcServerConfig) -> str | None:
    """Find out whether an address can be had, and why not, which grpcio does not say: by trying the same without it."""
    try:
        if config.transport == "unix":
            with socket.socket(socket.AF_UNIX) as probe:
                probe.bind(config.endpoint)
            os.unlink(config.endpoint)
        else:
            family, host, port = resolve(config.endpoint, config.transport)
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, port))
                probe.listen(1)
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return None
