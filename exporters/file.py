"""`file`: write spans into a file, one OTLP/JSON request a line.

    exporters:
      file:
        path: ./spans.jsonl

The file is emptied at every start unless `append` is set. If it is deleted or moved away while the collector runs, a
new one is begun. A full disk is no loss by itself: the batch is refused for now, and with `retry_on_failure` written
later.
"""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta

from collector.component import Delivery, Exporter, Host, Settings
from collector.config.types import Duration, FieldError, Notice
from collector.errors import RetryableError, StartError
from collector.ledger import ExporterAccount
from collector.sending.config import LocalSendingConfig
from collector.spans import SpanBatch


class FileConfig(LocalSendingConfig, kw_only=True):
    """Settings of the `file` exporter."""

    path: Annotated[str, Meta(min_length=1)]
    """Where to write."""
    append: bool = False
    """Keep what is in the file, where otherwise it is emptied at start."""
    flush_interval: Annotated[Duration, Notice("every batch is written at once")] = Duration.parse("1s")
    """Taken, without effect."""
    file_permissions: str = "0644"
    """Permissions of a new file, in octal."""
    create_directory: bool = False
    """Make the directory of the file if it is not there."""
    directory_permissions: str = "0755"
    """Permissions of a new directory, in octal. Needs `create_directory`."""
    format: Literal["json", "proto"] = "json"
    """Only `json` so far."""
    compression: Literal["", "zstd"] = ""
    """Not supported yet."""
    rotation: Any = UNSET
    """Not supported yet: begin a new file when one is large."""
    encoding: str = ""
    """Not supported yet: an extension that writes another format."""
    group_by: Any = UNSET
    """Not supported yet: one file for each value of an attribute."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say."""
        super().__post_init__()
        if self.flush_interval < 0:
            raise FieldError("flush_interval", f"must be 0 or more, got {self.flush_interval}")
        for field in ("file_permissions", "directory_permissions"):
            _permissions(field, getattr(self, field))
        if self.directory_permissions != "0755" and not self.create_directory:
            raise FieldError("directory_permissions", "needs create_directory: true")
        if self.format != "json":
            raise FieldError("format", f"{self.format} is not supported yet; use json")
        if self.compression:
            raise FieldError("compression", f"{self.compression} is not supported yet; remove this line")
        if self.encoding:
            raise FieldError("encoding", "not supported yet; remove this line")
        for field in ("rotation", "group_by"):
            value = getattr(self, field)
            if value is not UNSET and value != {"enabled": False}:
                raise FieldError(field, "not supported yet; remove this section")


class FileExporter(Exporter):
    """Writes in a thread, one batch at a time."""

    config_type = FileConfig

    def __init__(self, config: FileConfig, settings: Settings[ExporterAccount]) -> None:
        super().__init__(config, settings)
        self._file = LineFile(config)

    async def start(self, host: Host) -> None:
        """Open the file. Raises `StartError`."""
        await asyncio.to_thread(self._file.open)

    async def export(self, batch: SpanBatch) -> Delivery:
        """Write one line. Raises `RetryableError`: what is wrong with a file an operator can cure meanwhile."""
        try:
            await asyncio.to_thread(self._file.write, batch)
        except OSError as error:
            raise RetryableError(f"cannot write {self.config.path}: {_reason(error)}") from error
        return Delivery()

    async def shutdown(self) -> None:
        """Close the file."""
        await asyncio.to_thread(self._file.close)


class LineFile:
    """A file of lines, which is begun anew when it disappears. Its methods block, and may be called from any thread."""

    def __init__(self, config: FileConfig) -> None:
        self._config = config
        self._path = Path(config.path)
        self._mode = _permissions("file_permissions", config.file_permissions)
        self._lock = threading.Lock()
        self._file: int | None = None
        self._opened = False

    def open(self) -> None:
        """Open the file. Raises `StartError`."""
        config = self._config
        try:
            if config.create_directory:
                mode = _permissions("directory_permissions", config.directory_permissions)
                self._path.parent.mkdir(mode, parents=True, exist_ok=True)
            with self._lock:
                self._file = self._open(0 if config.append else os.O_TRUNC)
                self._opened = True
        except OSError as error:
            missing = error.errno == errno.ENOENT and not config.create_directory
            hint = "; with create_directory: true its directory is made" if missing else ""
            raise StartError(f"cannot write {config.path}: {_reason(error)}{hint}", path="path") from error

    def write(self, batch: SpanBatch) -> None:
        """Append a line. Raises `OSError`, and then nothing of the line is there."""
        line = memoryview(batch.to_json() + b"\n")
        with self._lock:
            if not self._opened:
                raise OSError(errno.EBADF, "the file is closed")
            if self._file is not None and self._gone(self._file):
                self._close()
            if self._file is None:
                self._file = self._open(0)
            self._append(self._file, line)

    def close(self) -> None:
        """Close the file. May be called twice, and without `open`."""
        with self._lock:
            self._opened = False
            self._close()

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def _open(self, flags: int) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | flags, self._mode)

    def _gone(self, file: int) -> bool:
        """Tell whether the path leads to another file, or to none."""
        try:
            return not os.path.samestat(self._path.stat(), os.fstat(file))
        except FileNotFoundError:
            return True

    @staticmethod
    def _append(file: int, line: memoryview) -> None:
        written = 0
        try:
            while written < len(line):
                written += os.write(file, line[written:])
        except OSError:
            if written:
                os.truncate(file, os.fstat(file).st_size - written)
            raise


def _permissions(field: str, text: str) -> int:
    """Read permissions in octal. Raises `FieldError`."""
    try:
        mode = int(text, 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= 0o777:
        raise FieldError(field, f'must be permissions in octal, such as "0644", got {text!r}')
    return mode


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
