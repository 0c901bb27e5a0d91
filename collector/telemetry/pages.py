"""The pages at `localhost:8888`: `/metrics` for Prometheus, `/status` for `spanmill status`."""

from __future__ import annotations

import json

from collector.ledger import Ledger
from collector.telemetry.exposition import CONTENT_TYPE, exposition
from collector.telemetry.metrics import Metrics
from collector.telemetry.status import document
from collector.transport.http_server import App, Receive, Scope, Send, respond

METRICS = "/metrics"
STATUS = "/status"


def pages(metrics: Metrics, ledger: Ledger) -> App:
    """Make the ASGI application that shows a collector's own figures."""

    async def page(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] not in {METRICS, STATUS}:
            await respond(send, 404, f"the metrics are at {METRICS}, the ledger is at {STATUS}\n")
        elif scope["method"] not in {"GET", "HEAD"}:
            await respond(send, 405, "this page is there to be read: GET\n")
        elif scope["path"] == METRICS:
            await respond(send, 200, exposition(metrics), CONTENT_TYPE)
        else:
            await respond(send, 200, json.dumps(document(ledger)), "application/json")

    return page
