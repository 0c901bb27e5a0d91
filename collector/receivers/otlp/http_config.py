"""Settings of `protocols.http`."""

from __future__ import annotations

from typing import Annotated

from collector.config.types import FieldError, Notice
from collector.transport.http_settings import HttpServerConfig

_TRACES_ONLY = Notice("only traces are received")


class OtlpHttpConfig(HttpServerConfig):
    """Settings of OTLP/HTTP."""

    traces_url_path: str = "/v1/traces"
    """Where requests with traces are taken."""
    metrics_url_path: Annotated[str, _TRACES_ONLY] = "/v1/metrics"
    """Taken, without effect."""
    logs_url_path: Annotated[str, _TRACES_ONLY] = "/v1/logs"
    """Taken, without effect."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say."""
        super().__post_init__()
        if not self.traces_url_path or not self.traces_url_path.isascii() or set(self.traces_url_path) & set(" ?#%"):
            raise FieldError("traces_url_path", f"must be a path such as /v1/traces, got {self.traces_url_path!r}")

    @property
    def traces_path(self) -> str:
        """The path, with the slash in front that may be left out."""
        return "/" + self.traces_url_path.removeprefix("/")
