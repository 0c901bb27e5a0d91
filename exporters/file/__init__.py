"""`file`: write spans into a file, one OTLP/JSON request a line.

    exporters:
      file:
        path: ./spans.jsonl

The file is emptied at every start unless `append` or `rotation` is set. If it is deleted or moved away while the
collector runs, a new one is begun. A full disk is no loss by itself: the batch is refused for now, and with
`retry_on_failure` written later.

With `rotation` a full file is set aside as `spans-2026-01-02T15-04-05.000.binpb`, and old ones are deleted:

    exporters:
      file/archive:
        path: ./archive/spans.binpb
        create_directory: true
        format: proto
        compression: zstd
        rotation:
          max_megabytes: 500
          max_days: 7

With `format: proto`, and with `compression`, each request stands behind its length in 4 bytes, the most significant
first, as in files of the Go collector.

What was written is handed to the operating system at once, and is on the disk (fsync) when a file is set aside and when
the collector stops. A record that a killed collector left unfinished is cut off at the next start.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from collector.component import Delivery, Exporter, Host, Leavings, Settings
from collector.errors import RetryableError, StartError
from collector.ledger import ExporterAccount
from collector.spans import SpanBatch
from exporters.file.config import FileConfig
from exporters.file.records import Records
from exporters.file.writer import RecordFile, reason

__all__ = ["FileConfig", "FileExporter"]


class FileExporter(Exporter):
    """Encodes and writes in threads, one record at a time."""

    config_type = FileConfig

    def __init__(self, config: FileConfig, settings: Settings[ExporterAccount]) -> None:
        super().__init__(config, settings)
        self._records = Records(config)
        self._file = RecordFile(config, self._records, settings.logger)
        self._turn = asyncio.Lock()
        self._before: FileExporter | None = None
        """Whoever has the file open, and will close it soon."""
        self._closed = asyncio.Event()

    def leaves(self) -> Leavings:
        """The file, which two must not write to: whoever is next has to wait for this one."""
        return {self._key: lambda: self}

    async def start(self, host: Host) -> None:
        """Open the file, unless another one has it open that is about to end. Raises `StartError`."""
        self._before = host.left(self._key)
        if self._before is None:
            await asyncio.to_thread(self._file.open)
        elif self._before._records.kind != self._records.kind:
            message = f"is written as {self._before._records.kind}, and {self._records.kind} was to follow"
            raise StartError(message, path="path")

    async def export(self, batch: SpanBatch) -> Delivery:
        """Write one record. Raises `RetryableError`: what is wrong with a file an operator can cure meanwhile."""
        # One at a time, here and not in the threads: a disk that hangs must not take all threads there are.
        async with self._turn:
            if self._before:
                await self._go_on(self._before)
            writing = asyncio.ensure_future(asyncio.to_thread(self._write, batch))
            # A thread cannot be called back. Who gives up waiting hears how it ended, or would write the batch twice.
            while not writing.done():
                try:
                    await asyncio.wait([writing])
                except asyncio.CancelledError:
                    continue
        try:
            writing.result()
        except OSError as error:
            raise RetryableError(f"cannot write {self.config.path}: {reason(error)}") from error
        return Delivery()

    async def shutdown(self) -> None:
        """Close the file, with all of it on the disk."""
        async with self._turn:
            await asyncio.to_thread(self._file.close)
            self._closed.set()

    @property
    def _key(self) -> str:
        return f"file {Path(self.config.path).absolute()}"

    async def _go_on(self, before: FileExporter) -> None:
        """Open the file once another one has closed it."""
        await before._closed.wait()
        try:
            await asyncio.to_thread(self._file.open, go_on=True)
        except StartError as error:
            raise RetryableError(str(error)) from error
        self._before = None

    def _write(self, batch: SpanBatch) -> None:
        self._file.append(self._records.encode(batch))
