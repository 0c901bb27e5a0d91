"""`debug`: show what arrives, on the console or in a file.

    exporters:
      debug:
        verbosity: detailed

`basic` writes one line for each batch, `normal` one for each span besides, `detailed` everything there is. With
`use_internal_logger` (the default) the text goes to the collector's log, where busy seconds are thinned out by
`sampling_initial` and `sampling_thereafter`. Without it everything is written to `output_paths`:

    exporters:
      debug/console:
        verbosity: normal
        use_internal_logger: false

Of metrics that connectors make it writes how many there are, to the log.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from collector.component import Delivery, Exporter, MetricsExporter, Settings
from collector.config.types import ANY_CASE, FieldError, NonNegativeInt
from collector.errors import RetryableError
from collector.flush import MetricsRequest
from collector.ledger import ExporterAccount
from collector.sending.config import LocalSendingConfig
from collector.spans import SpanBatch
from exporters.debug import text

_RENDERERS: dict[str, Callable[[text.Json], str] | None] = {
    "basic": None,
    "normal": text.normal,
    "detailed": text.detailed,
}


class DebugConfig(LocalSendingConfig):
    """Settings of the `debug` exporter."""

    verbosity: Annotated[Literal["basic", "normal", "detailed"], ANY_CASE] = "basic"
    """How much is written: `basic`, `normal` or `detailed`."""
    sampling_initial: NonNegativeInt = 2
    """Batches that are written to the log in each second, whatever `sampling_thereafter` says."""
    sampling_thereafter: NonNegativeInt = 1
    """Of the batches after those every n-th is written, where n is this number; 0 is none."""
    use_internal_logger: bool = True
    """Write to the collector's log instead of `output_paths`."""
    output_paths: list[str] = msgspec.field(default_factory=lambda: ["stdout"])
    """Where to write without the log: `stdout`, `stderr` or files, which are appended to."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say."""
        super().__post_init__()
        if self.use_internal_logger and self.output_paths != ["stdout"]:
            raise FieldError("output_paths", "has an effect only with use_internal_logger: false")
        if not self.use_internal_logger and not self.output_paths:
            raise FieldError("output_paths", "must not be empty when use_internal_logger is false")


class Sampler:
    """Thins out what is too much for a second. It is told the time."""

    def __init__(self, initial: int, thereafter: int) -> None:
        self._initial = initial
        self._thereafter = thereafter
        self._second = -1
        self._count = 0

    def admits(self, now: float) -> bool:
        """Count one, and say whether it is to be written."""
        if int(now) != self._second:
            self._second, self._count = int(now), 0
        self._count += 1
        beyond = self._count - self._initial
        return beyond <= 0 or (self._thereafter > 0 and beyond % self._thereafter == 0)


class DebugMetricsExporter(MetricsExporter):
    """Writes a line for each request of metrics, whatever the verbosity."""

    config_type = DebugConfig

    async def export(self, request: MetricsRequest) -> Delivery:
        """Write the line to the collector's log."""
        self.settings.logger.info("Metrics", extra={"data points": request.points, "bytes": len(request.data)})
        return Delivery()


class DebugExporter(Exporter):
    """Writes each batch as text."""

    config_type = DebugConfig
    metrics_exporter = DebugMetricsExporter

    def __init__(self, config: DebugConfig, settings: Settings[ExporterAccount]) -> None:
        super().__init__(config, settings)
        self._sampler = Sampler(config.sampling_initial, config.sampling_thereafter)
        self._render = _RENDERERS[config.verbosity]
        self._lock = threading.Lock()

    async def export(self, batch: SpanBatch) -> Delivery:
        """Write the batch. Raises `RetryableError` when an output cannot be written."""
        if not self.config.use_internal_logger:
            try:
                # A console may be slow, or stopped by whoever reads it.
                await asyncio.to_thread(self._write, batch)
            except OSError as error:
                raise RetryableError(f"cannot write: {error.strerror or error}") from error
        elif self._sampler.admits(asyncio.get_running_loop().time()):
            self.settings.logger.info(
                "Traces" + self._body(batch), extra={"resource spans": batch.resource_spans, "spans": len(batch)}
            )
        return Delivery()

    def _body(self, batch: SpanBatch) -> str:
        return "\n" + self._render(msgspec.json.decode(batch.to_json())) if self._render else ""

    def _write(self, batch: SpanBatch) -> None:
        line = f"Traces  resource spans: {batch.resource_spans}, spans: {len(batch)}{self._body(batch)}"
        with self._lock:
            for path in self.config.output_paths:
                if path in {"stdout", "stderr"}:
                    stream = getattr(sys, path)
                    if stream is None:
                        raise OSError(f"there is no {path}")
                    stream.write(f"{line.rstrip()}\n")
                    stream.flush()
                else:
                    with Path(path).open("a", encoding="utf-8") as file:
                        file.write(f"{line.rstrip()}\n")
