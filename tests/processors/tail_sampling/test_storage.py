"""Traces that wait when the collector stops, and wait on when it starts again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from collector.errors import ConfigError
from collector.ledger import Reason
from collector.pipeline import build
from collector.service import Service
from collector.spans import SpanBatch
from collector.telemetry.status import document, lines
from collector.testing import configure, running, spans_in, until

YAML = """
extensions: {{file_storage: {{directory: {directory}}}}}
receivers: {{feed: }}
processors:
  tail_sampling:
    decision_wait: {wait}
    storage: file_storage
    policies: [{{name: errors, type: status_code, status_code: {{status_codes: [ERROR]}}}}]
exporters: {{sink: }}
service:
  extensions: [file_storage]
  pipelines: {{traces: {{receivers: [feed], processors: [tail_sampling], exporters: [sink]}}}}
"""


def spans(*traces: int, failed: bool = False) -> SpanBatch:
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for trace in traces:
        span = scope.spans.add(trace_id=trace.to_bytes(16, "big"), span_id=b"spanspan", name=str(trace))
        span.status.code = Status.STATUS_CODE_ERROR if failed else Status.STATUS_CODE_OK
    return SpanBatch.decode(request.SerializeToString())


async def send(service: Service, batch: SpanBatch) -> None:
    feed: Any = service.machine.receivers["feed"]
    await feed.send(batch)


def delivered(service: Service) -> list[str]:
    sink: Any = service.machine.exporters["sink"].exporter
    return sorted(span.name for span in spans_in(*sink.batches))


def files_in(directory: Path) -> list[Path]:
    return [*directory.glob("*.saved")]


async def test_pending_traces_wait_on_in_the_next_run(tmp_path: Path) -> None:
    """Spans of both runs are decided about together, and each run says what it saved and restored."""
    async with running(YAML.format(directory=tmp_path, wait="1h")) as service:
        await send(service, spans(1, 2, 3))
    account = service.ledger.processors["traces", "tail_sampling"]
    assert (delivered(service), account.saved, account.held()) == ([], 3, 0)
    assert service.ledger.problems() == []
    assert "    besides, restored from an earlier run 0, saved for the next one 3" in [*lines(document(service.ledger))]

    async with running(YAML.format(directory=tmp_path, wait="300ms")) as service:
        account = service.ledger.processors["traces", "tail_sampling"]
        assert (account.restored, account.held()) == (3, 3)
        await send(service, spans(2, failed=True))
        await until(lambda: not account.held())
        assert delivered(service) == ["2", "2"]
        assert service.ledger.problems() == []
    assert account.saved == 0


async def test_damage_is_counted_and_the_rest_is_there(tmp_path: Path) -> None:
    """A flipped bit costs one trace, and says so."""
    async with running(YAML.format(directory=tmp_path, wait="1h")) as service:
        await send(service, spans(*range(1, 11), failed=True))
    [path] = files_in(tmp_path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    async with running(YAML.format(directory=tmp_path, wait="0")) as service:
        account = service.ledger.processors["traces", "tail_sampling"]
        await until(lambda: len(delivered(service)) == 9)
        assert (account.restored, account.failed[Reason.DAMAGED]) == (10, 1)
        assert service.ledger.problems() == []


@pytest.mark.parametrize("content", [b"", b"rubbish", b"SPANTAIL" + bytes(24)])
async def test_a_file_that_cannot_be_read_is_put_aside(tmp_path: Path, content: bytes) -> None:
    """The collector starts without it, says so, and keeps it for people to look at."""
    async with running(YAML.format(directory=tmp_path, wait="1h")) as service:
        await send(service, spans(1))
    [path] = files_in(tmp_path)
    path.write_bytes(content)

    async with running(YAML.format(directory=tmp_path, wait="1h")) as service:
        assert service.ledger.processors["traces", "tail_sampling"].held() == 0
        assert path.with_suffix(".unreadable").read_bytes() == content
        assert not path.exists()


async def test_what_cannot_be_saved_is_decided_about(tmp_path: Path) -> None:
    """A disk that is gone loses no span."""
    storage = tmp_path / "storage"
    storage.mkdir()
    async with running(YAML.format(directory=storage, wait="1h")) as service:
        await send(service, spans(1, 2, failed=True))
        storage.rmdir()

    assert delivered(service) == ["1", "2"]
    assert service.ledger.problems() == []


async def test_a_reload_that_removes_the_processor_decides_about_what_waits(tmp_path: Path) -> None:
    """Nobody would read what was saved then."""
    yaml = YAML.format(directory=tmp_path, wait="1h")
    async with running(yaml) as service:
        await send(service, spans(1, failed=True))
        await service.reload(configure(yaml.replace("processors: [tail_sampling], ", "")))
        await until(lambda: delivered(service) == ["1"])

    assert files_in(tmp_path) == []


def test_the_storage_has_to_be_there() -> None:
    """A name that nothing stands behind is an error before the start."""
    yaml = YAML.format(directory="/nowhere", wait="1s").replace("extensions: [file_storage]", "extensions: []")
    with pytest.raises(ConfigError, match="processors::tail_sampling::storage: service::extensions does not name"):
        build(configure(yaml))
