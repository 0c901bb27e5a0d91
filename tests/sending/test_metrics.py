"""What stands before an exporter of metrics: what is sent again, what is superseded, and what is lost with a reason."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from collector.component import Delivery, MetricsExporter
from collector.config.types import Config, Duration
from collector.errors import PermanentError, RetryableError, TooLargeError
from collector.flush import Flush, MetricsRequest
from collector.ledger import Reason
from collector.sending.config import QueueConfig, RetryConfig, SendingConfig
from collector.sending.metrics import MetricsSender
from collector.testing import StubHost, metrics_exporter_settings, until

QUICK = RetryConfig(initial_interval=Duration(0.001), max_interval=Duration(0.002), max_elapsed_time=Duration(60))


class Exporter(MetricsExporter):
    """Gives outcomes, one for each call, then takes everything. A float is a wait before it takes something."""

    def __init__(self, outcomes: Iterable[BaseException | Delivery | float] = ()) -> None:
        super().__init__(Config(), metrics_exporter_settings("backend"))
        self.outcomes = list(outcomes)
        self.taken: list[bytes] = []
        self.calls = 0
        self.open = asyncio.Event()
        self.open.set()

    async def export(self, request: MetricsRequest) -> Delivery:
        self.calls += 1
        await self.open.wait()
        outcome = self.outcomes.pop(0) if self.outcomes else Delivery()
        if isinstance(outcome, BaseException):
            raise outcome
        if isinstance(outcome, float):
            await asyncio.sleep(outcome)
            outcome = Delivery()
        self.taken.append(request.data)
        return outcome


@asynccontextmanager
async def sending(exporter: Exporter, **settings: Any) -> AsyncIterator[MetricsSender]:
    """Run a sender. In the end its account balances and holds nothing."""
    config = SendingConfig(**{"retry_on_failure": QUICK, **settings})
    sender = MetricsSender(exporter, config, exporter.settings)
    await sender.start(StubHost())
    try:
        yield sender
    finally:
        await asyncio.wait_for(sender.shutdown(), 10)
        await sender.shutdown()
        account = sender.settings.account
        assert account.problem() is None
        assert account.held() == 0


def flush(*data: bytes, source: str = "span_metrics", cumulative: bool = True) -> Flush:
    return Flush(source, tuple(MetricsRequest(each, 10) for each in data), is_cumulative=cumulative)


def delta(*data: bytes) -> Flush:
    return flush(*data, cumulative=False)


async def test_what_the_backend_does_not_take_now_is_sent_again() -> None:
    """Until it is delivered, and each attempt beyond the first is counted."""
    exporter = Exporter([RetryableError("busy")] * 3)
    async with sending(exporter) as sender:
        sender.take(flush(b"a"))
        await until(lambda: exporter.taken)

    assert exporter.taken == [b"a"]
    assert (sender.settings.account.delivered, sender.settings.account.retries) == (10, 3)


async def test_cumulative_metrics_wait_until_the_next_ones() -> None:
    """What the next flush says again is not sent, of no other source and no deltas though."""
    exporter = Exporter()
    exporter.open.clear()
    async with sending(exporter) as sender:
        sender.take(flush(b"first"))
        await until(lambda: exporter.calls)
        sender.take(flush(b"second a", b"second b"))
        sender.take(flush(b"other", source="span_metrics/2"))
        sender.take(delta(b"delta"))
        sender.take(flush(b"third a", b"third b"))
        exporter.open.set()
        await until(lambda: len(exporter.taken) == 5)

    assert exporter.taken == [b"first", b"other", b"delta", b"third a", b"third b"]
    assert sender.settings.account.superseded == 20


async def test_an_attempt_that_fails_late_is_superseded() -> None:
    """A request that was under way when the next flush came is not tried again."""
    exporter = Exporter([RetryableError("busy")])
    exporter.open.clear()
    async with sending(exporter) as sender:
        sender.take(flush(b"first"))
        await until(lambda: exporter.calls)
        sender.take(flush(b"second"))
        exporter.open.set()
        await until(lambda: exporter.taken)

    assert exporter.taken == [b"second"]
    assert sender.settings.account.superseded == 10


async def test_deltas_are_kept_in_order_however_long_it_takes() -> None:
    """`max_elapsed_time` is no reason to lose what nobody says again."""
    exporter = Exporter([RetryableError("away")] * 5)
    impatient = RetryConfig(
        initial_interval=Duration(0.001), max_interval=Duration(0.001), max_elapsed_time=Duration(0.001)
    )
    async with sending(exporter, retry_on_failure=impatient) as sender:
        sender.take(delta(b"a"))
        sender.take(delta(b"b"))
        await until(lambda: len(exporter.taken) == 2)

    assert exporter.taken == [b"a", b"b"]


async def test_cumulative_metrics_are_given_up_after_a_time() -> None:
    """`max_elapsed_time` is the patience with them."""
    exporter = Exporter([RetryableError("away", retry_after=60)])
    impatient = RetryConfig(
        initial_interval=Duration(0.001), max_interval=Duration(0.001), max_elapsed_time=Duration(0.1)
    )
    async with sending(exporter, retry_on_failure=impatient) as sender:
        sender.take(flush(b"a"))
        await until(lambda: sender.settings.account.failed)

    assert sender.settings.account.failed == {Reason.RETRIES_EXHAUSTED: 10}


async def test_the_oldest_deltas_are_lost_when_too_much_waits() -> None:
    """What is lost has a number and a reason, and what is under way is not taken away."""
    exporter = Exporter()
    exporter.open.clear()
    async with sending(exporter, sending_queue=QueueConfig(max_bytes=250)) as sender:
        sender.take(delta(b"a" * 100))
        await until(lambda: exporter.calls)
        for name in (b"b", b"c", b"d"):
            sender.take(delta(name * 100))
        exporter.open.set()
        await until(lambda: len(exporter.taken) == 2)

    assert [each[:1] for each in exporter.taken] == [b"a", b"d"]
    assert sender.settings.account.failed == {Reason.QUEUE_FULL: 20}


@pytest.mark.parametrize(
    ("outcome", "failed", "delivered"),
    [
        (PermanentError("never"), {Reason.REFUSED: 10}, 0),
        (TooLargeError("4 MiB"), {Reason.TOO_LARGE: 10}, 0),
        (ZeroDivisionError("a bug"), {Reason.COMPONENT_ERROR: 10}, 0),
        (TimeoutError("its own"), {Reason.COMPONENT_ERROR: 10}, 0),
        (Delivery(3, "old"), {Reason.REJECTED: 3}, 7),
        (Delivery(99, "odd"), {Reason.REJECTED: 10}, 0),
    ],
)
async def test_what_is_lost_has_a_reason(
    outcome: BaseException | Delivery, failed: dict[Reason, int], delivered: int
) -> None:
    """It is not tried again, and what comes next is sent all the same."""
    exporter = Exporter([outcome])
    async with sending(exporter) as sender:
        sender.take(flush(b"a"))
        await until(lambda: sender.settings.account.failed)
        sender.take(flush(b"b"))
        await until(lambda: b"b" in exporter.taken)

    assert sender.settings.account.failed == failed
    assert sender.settings.account.delivered == delivered + 10


async def test_an_attempt_may_not_take_for_ever() -> None:
    """`timeout` ends it, and it is tried again."""
    exporter = Exporter([60.0])
    async with sending(exporter, timeout=Duration(0.01)) as sender:
        sender.take(flush(b"a"))
        await until(lambda: exporter.taken)

    assert exporter.calls == 2


async def test_the_last_metrics_get_one_attempt_at_the_end() -> None:
    """Then they are delivered, or lost because the collector stops."""
    exporter = Exporter()
    async with sending(exporter) as sender:
        sender.take(delta(b"a"))
        exporter.outcomes = [RetryableError("away", retry_after=60)]
        await until(lambda: exporter.calls == 1)
        sender.take(delta(b"b"))
        exporter.outcomes = [RetryableError("still away")]

    assert exporter.taken == [b"b"]
    assert sender.settings.account.failed == {Reason.SHUTDOWN: 10}


async def test_an_end_that_is_broken_off_loses_nothing_silently() -> None:
    """A shutdown that has no time left books what it could not send."""
    exporter = Exporter()
    exporter.open.clear()
    async with sending(exporter) as sender:
        sender.take(flush(b"a"))
        await until(lambda: exporter.calls)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(sender.shutdown(), 0.01)
        exporter.open.set()

    assert sender.settings.account.failed == {Reason.SHUTDOWN: 10}


async def test_a_successor_gets_what_waits() -> None:
    """With other settings another sender takes over what is not delivered, in order."""
    old, new = Exporter([RetryableError("away")]), Exporter()
    old.open.clear()
    async with sending(new) as successor, sending(old) as sender:
        sender.take(delta(b"a"))
        await until(lambda: old.calls)
        sender.take(delta(b"b"))

        sender.forward(successor)
        sender.take(delta(b"c"))
        old.open.set()
        await until(lambda: len(new.taken) == 3)

    assert sorted(new.taken) == [b"a", b"b", b"c"]
    assert sender.settings.account.offered == 0
    assert successor.settings.account.delivered == 30
