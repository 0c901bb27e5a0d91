"""`health_check`: tell an orchestrator whether the collector runs.

It answers 200 from the moment that all pipelines have started until the shutdown begins, and 503 before and after. It
says nothing about backends: an exporter that fails or a memory limit that refuses leaves it at 200.

    extensions:
      health_check:
        endpoint: localhost:13133
        path: /health
    service:
      extensions: [health_check]
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Annotated

from collector.component import Extension, Host, Leavings, Settings
from collector.config.types import Config, Duration, FieldError, Notice, PositiveInt, Section
from collector.errors import StartError
from collector.ledger import Account
from collector.transport.http_server import HttpServer, Receive, Scope, Send, respond

_NEVER_WORKED = Notice("the Go collector takes it and does not use it either")


class ResponseBody(Config):
    """Texts to answer with instead of the usual JSON."""

    healthy: str = ""
    """The body of a 200."""
    unhealthy: str = ""
    """The body of a 503."""


class CheckCollectorPipeline(Config):
    """Taken, without effect."""

    interval: Annotated[Duration, _NEVER_WORKED] = Duration.parse("5m")
    """Taken, without effect."""
    exporter_failure_threshold: Annotated[PositiveInt, _NEVER_WORKED] = 5
    """Taken, without effect."""


class HealthCheckConfig(Config):
    """Settings of the `health_check` extension."""

    endpoint: str = "localhost:13133"
    """Where to listen."""
    path: str = "/"
    """The page that answers. Others are not found."""
    response_body: Section[ResponseBody] = None
    """Texts to answer with instead of the usual JSON."""
    check_collector_pipeline: Section[CheckCollectorPipeline] = None
    """Taken, without effect."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say."""
        if not self.endpoint:
            raise FieldError("endpoint", "must be given, such as localhost:13133")
        if not self.path.startswith("/"):
            raise FieldError("path", f"must start with /, got {self.path!r}")


class HealthCheckExtension(Extension):
    """A page that says whether the collector runs."""

    config_type = HealthCheckConfig
    config: HealthCheckConfig

    def __init__(self, config: HealthCheckConfig, settings: Settings[Account]) -> None:
        super().__init__(config, settings)
        self.server = HttpServer(self._page, config.endpoint, settings.id)
        self._up_since: float | None = None

    async def start(self, host: Host) -> None:
        """Begin to answer, with 503 for the time being."""
        try:
            await self.server.start(host)
        except StartError as error:
            raise error.below("endpoint") from error
        self.settings.logger.info("Starting health check", extra={"endpoint": self.server.address})

    def leaves(self) -> Leavings:
        """Where the page is."""
        return self.server.leaves()

    def ready(self) -> None:
        """Answer 200 from now on."""
        self._up_since = time.time()

    def not_ready(self) -> None:
        """Answer 503 from now on."""
        self._up_since = None

    async def shutdown(self) -> None:
        """Stop answering."""
        self.not_ready()
        await self.server.shutdown()

    async def _page(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != self.config.path:
            await respond(send, 404, f"the health check is at {self.config.path}\n")
            return
        status, body = self._state()
        texts = self.config.response_body
        fixed = texts and (texts.healthy if status == 200 else texts.unhealthy)
        if fixed:
            await respond(send, status, fixed)
        else:
            await respond(send, status, json.dumps(body), "application/json")

    def _state(self) -> tuple[int, dict[str, str]]:
        if self._up_since is None:
            return 503, {"status": "Server not available"}
        since = datetime.fromtimestamp(self._up_since, UTC).isoformat().replace("+00:00", "Z")
        return 200, {"status": "Server available", "upSince": since, "uptime": _uptime(time.time() - self._up_since)}


def _uptime(seconds: float) -> str:
    """Write `1h2m3.456s`."""
    minutes, seconds = divmod(round(seconds, 3), 60)
    hours, minutes = divmod(int(minutes), 60)
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{round(seconds, 3):g}s"
