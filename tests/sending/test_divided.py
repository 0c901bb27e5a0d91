"""A batch that an exporter sent in pieces: what may be sent again is, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from collector.component import Delivery
from collector.config.types import Duration
from collector.errors import (
    ComponentError,
    ConsumeError,
    DividedError,
    PermanentError,
    RetryableError,
    TooLargeError,
)
from collector.ledger import Reason
from collector.sending.config import QueueConfig, RetryConfig, SendingConfig
from collector.sending.sender import Sender
from collector.spans import SpanBatch
from collector.testing import SinkExporter, StubHost, cancel_after, make_spans, spans_in, until

SOON = RetryConfig(initial_interval=Duration(0.001), max_interval=Duration(0.001), max_elapsed_time=Duration(5))
LATE = RetryConfig(initial_interval=Duration(1000), max_interval=Duration(1000), max_elapsed_time=Duration(0))
AWAY = RetryableError("away")
TOOK = Delivery()

Outcomes = Sequence[Delivery | ConsumeError]


class Pieces(SinkExporter):
    """Sends each span by itself. `plans` are what they come to, one for each call; then all are delivered."""

    def __init__(self, *plans: Outcomes) -> None:
        super().__init__()
        self.plans = list(plans)
        self.asked: list[list[str]] = []

    async def export(self, batch: SpanBatch) -> Delivery:
        self.asked.append([span.name for span in spans_in(batch)])
        plan = self.plans.pop(0) if self.plans else [TOOK] * len(batch)
        pieces = list(zip(batch.split(1), plan, strict=True))
        self.batches += [piece for piece, outcome in pieces if outcome is TOOK]
        if all(outcome is TOOK for outcome in plan):
            return TOOK
        raise DividedError(pieces)


class Broken(SinkExporter):
    """Delivers the first span of a batch, and hangs. When it is cancelled, it says what it knows."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = asyncio.Event()
        self.hangs = True

    async def export(self, batch: SpanBatch) -> Delivery:
        first, *rest = batch.split(1)
        if not self.hangs:
            self.batches.append(batch)
            return TOOK
        self.batches.append(first)
        self.entered.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise DividedError([(first, TOOK), *((piece, AWAY) for piece in rest)]) from None
        raise AssertionError


async def started(
    exporter: SinkExporter, queue: QueueConfig | None, retry: RetryConfig = SOON, within: float = 5
) -> Sender:
    config = SendingConfig(timeout=Duration(within), retry_on_failure=retry, sending_queue=queue)
    sender = Sender(exporter, config, exporter.settings)
    await sender.start(StubHost())
    return sender


def names(exporter: SinkExporter) -> list[str]:
    return sorted(span.name for span in spans_in(*exporter.batches))


def spans(*numbers: int) -> list[str]:
    return [f"span {number}" for number in numbers]


QUEUES: list[Callable[[], QueueConfig | None]] = [lambda: None, QueueConfig]
queues = pytest.mark.parametrize("queue", QUEUES, ids=["no queue", "queue"])


@queues
async def test_only_what_was_not_taken_is_sent_again(queue: Callable[[], QueueConfig | None]) -> None:
    """Nothing comes twice, and the account balances."""
    exporter = Pieces([TOOK, AWAY, TOOK, AWAY], [AWAY, TOOK])
    sender = await started(exporter, queue())

    await sender.consume(make_spans(4))
    await until(lambda: len(exporter.batches) == 4)
    await sender.shutdown()

    assert exporter.asked == [spans(0, 1, 2, 3), spans(1, 3), spans(1)]
    account = exporter.settings.account
    assert (account.offered, account.delivered, account.failed.total()) == (4, 4, 0)
    assert account.problem() is None


@queues
async def test_each_piece_ends_as_it_would_alone(queue: Callable[[], QueueConfig | None]) -> None:
    """Refused, rejected, too large and broken ones are booked for their own reasons."""
    rejected = Delivery(1, "no such tenant")
    plan = [TOOK, PermanentError("never"), rejected, TooLargeError("4 MiB"), ComponentError("a bug"), AWAY]
    exporter = Pieces(plan)
    sender = await started(exporter, queue())

    await sender.consume(make_spans(6))
    await until(lambda: len(exporter.batches) == 2)
    await sender.shutdown()

    account = exporter.settings.account
    assert names(exporter) == spans(0, 5)
    assert (account.offered, account.delivered) == (6, 2)
    assert {**account.failed} == {
        Reason.REFUSED: 1,
        Reason.REJECTED: 1,
        Reason.TOO_LARGE: 1,
        Reason.COMPONENT_ERROR: 1,
    }
    assert [span.name for span in account.set_aside] == spans(3)
    assert account.problem() is None


async def test_a_piece_that_is_too_large_is_cut() -> None:
    """Its halves are sent, beside what was away."""
    exporter = Pieces()
    whole = make_spans(5)
    pieces = [whole.split(4)[0], whole.split(4)[1]]

    async def export(batch: SpanBatch) -> Delivery:
        exporter.asked.append([span.name for span in spans_in(batch)])
        if len(batch) == 5:
            raise DividedError([(pieces[0], TooLargeError("4 MiB")), (pieces[1], AWAY)])
        exporter.batches.append(batch)
        return TOOK

    exporter.export = export  # type: ignore[method-assign]
    sender = await started(exporter, QueueConfig())

    await sender.consume(whole)
    await until(lambda: len(exporter.batches) == 3)
    await sender.shutdown()

    assert exporter.asked == [spans(0, 1, 2, 3, 4), spans(4), spans(0, 1), spans(2, 3)]
    assert exporter.settings.account.delivered == 5


@queues
async def test_without_retries_the_rest_is_lost_for_a_reason(queue: Callable[[], QueueConfig | None]) -> None:
    """The caller is not told to keep it: he would send again what was taken."""
    exporter = Pieces([TOOK, AWAY, AWAY])
    sender = await started(exporter, queue(), RetryConfig(enabled=False))

    await sender.consume(make_spans(3))
    await sender.shutdown()

    account = exporter.settings.account
    assert (account.offered, account.delivered, {**account.failed}) == (3, 1, {Reason.RETRIES_EXHAUSTED: 2})


async def test_the_caller_keeps_what_nobody_took() -> None:
    """Where all pieces failed, it is a refusal like any other."""
    exporter = Pieces([AWAY, PermanentError("never")])
    sender = await started(exporter, None, RetryConfig(enabled=False))

    with pytest.raises(ConsumeError):
        await sender.consume(make_spans(2))
    await sender.shutdown()

    assert exporter.settings.account.offered == 0


@queues
async def test_an_attempt_that_runs_out_of_time_keeps_what_it_knows(queue: Callable[[], QueueConfig | None]) -> None:
    """The timeout ends the attempt; what was taken by then is not sent again."""
    exporter = Broken()
    sender = await started(exporter, queue(), within=0.02)
    sending = asyncio.ensure_future(sender.consume(make_spans(3)))
    await exporter.entered.wait()
    exporter.hangs = False

    await sending
    await until(lambda: len(exporter.batches) == 2)
    await sender.shutdown()

    assert names(exporter) == spans(0, 1, 2)
    assert exporter.settings.account.delivered == 3


async def test_at_the_deadline_what_was_taken_is_delivered_and_the_rest_is_lost() -> None:
    """A shutdown that is broken off books each span once."""
    exporter = Broken()
    sender = await started(exporter, QueueConfig(), within=0)
    await sender.consume(make_spans(3))
    await exporter.entered.wait()

    ending = asyncio.ensure_future(sender.shutdown())
    await asyncio.sleep(0)
    ending.cancel()
    await asyncio.wait([ending])

    account = exporter.settings.account
    assert (account.offered, account.delivered, {**account.failed}) == (3, 1, {Reason.SHUTDOWN: 2})


async def test_a_caller_who_leaves_in_between_leaves_the_rest_behind() -> None:
    """One backend has a part of it already, so it is too late to refuse the others'."""
    exporter = Broken()
    sender = await started(exporter, None, LATE, within=0)

    caller = asyncio.ensure_future(sender.consume(make_spans(3)))
    await exporter.entered.wait()
    exporter.hangs = False
    caller.cancel()
    await asyncio.wait([caller])
    await sender.shutdown()

    assert not caller.cancelled()
    account = exporter.settings.account
    assert names(exporter) == spans(0, 1, 2)
    assert (account.offered, account.delivered) == (3, 3)


@pytest.mark.parametrize("steps", range(12))
async def test_cancelled_at_any_moment_nothing_is_half_taken(steps: int) -> None:
    """The batch belongs to the caller or to the exporter, also while pieces of it wait."""
    exporter = Pieces([TOOK, AWAY], [AWAY], [AWAY])
    queue = QueueConfig(wait_for_result=True)
    sender = await started(exporter, queue)

    ending = await cancel_after(steps, lambda: sender.consume(make_spans(2)))
    await sender.shutdown()

    account = exporter.settings.account
    if isinstance(ending, asyncio.CancelledError):
        assert account.offered == 0
    else:
        assert (account.offered, account.delivered + account.failed.total()) == (2, 2)
    assert account.problem() is None
