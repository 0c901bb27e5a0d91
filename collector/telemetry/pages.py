"""The pages at `localhost:8888`: `/metrics` for Prometheus, `/status` for `spanmill status`."""

from __future__ import annotations

import json

from collector.component import Host, Leavings
from collector.config.model import PrometheusConfig
from collector.ledger import Ledger
from collector.telemetry import exposition
from collector.telemetry.logs import log
from collector.telemetry.metrics import Metrics
from collector.telemetry.status import document
from collector.transport.http_server import App, HttpServer, Receive, Scope, Send, respond
from collector.transport.settings import join_endpoint

METRICS = "/metrics"
STATUS = "/status"


class MetricsPage:
    """The server of the collector's own figures, as a thing to start and stop."""

    def __init__(self, metrics: Metrics, ledger: Ledger, config: PrometheusConfig) -> None:
        self.config = config
        self.server = HttpServer(pages(metrics, ledger), join_endpoint(config.host, config.port), "metrics")

    def leaves(self) -> Leavings:
        """Where it listens."""
        return self.server.leaves()

    async def start(self, host: Host) -> None:
        """Listen. Raises `StartError`."""
        await self.server.start(host)
        log.info("Serving metrics", extra={"endpoint": self.server.address})

    async def shutdown(self) -> None:
        """Stop listening."""
        await self.server.shutdown()


def pages(metrics: Metrics, ledger: Ledger) -> App:
    """Make the ASGI application that shows a collector's own figures."""

    async def page(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] not in {METRICS, STATUS}:
            await respond(send, 404, f"the metrics are at {METRICS}, the ledger is at {STATUS}\n")
        elif scope["method"] not in {"GET", "HEAD"}:
            await respond(send, 405, "this page is there to be read: GET\n")
        elif scope["path"] == METRICS:
            await respond(send, 200, await exposition.page(metrics), exposition.CONTENT_TYPE)
        else:
            await respond(send, 200, json.dumps(document(ledger)), "application/json")

    return page
