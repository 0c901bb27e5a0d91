"""`otlp`: receive spans over OTLP/gRPC, as every OpenTelemetry SDK sends them.

A client is answered when the first stage that holds spans has taken responsibility for its request, and refused with a
status that tells it whether to send again. One receiver may feed several pipelines.

    receivers:
      otlp:
        protocols:
          grpc:
            endpoint: localhost:4317
            max_recv_msg_size_mib: 16
"""

from __future__ import annotations

from typing import Protocol

from collector.component import Consumer, Host, Receiver, Settings
from collector.config.types import Config, FieldError, Section
from collector.errors import StartError
from collector.ledger import ReceiverAccounts
from collector.receivers.otlp.ingest import Ingest
from collector.transport.settings import GrpcServerConfig


class Server(Protocol):
    """Serves OTLP/gRPC: with grpcio, or in the kernel."""

    address: str

    async def start(self) -> None:
        """Listen and serve. Raises `StartError`."""

    async def shutdown(self) -> None:
        """Accept nothing more and wait for what is under way. When it is cancelled, that is broken off."""


class HttpServerConfig(Config):
    """OTLP/HTTP. Not supported yet."""

    def __post_init__(self) -> None:
        """Refuse the section."""
        raise ValueError("is not supported yet: only grpc is")


class OtlpProtocols(Config):
    """The protocols to speak."""

    grpc: Section[GrpcServerConfig] = None
    """OTLP/gRPC; on when the key is there, also without a value."""
    http: Section[HttpServerConfig] = None
    """OTLP/HTTP. Not supported yet."""


class OtlpReceiverConfig(Config):
    """Settings of the `otlp` receiver."""

    protocols: OtlpProtocols = OtlpProtocols()
    """The protocols to speak, at least one."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say."""
        if self.protocols.grpc is None:
            raise FieldError("protocols", "must have at least one protocol: grpc")


class OtlpReceiver(Receiver):
    """Listens for OTLP/gRPC."""

    config_type = OtlpReceiverConfig
    config: OtlpReceiverConfig

    def __init__(self, config: OtlpReceiverConfig, settings: Settings[ReceiverAccounts], next: Consumer) -> None:
        super().__init__(config, settings, next)
        self.grpc: Server | None = None
        """The server, while the receiver runs. Its `address` is the bound one."""

    async def start(self, host: Host) -> None:
        """Listen. Raises `StartError` when the address cannot be had or the settings cannot be fulfilled."""
        assert self.config.protocols.grpc is not None  # noqa: S101  the settings were checked
        server = self._server(self.config.protocols.grpc)
        try:
            await server.start()
        except StartError as error:
            raise error.below("protocols::grpc") from error
        self.grpc = server
        self.settings.logger.info("Starting GRPC server", extra={"endpoint": server.address})

    def _server(self, config: GrpcServerConfig) -> Server:
        """Make the server of the engine that is asked for. The other one is not even imported."""
        ingest = Ingest(self.next, self.settings.account, "grpc", self.settings.logger)
        if config.engine == "native":
            from collector.receivers.otlp.native_server import NativeServer  # noqa: PLC0415

            return NativeServer(
                config,
                ingest,
                needs_origin=self.needs_origin,
                one_by_one=self.one_by_one,
                offload=self.offload if config.offload else None,
            )
        from collector.receivers.otlp.grpc_server import GrpcServer  # noqa: PLC0415

        return GrpcServer(config, ingest, needs_origin=self.needs_origin)

    async def shutdown(self) -> None:
        """Accept nothing more and answer what is under way. A shutdown that is cancelled breaks that off."""
        if self.grpc is not None:
            await self.grpc.shutdown()
            self.grpc = None
