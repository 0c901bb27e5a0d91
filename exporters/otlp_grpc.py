"""`otlp_grpc`, also called `otlp`: send spans, and metrics of them, to an OTLP backend or another collector over gRPC.

TLS is on unless `tls.insecure` switches it off. A server that cannot be reached is no error at start: the exporter
connects when there is something to send, and tries again.

    exporters:
      otlp_grpc:
        endpoint: backend:4317
        compression: gzip
        headers:
          x-tenant: research
        tls:
          ca_file: /etc/spanmill/ca.pem
        sending_queue:
          sizer: items
          queue_size: 100_000
"""

from __future__ import annotations

import logging

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from collector.auth import ClientAuthenticator, client, reference
from collector.component import Delivery, Exporter, Host, MetricsExporter, Reference, Settings
from collector.flush import MetricsRequest
from collector.ledger import ExporterAccount, PointsAccount
from collector.spans import SpanBatch
from collector.transport.client import GrpcClient, GrpcClientConfig
from collector.transport.connected import Connected
from collector.transport.tls import NamedFiles

_METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_METRICS = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"

_NOTHING_REJECTED = (b"", b"\n\x00")
"""An empty response, and one whose partial success is there and empty, as the Go collector writes it."""

UNREADABLE = "an answer that cannot be read"


class OtlpGrpcConfig(GrpcClientConfig):
    """Settings of the `otlp_grpc` exporter."""


class _Connection:
    """What the exporters of all signals have in common: a client of one method, and what it needs."""

    def __init__(self, config: OtlpGrpcConfig, method: str, logger: logging.Logger) -> None:
        self._config = config
        self._logger = logger
        self._client = _client(config, method, logger)
        self._certificates = NamedFiles(config.tls)

    def references(self) -> list[Reference]:
        return reference(self._config.auth, ClientAuthenticator)

    @property
    def is_stale(self) -> bool:
        return self._certificates.have_changed

    def open(self, host: Host) -> None:
        tls = self._config.tls
        self._certificates.note()
        if tls and tls.insecure and not tls.plaintext:
            self._logger.warning(f"tls: {tls.CA_WINS}")
        self._client.open(client(host, self._config.auth))

    async def send(self, request: SpanBatch | bytes) -> Delivery:
        return delivery(await self._client.call(request))

    async def close(self) -> None:
        await self._client.close()


class OtlpGrpcMetricsExporter(Connected, MetricsExporter):
    """Sends metrics that connectors make, each `ExportMetricsServiceRequest` once."""

    config_type = OtlpGrpcConfig

    def __init__(self, config: OtlpGrpcConfig, settings: Settings[PointsAccount]) -> None:
        super().__init__(config, settings)
        self.connection: _Connection = _Connection(config, _METRICS, settings.logger)

    async def export(self, request: MetricsRequest) -> Delivery:
        """Send the request once. Raises `RetryableError`, `PermanentError` or `TooLargeError`."""
        return await self.connection.send(request.data)


class OtlpGrpcExporter(Connected, Exporter):
    """Sends each batch as one `ExportTraceServiceRequest`."""

    config_type = OtlpGrpcConfig
    metrics_exporter = OtlpGrpcMetricsExporter

    def __init__(self, config: OtlpGrpcConfig, settings: Settings[ExporterAccount]) -> None:
        super().__init__(config, settings)
        self.connection: _Connection = _Connection(config, _METHOD, settings.logger)

    async def export(self, batch: SpanBatch) -> Delivery:
        """Send the batch once. Raises `RetryableError`, `PermanentError` or `TooLargeError`."""
        return await self.connection.send(batch)


def _client(config: OtlpGrpcConfig, method: str, logger: logging.Logger) -> GrpcClient:
    # What is not used is not imported: grpcio takes time and memory.
    if config.chosen_engine == "native":
        from collector.transport.native_client import NativeGrpcClient  # noqa: PLC0415

        return NativeGrpcClient(config, method, config.timeout, logger)
    from collector.transport.grpc_client import GrpcioClient  # noqa: PLC0415

    return GrpcioClient(config, method, config.timeout)


def delivery(answer: bytes) -> Delivery:
    """Read what the backend said to a request that it took: answers of all signals have the same fields."""
    if answer in _NOTHING_REJECTED:
        return Delivery()
    try:
        partial = ExportTraceServiceResponse.FromString(answer).partial_success
    except DecodeError:
        # The backend has the spans: sending them again would only make duplicates.
        return Delivery(message=UNREADABLE)
    return Delivery(max(0, partial.rejected_spans), partial.error_message)
