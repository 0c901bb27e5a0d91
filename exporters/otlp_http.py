"""`otlp_http`, also called `otlphttp`: send spans, and metrics of them, to an OTLP backend or a collector over HTTP.

The kernel sends, over HTTP/1.1, or over HTTP/2 where TLS is spoken and the server can. A server that cannot be reached
is no error at start: the exporter connects when there is something to send, and tries again.

    exporters:
      otlp_http:
        endpoint: http://backend:4318
        compression: zstd
        headers:
          x-tenant: research
        sending_queue:
          sizer: items
          queue_size: 100_000
"""

from __future__ import annotations

import json
import logging
import time
from typing import Annotated, Literal
from urllib.parse import SplitResult

from collector._kernel import ClientCounts
from collector.auth import ClientAuthenticator, client, reference
from collector.component import Delivery, Exporter, Host, MetricsExporter, Reference, Settings
from collector.config.types import FieldError, Notice
from collector.flush import MetricsRequest
from collector.ledger import ExporterAccount, PointsAccount
from collector.spans import SpanBatch
from collector.transport.connected import Connected
from collector.transport.http_answers import JSON, PROTOBUF, is_success, media_type, refusal
from collector.transport.http_client import HttpClientConfig, http_url
from collector.transport.native_client import NativeClient
from collector.transport.tls import NamedFiles
from exporters.otlp_grpc import UNREADABLE, delivery

_PATH = "/v1/traces"
_METRICS_PATH = "/v1/metrics"
_NEITHER = Notice("only traces, and metrics made of them, are sent")


class OtlpHttpConfig(HttpClientConfig):
    """Settings of the `otlp_http` exporter."""

    endpoint: str = ""
    """Where to send: a URL such as `http://backend:4318`, to which `/v1/traces` or `/v1/metrics` is added."""
    traces_endpoint: str = ""
    """The whole URL of traces, instead of `endpoint`."""
    metrics_endpoint: str = ""
    """The whole URL of metrics, instead of `endpoint`."""
    logs_endpoint: Annotated[str, _NEITHER] = ""
    """Taken, without effect."""
    profiles_endpoint: Annotated[str, _NEITHER] = ""
    """Taken, without effect."""
    encoding: Literal["proto", "json"] = "proto"
    """How spans are written: as protobuf (`proto`) or as JSON (`json`), which costs both sides much more. Metrics are
    always written as protobuf."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say."""
        super().__post_init__()
        if self.endpoint or self.traces_endpoint or not self.metrics_endpoint:
            _ = self.url
        if self.metrics_endpoint:
            _ = self.metrics_url

    @property
    def url(self) -> SplitResult:
        """Where traces go. Raises `FieldError`."""
        return self._url("traces_endpoint", self.traces_endpoint, _PATH)

    @property
    def metrics_url(self) -> SplitResult:
        """Where metrics go. Raises `FieldError`."""
        return self._url("metrics_endpoint", self.metrics_endpoint, _METRICS_PATH)

    def _url(self, option: str, whole: str, path: str) -> SplitResult:
        if whole:
            return http_url(whole, option)
        if not self.endpoint:
            raise FieldError("endpoint", "is required, such as http://backend:4318")
        if "?" in self.endpoint:
            raise FieldError("endpoint", f"may have no query: give the whole URL as {option}")
        base = http_url(self.endpoint, "endpoint")
        return base._replace(path=base.path.removesuffix("/") + path)


class _Connection:
    """What the exporters of all signals have in common: a client of one URL, and what it needs."""

    def __init__(self, config: OtlpHttpConfig, url: SplitResult, protocol: str, logger: logging.Logger) -> None:
        self.client = NativeClient(lambda: config.kernel_settings(url, protocol), logger, config.kernel_tls(url))
        self._config = config
        self._logger = logger
        self._certificates = NamedFiles(config.tls)
        # A query may hold a secret.
        self._where = url._replace(query="").geturl()

    def references(self) -> list[Reference]:
        return reference(self._config.auth, ClientAuthenticator)

    @property
    def is_stale(self) -> bool:
        return self._certificates.have_changed

    def open(self, host: Host) -> None:
        tls = self._config.tls
        self._certificates.note()
        if tls and tls.insecure and self._where.startswith("https:"):
            self._logger.warning("tls: insecure has no effect: the endpoint says https")
        self.client.open(client(host, self._config.auth))

    async def send(self, request: SpanBatch | bytes) -> Delivery:
        outcome = await self.client.call(request)
        if not is_success(outcome):
            raise refusal(outcome, self._where, time.time())
        match media_type(outcome):
            case kind if kind == PROTOBUF:
                return delivery(outcome.body)
            case kind if kind == JSON:
                return json_delivery(outcome.body)
            case _:
                # Somebody else's success is one as well: the Go collector sees it so.
                return Delivery()

    async def close(self) -> None:
        await self.client.close()


class OtlpHttpMetricsExporter(Connected, MetricsExporter):
    """Sends metrics that connectors make, each `ExportMetricsServiceRequest` once."""

    config_type = OtlpHttpConfig

    def __init__(self, config: OtlpHttpConfig, settings: Settings[PointsAccount]) -> None:
        super().__init__(config, settings)
        self.connection: _Connection = _Connection(config, config.metrics_url, "protobuf", settings.logger)

    async def export(self, request: MetricsRequest) -> Delivery:
        """Send the request once. Raises `RetryableError`, `PermanentError` or `TooLargeError`."""
        return await self.connection.send(request.data)


class OtlpHttpExporter(Connected, Exporter):
    """Sends each batch as one request."""

    config_type = OtlpHttpConfig
    metrics_exporter = OtlpHttpMetricsExporter

    def __init__(self, config: OtlpHttpConfig, settings: Settings[ExporterAccount]) -> None:
        super().__init__(config, settings)
        protocol = "json" if config.encoding == "json" else "protobuf"
        self.connection: _Connection = _Connection(config, config.url, protocol, settings.logger)

    async def export(self, batch: SpanBatch) -> Delivery:
        """Send the batch once. Raises `RetryableError`, `PermanentError` or `TooLargeError`."""
        return await self.connection.send(batch)

    def counts(self) -> ClientCounts:
        """What became of connections, while the exporter runs."""
        return self.connection.client.counts()


def json_delivery(answer: bytes) -> Delivery:
    """Read what the backend said to a request that it took, in JSON."""
    try:
        partial = (json.loads(answer or b"{}") or {}).get("partialSuccess") or {}
        # 64-bit numbers are strings in protobuf's JSON.
        rejected = int(partial.get("rejectedSpans") or partial.get("rejectedDataPoints") or 0)
        return Delivery(max(0, rejected), str(partial.get("errorMessage") or ""))
    except (AttributeError, TypeError, ValueError):
        return Delivery(message=UNREADABLE)
