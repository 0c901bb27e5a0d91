"""Backends that leave in the middle: what a queue on disk holds arrives all the same."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from raw_http2 import CANCEL, REFUSED_STREAM, Behaviour, Connection, raw_http2

from collector.testing import make_spans, running, until

CONFIGURATION = """
extensions: {{file_storage: {{directory: "{directory}"}}}}
receivers: {{feed: }}
exporters:
  otlp:
    endpoint: {backend}
    engine: {engine}
    compression: none
    timeout: 2s
    tls: {{insecure: true}}
    sending_queue: {{storage: file_storage, num_consumers: 3}}
    retry_on_failure: {{initial_interval: 20ms, max_interval: 50ms, max_elapsed_time: 0}}
service: {{extensions: [file_storage], pipelines: {{traces: {{receivers: [feed], exporters: [otlp]}}}}}}
"""
_BATCHES = 60


async def _goes_away(connection: Connection, stream: int) -> bool:
    connection.go_away(stream - 2)
    return False


async def _goes_away_and_answers(connection: Connection, stream: int) -> bool:
    connection.go_away(stream)
    return True


async def _half_closes(connection: Connection, stream: int) -> bool:
    await connection.writer.drain()
    connection.writer.write_eof()
    async with asyncio.timeout(10):
        while await connection.reader.read(65_536):
            pass  # it reads on, until the client understands
    return False


async def _hangs_up(connection: Connection, stream: int) -> bool:
    connection.writer.transport.abort()
    return False


async def _refuses(connection: Connection, stream: int) -> bool:
    connection.reset(stream, REFUSED_STREAM)
    return False


async def _cancels(connection: Connection, stream: int) -> bool:
    connection.reset(stream, CANCEL)
    return False


@pytest.mark.parametrize("engine", ["native", "grpcio"])
@pytest.mark.parametrize("leaves", [_goes_away, _goes_away_and_answers, _half_closes, _hangs_up, _refuses, _cancels])
async def test_each_third_request_meets_it(tmp_path: Path, leaves: Any, engine: str) -> None:
    """Every span arrives, none is given up, and what arrives twice is what was not answered."""
    arrived: list[bytes] = []
    seen = unanswered = 0

    async def behave(connection: Connection) -> None:
        nonlocal seen, unanswered
        async for stream in connection.requests():
            seen += 1
            arrived.append(connection.messages.pop(stream))
            if seen % 3:
                connection.answer(stream)
                continue
            if await leaves(connection, stream):
                connection.answer(stream)
            unanswered += 1
            if leaves not in {_refuses, _cancels}:
                return

    behaviour: Behaviour = behave
    async with (
        raw_http2(behaviour) as backend,
        running(CONFIGURATION.format(directory=tmp_path, backend=backend, engine=engine)) as service,
    ):
        feed: Any = service.machine.receivers["feed"]
        for first in range(0, 2 * _BATCHES, 2):
            await feed.send(make_spans(2, first=first))
        account = service.ledger.exporters["otlp"]
        await until(lambda: account.delivered == 2 * _BATCHES)
        assert account.failed.total() == 0
        assert account.held() == 0

    ids = [span_id for message in arrived for span_id in _ids(message)]
    assert set(ids) == {number.to_bytes(8, "big") for number in range(1, 2 * _BATCHES + 1)}
    # Of each connection that ends, all that was on its way.
    assert len(ids) - len(set(ids)) <= 2 * 3 * unanswered


def _ids(message: bytes) -> list[bytes]:
    (length,) = struct.unpack(">I", message[1:5])
    request = ExportTraceServiceRequest.FromString(message[5 : 5 + length])
    return [span.span_id for group in request.resource_spans for scope in group.scope_spans for span in scope.spans]
