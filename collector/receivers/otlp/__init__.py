"""`otlp`: receive spans over OTLP/gRPC and OTLP/HTTP, as every OpenTelemetry SDK sends them.

A client is answered when the first stage that holds spans has taken responsibility for its request, and refused with a
status that tells it whether to send again. One receiver may feed several pipelines.

    receivers:
      otlp:
        protocols:
          grpc:
            endpoint: localhost:4317
            max_recv_msg_size_mib: 16
          http:
            endpoint: localhost:4318
"""

from __future__ import annotations

import asyncio
from typing import Literal, Protocol

from collector._kernel import Fairness
from collector.auth import ServerAuthenticator, reference
from collector.component import Consumer, Host, Leavings, Receiver, Reference, Settings
from collector.config.types import Config, FieldError, Section
from collector.errors import StartError
from collector.ledger import ReceiverAccounts
from collector.offload import Offload
from collector.receivers.otlp.http_config import OtlpHttpConfig
from collector.receivers.otlp.ingest import Ingest
from collector.transport.settings import GrpcServerConfig
from collector.transport.tls import NamedFiles


class Server(Protocol):
    """Serves a protocol: with grpcio, or in the kernel."""

    address: str
    ingest: Ingest

    def rewire(self, offload: Offload | None, *, needs_origin: bool, one_by_one: bool) -> None:
        """Hear that something else comes next."""

    def leaves(self) -> Leavings:
        """Where it listens, if that can be handed on."""

    async def start(self, host: Host) -> None:
        """Listen and serve. Raises `StartError`."""

    async def shutdown(self) -> None:
        """Accept nothing more and wait for what is under way. When it is cancelled, that is broken off."""


class OtlpProtocols(Config):
    """The protocols to speak."""

    grpc: Section[GrpcServerConfig] = None
    """OTLP/gRPC; on when the key is there, also without a value."""
    http: Section[OtlpHttpConfig] = None
    """OTLP/HTTP; on when the key is there, also without a value."""


class FairShareConfig(Config):
    """Who is a client when room is shared."""

    by: Literal["connection", "address", "service.name"] = "connection"
    """`connection`, `address` (all connections of a host), or `service.name` (of the first resource of a request)."""


class OtlpReceiverConfig(Config):
    """Settings of the `otlp` receiver."""

    protocols: OtlpProtocols = OtlpProtocols()
    """The protocols to speak, at least one."""
    fair_share: Section[FairShareConfig] = FairShareConfig()
    """While pipelines refuse, clients that send more than others are refused first, so that a noisy one does not starve
    the others. For OTLP/HTTP, and gRPC with `engine: native`; `enabled: false` switches it off."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say."""
        if self.protocols.grpc is None and self.protocols.http is None:
            raise FieldError("protocols", "must have at least one protocol: grpc or http")


class OtlpReceiver(Receiver):
    """Listens for OTLP, on a port for each protocol."""

    config_type = OtlpReceiverConfig
    config: OtlpReceiverConfig

    def __init__(self, config: OtlpReceiverConfig, settings: Settings[ReceiverAccounts], next: Consumer) -> None:
        super().__init__(config, settings, next)
        self.grpc: Server | None = None
        """The server of OTLP/gRPC, while the receiver runs. Its `address` is the bound one."""
        self.http: Server | None = None
        """The server of OTLP/HTTP, while the receiver runs."""
        self._fairness = Fairness(config.fair_share.by) if config.fair_share else None
        served = (config.protocols.grpc, config.protocols.http)
        self._certificates = NamedFiles(*(protocol.tls for protocol in served if protocol))

    def references(self) -> list[Reference]:
        """Extensions that check who sends."""
        served = {"grpc": self.config.protocols.grpc, "http": self.config.protocols.http}
        return [
            found
            for protocol, config in served.items()
            if config
            for found in reference(config.auth, ServerAuthenticator, "protocols", protocol)
        ]

    async def start(self, host: Host) -> None:
        """Listen. Raises `StartError` when an address cannot be had or the settings cannot be fulfilled."""
        protocols = self.config.protocols
        self._certificates.note()
        if protocols.grpc:
            self.grpc = await self._started(host, "grpc", self._grpc_server(protocols.grpc))
        if protocols.http:
            if protocols.http.has_idle_cors:
                self.settings.logger.warning("protocols::http::cors has no effect without allowed_origins")
            self.http = await self._started(host, "http", self._native_server("http", protocols.http))

    @property
    def is_stale(self) -> bool:
        """Whether the certificates have changed that its servers have shown since the start."""
        return self._certificates.have_changed

    def leaves(self) -> Leavings:
        """Where its servers listen."""
        return {key: socket for server in self._servers for key, socket in server.leaves().items()}

    def rewire(self) -> None:
        """Hear that something else comes next."""
        for server in self._servers:
            server.ingest.next = self.next
            server.rewire(self.offload, needs_origin=self.needs_origin, one_by_one=self.one_by_one)

    @property
    def _servers(self) -> list[Server]:
        return [server for server in (self.grpc, self.http) if server is not None]

    async def _started(self, host: Host, protocol: str, server: Server) -> Server:
        try:
            await server.start(host)
        except StartError as error:
            await self.shutdown()
            raise error.below(f"protocols::{protocol}") from error
        self.settings.logger.info(f"Starting {protocol.upper()} server", extra={"endpoint": server.address})
        return server

    def _grpc_server(self, config: GrpcServerConfig) -> Server:
        """Make the server of the engine that was chosen. The other one is not even imported."""
        if config.chosen_engine == "native":
            return self._native_server("grpc", config)
        from collector.receivers.otlp.grpc_server import GrpcServer  # noqa: PLC0415

        return GrpcServer(
            config, self._ingest("grpc"), needs_origin=self.needs_origin, owner=f"{self.settings.id} grpc"
        )

    def _native_server(self, protocol: str, config: GrpcServerConfig | OtlpHttpConfig) -> Server:
        from collector.receivers.otlp.native_server import NativeServer  # noqa: PLC0415

        return NativeServer(
            config,
            self._ingest(protocol),
            needs_origin=self.needs_origin,
            one_by_one=self.one_by_one,
            offload=self.offload,
            fairness=self._fairness,
            owner=f"{self.settings.id} {protocol}",
        )

    def _ingest(self, protocol: str) -> Ingest:
        return Ingest(self.next, self.settings.account, protocol, self.settings.logger)

    async def shutdown(self) -> None:
        """Accept nothing more and answer what is under way. A shutdown that is cancelled breaks that off."""
        servers = self._servers
        self.grpc = self.http = None
        await asyncio.gather(*(server.shutdown() for server in servers))
