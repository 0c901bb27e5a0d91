"""The collector's log: structured lines on stderr.

    2026-11-24T13:52:16.123Z INFO  receivers::otlp: Starting GRPC server  endpoint=127.0.0.1:4317

Fields are what a caller gives as `extra`. `encoding: json` writes the same as one object a line, with the Go
collector's names for the fields. Of messages with an equal text only the first few in ten seconds are written, then
each hundredth: an error that comes with every batch must not cost more than the batch.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

from collector.component import Kind
from collector.config.model import LogsConfig

LEVELS: Mapping[str, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "dpanic": logging.CRITICAL,
    "panic": logging.CRITICAL,
    "fatal": logging.CRITICAL,
}
"""Levels by the names that configurations give them."""

_NAMES = {logging.WARNING: "warn", logging.CRITICAL: "fatal"}

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "component"}
"""What every record has. All else came in as `extra`."""

log = logging.getLogger("spanmill")
"""What the collector itself says. Components have loggers of their own below it."""


class _Component(logging.Filter):
    """Marks the records of one component."""

    def __init__(self, where: str, fields: Mapping[str, str]) -> None:
        super().__init__()
        self.where = where
        self.fields = fields

    def filter(self, record: logging.LogRecord) -> bool:
        """Mark a record, and let it pass."""
        record.component = self
        return True


def component_logger(kind: Kind, id: str, pipeline: str = "") -> logging.Logger:
    """A logger whose lines name the component."""
    # Not from `getLogger`: that would keep it for ever, and ids contain what separates its names.
    logger = logging.Logger(f"{log.name}.{kind.section}")
    logger.parent = log
    fields = {"otelcol.component.id": id, "otelcol.component.kind": kind.value, "otelcol.signal": "traces"}
    if pipeline:
        fields["otelcol.pipeline.id"] = pipeline
    logger.addFilter(_Component(f"{kind.section}::{id}", fields))
    return logger


class Sampling(logging.Filter):
    """Lets the first `initial` equal messages of a tick pass, then each `thereafter`-th."""

    def __init__(self, tick: float, initial: int, thereafter: int, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._tick, self._initial, self._thereafter, self._clock = tick, initial, thereafter, clock
        self._until = 0.0
        self._seen: dict[tuple[int, str], int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether a message is written."""
        now = self._clock()
        if now >= self._until:
            self._seen.clear()
            self._until = now + self._tick
        key = record.levelno, str(record.msg)
        self._seen[key] = seen = self._seen.get(key, 0) + 1
        beyond = seen - self._initial
        return beyond <= 0 or (self._thereafter > 0 and beyond % self._thereafter == 0)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class ConsoleFormatter(logging.Formatter):
    """Lines for people."""

    def __init__(self, initial_fields: Mapping[str, Any]) -> None:
        super().__init__()
        self._initial = initial_fields

    def format(self, record: logging.LogRecord) -> str:
        """Write one record."""
        component: _Component | None = getattr(record, "component", None)
        where = f"{component.where}: " if component else "" if record.name == log.name else f"{record.name}: "
        level = _NAMES.get(record.levelno, record.levelname).upper()
        fields = {**self._initial, **_fields(record)}
        tail = "".join(f"  {key}={value}" for key, value in fields.items())
        # Fields belong to the sentence, not behind the spans that the debug exporter puts below it.
        sentence, newline, text = record.getMessage().partition("\n")
        line = f"{_time(record)} {level:<5} {where}{sentence}{tail}{newline}{text.rstrip()}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """One JSON object a line, for machines."""

    def __init__(self, initial_fields: Mapping[str, Any]) -> None:
        super().__init__()
        self._initial = initial_fields

    def format(self, record: logging.LogRecord) -> str:
        """Write one record."""
        component: _Component | None = getattr(record, "component", None)
        line: dict[str, Any] = {
            "level": _NAMES.get(record.levelno, record.levelname.lower()),
            "ts": _time(record),
            "logger": record.name,
            "msg": record.getMessage(),
            **self._initial,
            **(component.fields if component else {}),
            **_fields(record),
        }
        if record.exc_info:
            line["stacktrace"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def configure(config: LogsConfig) -> None:
    """Send all logs of the process where and how the configuration wants them. Raises `OSError` for a file."""
    formatter = (JsonFormatter if config.encoding == "json" else ConsoleFormatter)(config.initial_fields)
    root = logging.getLogger()
    for old in [handler for handler in root.handlers if isinstance(handler, _Handler | _FileHandler)]:
        root.removeHandler(old)
        old.close()
    for path in config.output_paths:
        handler = _Handler(path) if path in _Handler.STREAMS else _FileHandler(path, encoding="utf-8")
        handler.setFormatter(formatter)
        if config.sampling.enabled:
            handler.addFilter(Sampling(config.sampling.tick, config.sampling.initial, config.sampling.thereafter))
        root.addHandler(handler)
    level = LEVELS[config.level.lower()]
    log.setLevel(level)
    # Libraries say more than an operator wants to read.
    root.setLevel(max(level, logging.WARNING))


class _Handler(logging.StreamHandler[TextIO]):
    """Writes to what is standard output or error at that moment."""

    STREAMS = ("stderr", "stdout")

    def __init__(self, name: str) -> None:
        super().__init__(getattr(sys, name))


class _FileHandler(logging.FileHandler):
    """Appends to a file."""
