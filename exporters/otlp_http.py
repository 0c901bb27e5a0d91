"""`otlp_http`, also called `otlphttp`: send spans to an OTLP backend or another collector over HTTP.

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
import time
from typing import Annotated, Literal
from urllib.parse import SplitResult

from collector._kernel import ClientCounts
from collector.auth import ClientAuthenticator, client, reference
from collector.component import Delivery, Exporter, Host, Reference, Settings
from collector.config.types import FieldError, Notice
from collector.ledger import ExporterAccount
from collector.spans import SpanBatch
from collector.transport.http_answers import JSON, PROTOBUF, is_success, media_type, refusal
from collector.transport.http_client import HttpClientConfig, http_url
from collector.transport.native_client import NativeClient
from collector.transport.tls import NamedFiles
from exporters.otlp_grpc import UNREADABLE, delivery

_PATH = "/v1/traces"
_TRACES_ONLY = Notice("only traces are sent")


class OtlpHttpConfig(HttpClientConfig):
    """Settings of the `otlp_http` exporter."""

    endpoint: str = ""
    """Where to send: a URL such as `http://backend:4318`, to which `/v1/traces` is added."""
    traces_endpoint: str = ""
    """The whole URL, instead of `endpoint`."""
    metrics_endpoint: Annotated[str, _TRACES_ONLY] = ""
    """Taken, without effect."""
    logs_endpoint: Annotated[str, _TRACES_ONLY] = ""
    """Taken, without effect."""
    profiles_endpoint: Annotated[str, _TRACES_ONLY] = ""
    """Taken, without effect."""
    encoding: Literal["proto", "json"] = "proto"
    """How spans are written: as protobuf (`proto`) or as JSON (`json`), which costs both sides much more."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say."""
        super().__post_init__()
        _ = self.url

    @property
    def url(self) -> SplitResult:
        """Where traces go. Raises `FieldError`."""
        if self.traces_endpoint:
            return http_url(self.traces_endpoint, self._blame)
        if not self.endpoint:
            raise FieldError("endpoint", "is required, such as http://backend:4318")
        if "?" in self.endpoint:
            raise FieldError("endpoint", "may have no query: give the whole URL as traces_endpoint")
        base = http_url(self.endpoint, self._blame)
        return base._replace(path=base.path.removesuffix("/") + _PATH)

    @property
    def _blame(self) -> str:
        return "traces_endpoint" if self.traces_endpoint else "endpoint"


class OtlpHttpExporter(Exporter):
    """Sends each batch as one request."""

    config_type = OtlpHttpConfig

    def __init__(self, config: OtlpHttpConfig, settings: Settings[ExporterAccount]) -> None:
        super().__init__(config, settings)
        self._certificates = NamedFiles(config.tls)
        url = config.url
        # A query may hold a secret.
        self._where = url._replace(query="").geturl()
        protocol = "json" if config.encoding == "json" else "protobuf"
        self._client = NativeClient(
            lambda: config.kernel_settings(url, protocol), settings.logger, config.kernel_tls(url)
        )

    def references(self) -> list[Reference]:
        """The extension that knows as whom to send."""
        return reference(self.config.auth, ClientAuthenticator)

    @property
    def is_stale(self) -> bool:
        """Whether the certificates have changed since the start."""
        return self._certificates.have_changed

    async def start(self, host: Host) -> None:
        """Make the client, which connects later. Raises `StartError`."""
        tls = self.config.tls
        self._certificates.note()
        if tls and tls.insecure and self._where.startswith("https:"):
            self.settings.logger.warning("tls: insecure has no effect: the endpoint says https")
        self._client.open(client(host, self.config.auth))

    async def export(self, batch: SpanBatch) -> Delivery:
        """Send the batch once. Raises `RetryableError`, `PermanentError` or `TooLargeError`."""
        outcome = await self._client.call(batch)
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

    def counts(self) -> ClientCounts:
        """What became of connections, while the exporter runs."""
        return self._client.counts()

    async def shutdown(self) -> None:
        """Close the client."""
        await self._client.close()


def json_delivery(answer: bytes) -> Delivery:
    """Read what the backend said to a batch that it took, in JSON."""
    try:
        partial = (json.loads(answer or b"{}") or {}).get("partialSuccess") or {}
        # 64-bit numbers are strings in protobuf's JSON.
        return Delivery(max(0, int(partial.get("rejectedSpans") or 0)), str(partial.get("errorMessage") or ""))
    except (AttributeError, TypeError, ValueError):
        return Delivery(message=UNREADABLE)
