"""What stands in a file: one record for each batch.

    format: json                  OTLP/JSON and a line end
    format: proto                 4 bytes of length, the most significant first, and an ExportTraceServiceRequest
    either, with compression      4 bytes of length, and the compressed JSON or protobuf

So does the Go collector write them. Each record is compressed for itself: before tools such as `zstd` can read it, the
length has to be taken off. A collector that was killed may leave a part of a record at the end of its file. With
another one behind it nobody could read on, so `whole` tells where to cut.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

from collector._kernel import compress
from collector.spans import SpanBatch
from exporters.file.config import FileConfig

_LENGTH = struct.Struct(">I")
_BLOCK = 1 << 16

_STARTS = {"json lines": b"{", "zstd": b"\x28\xb5\x2f\xfd", "gzip": b"\x1f\x8b"}


class Records:
    """Makes records of the kind that a configuration asks for, and finds their ends."""

    def __init__(self, config: FileConfig) -> None:
        self._json = config.format == "json"
        self._compression = config.compression
        level = config.compression_params.level
        self._level = max(1, level) if level else None
        self._lines = self._json and not config.compression
        self.kind = "json lines" if self._lines else config.compression or "proto"
        """What the records are, for messages."""

    def encode(self, batch: SpanBatch) -> bytes:
        """The record of a batch."""
        data = batch.to_json() if self._json else batch.encode()
        if self._lines:
            return data + b"\n"
        if self._compression:
            data = compress(self._compression, data, self._level)
        return _LENGTH.pack(len(data)) + data

    def foreign(self, file: BinaryIO) -> str | None:
        """Which other kind of records a file begins with, if it is one that is written here."""
        file.seek(0)
        head = file.read(_LENGTH.size + 4)
        if len(head) <= _LENGTH.size:
            return None
        for kind, start in _STARTS.items():
            if head.startswith(start, 0 if kind == "json lines" else _LENGTH.size):
                return kind if kind != self.kind else None
        return None if self.kind == "proto" else "other"

    def whole(self, file: BinaryIO, size: int) -> int:
        """How many of the `size` bytes of a file are whole records; less than all if the last one is torn."""
        return self._whole_lines(file, size) if self._lines else self._whole_framed(file, size)

    @staticmethod
    def _whole_lines(file: BinaryIO, size: int) -> int:
        end = size
        while end:
            start = max(0, end - _BLOCK)
            file.seek(start)
            found = file.read(end - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            end = start
        return 0

    @staticmethod
    def _whole_framed(file: BinaryIO, size: int) -> int:
        whole = 0
        while whole + _LENGTH.size < size:
            file.seek(whole)
            head = file.read(_LENGTH.size)
            # No record is empty: zeros are what a file system leaves of a write that a power cut undid.
            length = _LENGTH.unpack(head)[0] if len(head) == _LENGTH.size else 0
            if not length or whole + _LENGTH.size + length > size:
                break
            whole += _LENGTH.size + length
        return whole
