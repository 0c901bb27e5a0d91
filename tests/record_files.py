"""What tests of the file exporter share: starting one, and reading its files as another program would.

Files are read by their documented form, with other libraries.
"""

import errno
import gzip
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector.testing import StubHost, exporter_settings
from exporters.file import FileConfig, FileExporter


async def started(path: Path, **options: object) -> FileExporter:
    exporter = FileExporter(FileConfig(path=str(path), **options), exporter_settings("file"))  # type: ignore[arg-type]
    await exporter.start(StubHost())
    return exporter


def refuses(*_: object, **__: object) -> int:
    """Stands in for a call of the operating system."""
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def frames(data: bytes) -> Iterator[bytes]:
    """What stands behind each length. A length that leads beyond the end is an error."""
    while data:
        end = 4 + int.from_bytes(data[:4], "big")
        assert 4 < end <= len(data)
        yield data[4:end]
        data = data[end:]


def inflated(data: bytes, compression: str) -> bytes:
    if compression == "gzip":
        return gzip.decompress(data)
    if compression == "zstd":
        return subprocess.run(["zstd", "-dc"], input=data, capture_output=True, check=True, timeout=30).stdout
    return data


def span_names(path: Path, format: str = "json", compression: str = "") -> list[str]:
    """The names of all spans of a file, in order."""
    data = path.read_bytes()
    if format == "json" and not compression:
        assert data.endswith(b"\n") or not data
        records = data.splitlines()
    else:
        records = [inflated(frame, compression) for frame in frames(data)]
    return [name for record in records for name in _names(record, format)]


def _names(record: bytes, format: str) -> list[str]:
    if format == "json":
        groups = json.loads(record)["resourceSpans"]
        return [span["name"] for group in groups for scope in group["scopeSpans"] for span in scope["spans"]]
    request = ExportTraceServiceRequest.FromString(record)
    return [span.name for group in request.resource_spans for scope in group.scope_spans for span in scope.spans]
