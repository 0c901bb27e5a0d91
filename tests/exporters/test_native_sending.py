"""The kernel's client under a real pipeline: one collector sends to another, and the books of both balance."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from raw_http2 import Connection, raw_http2

from collector.ledger import Reason
from collector.service import Service
from collector.testing import make_spans, running, until

FRONT = """
receivers: {{feed: {{}}}}
exporters:
  {exporter}
service:
  pipelines:
    traces: {{receivers: [feed], exporters: [{id}]}}
"""
BACK = """
receivers: {otlp: {protocols: {grpc: {endpoint: 'localhost:0', engine: native, max_recv_msg_size_mib: 1},
                               http: {endpoint: 'localhost:0', max_request_body_size: 1048576}}}}
exporters: {sink: {}}
service:
  pipelines:
    traces: {receivers: [otlp], exporters: [sink]}
"""
RETRY = "retry_on_failure: {initial_interval: 20ms, max_interval: 50ms, randomization_factor: 0}"


def front(protocol: str, address: str, more: str = RETRY) -> str:
    if protocol == "grpc":
        exporter = f"otlp: {{endpoint: '{address}', engine: native, tls: {{insecure: true}}, {more}}}"
        return FRONT.format(exporter=exporter, id="otlp")
    exporter = f"otlphttp: {{endpoint: 'http://{address}', encoding: proto, {more}}}"
    return FRONT.format(exporter=exporter, id="otlphttp")


def address(back: Service, protocol: str) -> str:
    receiver: Any = back.machine.receivers["otlp"]
    server = receiver.grpc if protocol == "grpc" else receiver.http
    return str(server.address)


def arrived(back: Service) -> int:
    exporter: Any = back.machine.exporters["sink"].exporter
    return sum(len(batch) for batch in exporter.batches)


@pytest.mark.parametrize("protocol", ["grpc", "http"])
@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
async def test_everything_arrives_once(protocol: str, compression: str) -> None:
    """Whatever the size of the batches."""
    more = f"compression: {compression}, {RETRY}"
    async with running(BACK) as back, running(front(protocol, address(back, protocol), more)) as service:
        feed: Any = service.machine.receivers["feed"]
        for spans in (1, 10, 100, 1000) * 5:
            await feed.send(make_spans(spans))
        await until(lambda: arrived(back) >= 5555)

    assert arrived(back) == 5555
    (account,) = service.machine.ledger.exporters.values()
    assert (account.delivered, account.retries) == (5555, 0)


@pytest.mark.parametrize("protocol", ["grpc", "http"])
async def test_what_is_too_large_is_cut(protocol: str) -> None:
    """The other collector takes a mebibyte."""
    async with running(BACK) as back, running(front(protocol, address(back, protocol))) as service:
        feed: Any = service.machine.receivers["feed"]
        await feed.send(make_spans(100, attributes={"text": "x" * 60_000}))
        await until(lambda: arrived(back) >= 100)

    (account,) = service.machine.ledger.exporters.values()
    assert (account.delivered, sum(account.failed.values())) == (100, 0)


@pytest.mark.parametrize("protocol", ["grpc", "http"])
async def test_a_backend_that_comes_back_gets_everything(protocol: str) -> None:
    """It hears of nothing before that, and nothing is lost."""
    async with running(BACK) as back:
        where = address(back, protocol)
    async with running(front(protocol, where)) as service:
        feed: Any = service.machine.receivers["feed"]
        for _ in range(20):
            await feed.send(make_spans(10))
        (account,) = service.machine.ledger.exporters.values()
        await until(lambda: account.retries > 5)
        again = f"receivers.otlp.protocols.{protocol}.endpoint={where}"
        async with running(BACK, again) as back:
            await until(lambda: arrived(back) >= 200)
            assert arrived(back) == 200

    assert account.delivered == 200


async def test_shutdown_does_not_wait_for_a_backend_that_hangs() -> None:
    """What is under way when time is over is booked as lost, and the client goes."""

    async def hang(connection: Connection) -> None:
        async for _ in connection.requests():
            pass

    async with raw_http2(hang) as where:
        began = 0.0
        async with running(front("grpc", where, "timeout: 0"), shutdown_timeout=0.5) as service:
            feed: Any = service.machine.receivers["feed"]
            await feed.send(make_spans(10))
            exporter: Any = service.machine.exporters["otlp"]
            await until(lambda: exporter.in_flight)
            began = time.monotonic()

        assert time.monotonic() - began < 5
    (account,) = service.machine.ledger.exporters.values()
    assert account.failed[Reason.SHUTDOWN] == 10


@pytest.mark.parametrize("protocol", ["grpc", "http"])
async def test_many_consumers_share_a_client(protocol: str) -> None:
    """Calls of all of them are under way at once."""
    more = f"sending_queue: {{num_consumers: 50}}, {RETRY}"
    async with running(BACK) as back, running(front(protocol, address(back, protocol), more)) as service:
        feed: Any = service.machine.receivers["feed"]
        await asyncio.gather(*(feed.send(make_spans(7)) for _ in range(500)))
        await until(lambda: arrived(back) >= 3500)

    assert arrived(back) == 3500
