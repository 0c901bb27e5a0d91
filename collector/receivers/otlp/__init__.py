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

from collector.component import Consumer, Host, Receiver, Settings
from collector.config.types import Config, FieldError, Section
from collector.errors import StartError
from collector.ledger import ReceiverAccounts
from collector.receivers.otlp.grpc_server import GrpcServer
from collector.receivers.otlp.ingest import Ingest
from collector.transport.settings import GrpcServerConfig


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
        self.grpc: GrpcServer | None = None
        """The server, while the receiver runs. Its `address` is the bound one."""

    async def start(self, host: Host) -> None:
        """Listen. Raises `StartError` when the address cannot be had or the settings cannot be fulfilled."""
        assert self.config.protocols.grpc is not None  # noqa: S101  the settings were checked
        ingest = Ingest(self.next, self.settings.account.on("grpc"), self.settings.logger)
        server = GrpcServer(self.config.protocols.grpc, ingest, needs_origin=self.needs_origin)
        try:
            await server.start()
        except StartError as error:
            raise error.below("protocols::grpc") from error
        self.grpc = server
        self.settings.logger.info("Starting GRPC server", extra={"endpoint": server.address})

    async def shutdown(self) -> None:
        """Accept nothing more and answer what is under way. A shutdown that is cancelled breaks that off."""
        if self.grpc is not None:
            await self.grpc.shutdown()
            self.grpc = None
