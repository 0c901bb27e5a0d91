"""Requests that leave the queue together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from collector.config.types import Duration
from collector.errors import PermanentError, RetryableError
from collector.ledger import Reason
from collector.sending.config import QueueBatchConfig, QueueConfig, RetryConfig, SendingConfig, Sizer
from collector.sending.gathering import Gathering
from collector.sending.request import Request
from collector.sending.sender import Sender
from collector.testing import SinkExporter, StubHost, make_spans, spans_in, until

SOON = RetryConfig(initial_interval=Duration(0.001), max_interval=Duration(0.001), max_elapsed_time=Duration(5))


def gathering(sizer: Sizer = Sizer.ITEMS, **config: Any) -> Gathering:
    return Gathering(QueueBatchConfig(**config), sizer)


def request(spans: int, first: int = 0) -> Request:
    return Request(make_spans(spans, first=first))


def sizes(requests: list[Request]) -> list[list[int]]:
    return [[len(part) for part in request.parts] for request in requests]


@asynccontextmanager
async def running(exporter: SinkExporter, batch: QueueBatchConfig, **queue: Any) -> AsyncIterator[Sender]:
    config = SendingConfig(retry_on_failure=SOON, sending_queue=QueueConfig(batch=batch, **queue))
    sender = Sender(exporter, config, exporter.settings)
    await sender.start(StubHost())
    try:
        yield sender
    finally:
        await sender.shutdown()


def test_a_bundle_is_complete_at_its_minimum() -> None:
    """It may be larger."""
    bundle = gathering(min_size=10)
    assert bundle.add(request(4), 0.0) == []
    assert sizes(bundle.add(request(7), 0.1)) == [[11]]
    assert bundle.due_at is None


def test_a_bundle_is_due_by_the_age_of_its_first_request() -> None:
    """Later ones do not put it off."""
    bundle = gathering(min_size=10, flush_timeout=Duration(0.2))
    bundle.add(request(1), 5.0)
    bundle.add(request(1), 5.1)
    assert bundle.due_at == pytest.approx(5.2)
    assert sizes(bundle.flush()) == [[2]]
    assert bundle.flush() == []


def test_what_would_be_too_large_goes_in_two() -> None:
    """A request larger than the maximum is cut into parts that stay one request."""
    bundle = gathering(min_size=5, max_size=10)
    assert bundle.add(request(4), 0.0) == []
    assert sizes(bundle.add(request(8), 0.0)) == [[4], [8]]
    assert sizes(bundle.add(request(25), 0.0)) == [[10, 10, 5]]


def test_counts_bytes_where_it_is_told_to() -> None:
    """Bounds are in units of the sizer."""
    size = make_spans(3).size
    bundle = gathering(Sizer.BYTES, min_size=2 * size)
    assert bundle.add(request(3), 0.0) == []
    assert sizes(bundle.add(request(3), 0.0)) == [[6]]


def test_nothing_is_gathered_beyond_what_a_message_may_have() -> None:
    """Whatever `min_size` says."""
    bundle = gathering(min_size=1_000_000)
    large = make_spans(12_000, attributes={"text": "x" * 200})
    assert large.size < 3584 * 1024 < 2 * large.size
    assert bundle.add(Request(large), 0.0) == []
    assert sizes(bundle.add(Request(large), 0.0)) == [[12_000]]


async def test_sends_few_large_requests() -> None:
    """In order, and everything is delivered and counted."""
    exporter = SinkExporter()
    async with running(
        exporter, QueueBatchConfig(min_size=20, flush_timeout=Duration(1000)), num_consumers=1
    ) as sender:
        for first in range(0, 100, 5):
            await sender.consume(make_spans(5, first=first))
        await until(lambda: exporter.settings.account.delivered == 100)

    assert [len(batch) for batch in exporter.batches] == [20] * 5
    assert [span.name for span in spans_in(*exporter.batches)] == [f"span {i}" for i in range(100)]
    assert exporter.settings.account.problem() is None


async def test_sends_what_has_waited_long_enough() -> None:
    """A quiet service is not kept waiting for others."""
    exporter = SinkExporter()
    async with running(exporter, QueueBatchConfig(flush_timeout=Duration(0.01))) as sender:
        await sender.consume(make_spans(5))
        await until(lambda: exporter.settings.account.delivered == 5)


async def test_shutdown_sends_what_was_gathered() -> None:
    """From memory it would be lost."""
    exporter = SinkExporter()
    async with running(exporter, QueueBatchConfig(flush_timeout=Duration(1000))) as sender:
        await sender.consume(make_spans(5))
        await sender.consume(make_spans(5, first=5))

    assert exporter.settings.account.delivered == 10
    assert sender.queue_size == 0


async def test_a_bundle_is_sent_again_as_a_whole() -> None:
    """And counts as held meanwhile."""
    exporter = SinkExporter()
    exporter.outcomes = [RetryableError("away"), RetryableError("away")]
    async with running(exporter, QueueBatchConfig(min_size=10, flush_timeout=Duration(1000))) as sender:
        await sender.consume(make_spans(5))
        await sender.consume(make_spans(5, first=5))
        await until(lambda: exporter.settings.account.delivered == 10)

    assert [len(batch) for batch in exporter.batches] == [10]
    assert exporter.settings.account.retries == 2


async def test_who_waits_hears_what_became_of_the_bundle() -> None:
    """If all of it failed, everybody keeps his own."""
    exporter = SinkExporter()
    exporter.outcomes = [PermanentError("never")]
    batch = QueueBatchConfig(min_size=10, flush_timeout=Duration(1000))
    async with running(exporter, batch, wait_for_result=True) as sender:
        outcomes = await asyncio.gather(
            *(sender.consume(make_spans(5, first=first)) for first in (0, 5)), return_exceptions=True
        )
        assert [str(outcome) for outcome in outcomes] == ["never", "never"]
        assert (exporter.settings.account.offered, exporter.settings.account.failed.total()) == (0, 0)
        await asyncio.gather(*(sender.consume(make_spans(5, first=first)) for first in (0, 5)))

    assert (exporter.settings.account.offered, exporter.settings.account.delivered) == (10, 10)


async def test_who_leaves_a_bundle_leaves_his_spans() -> None:
    """They are on their way already."""
    exporter = SinkExporter()
    batch = QueueBatchConfig(min_size=10, flush_timeout=Duration(1000))
    async with running(exporter, batch, wait_for_result=True) as sender:
        leaving = asyncio.ensure_future(sender.consume(make_spans(5)))
        await until(lambda: sender.queue_size == 1)
        exporter.outcomes = [RetryableError("away")] * 50
        staying = asyncio.ensure_future(sender.consume(make_spans(5, first=5)))
        await until(lambda: exporter.settings.account.retries > 1)
        leaving.cancel()
        await asyncio.wait([leaving])
        assert not leaving.cancelled()
        await staying

    assert (exporter.settings.account.offered, exporter.settings.account.delivered) == (10, 10)
    assert exporter.settings.account.problem() is None


async def test_shutdown_books_each_span_once() -> None:
    """Those of a bundle that the backend does not take, and those that wait behind it."""
    exporter = SinkExporter()
    exporter.outcomes = [RetryableError("away")] * 1000
    config = SendingConfig(
        retry_on_failure=RetryConfig(
            initial_interval=Duration(1000), max_interval=Duration(1000), max_elapsed_time=Duration(0)
        ),
        sending_queue=QueueConfig(batch=QueueBatchConfig(min_size=10, flush_timeout=Duration(1000)), num_consumers=1),
    )
    sender = Sender(exporter, config, exporter.settings)
    await sender.start(StubHost())
    for first in range(0, 35, 5):
        await sender.consume(make_spans(5, first=first))
    await sender.shutdown()

    account = exporter.settings.account
    assert (account.offered, account.failed) == (35, {Reason.SHUTDOWN: 35})
    assert (account.problem(), sender.queue_size) == (None, 0)
