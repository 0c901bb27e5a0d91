"""Fan-out: isolation of branches, and the receipt."""

from __future__ import annotations

import asyncio

import pytest

from collector.component import Consumer
from collector.errors import ComponentError, ConsumeError, PermanentError, RetryableError
from collector.fanout import Branch, fan_out
from collector.guard import Guard
from collector.ledger import ExporterAccount, Reason
from collector.testing import Blocking, Failing, Sink, cancel_after, make_spans, settings


def branches(*consumers: Consumer) -> list[Branch]:
    return [Branch(consumer, ExporterAccount()) for consumer in consumers]


def lost(branch: Branch) -> dict[Reason, int]:
    assert isinstance(branch.account, ExporterAccount)
    return dict(branch.account.failed)


def test_one_branch_is_called_without_anything_between() -> None:
    """A pipeline with one exporter pays nothing for fan-out."""
    sink = Sink()

    assert fan_out(branches(sink)) is sink


async def test_every_branch_gets_the_same_batch() -> None:
    """Sharing a batch copies nothing."""
    one, two = Sink(), Sink()
    batch = make_spans(3)

    await fan_out(branches(one, two)).consume(batch)

    assert one.batches[0] is batch
    assert two.batches[0] is batch


async def test_a_branch_that_refuses_takes_nothing_from_its_sibling() -> None:
    """The batch counts as taken, and as lost where it was refused."""
    sink = Sink()
    both = branches(sink, Failing(RetryableError("full")))

    await fan_out(both).consume(make_spans(3))

    assert len(sink) == 3
    assert lost(both[0]) == {}
    assert lost(both[1]) == {Reason.QUEUE_FULL: 3}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RetryableError("full"), Reason.QUEUE_FULL),
        (PermanentError("never"), Reason.REFUSED),
        (ComponentError("a bug"), Reason.COMPONENT_ERROR),
    ],
)
async def test_the_loss_is_booked_with_its_reason(error: ConsumeError, reason: Reason) -> None:
    """What a branch raised says why its spans are lost."""
    both = branches(Failing(error), Sink())

    await fan_out(both).consume(make_spans(2))

    assert lost(both[0]) == {reason: 2}


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (RetryableError("a"), RetryableError("b"), RetryableError),
        (PermanentError("a"), RetryableError("b"), RetryableError),
        (PermanentError("a"), PermanentError("b"), PermanentError),
    ],
)
async def test_refuses_only_when_all_refuse(
    first: ConsumeError, second: ConsumeError, expected: type[ConsumeError]
) -> None:
    """The client sends again if one branch may take it later, and nothing is booked as lost."""
    both = branches(Failing(first), Failing(second))

    with pytest.raises(expected, match="a; b"):
        await fan_out(both).consume(make_spans(2))

    assert [lost(branch) for branch in both] == [{}, {}]


async def test_the_shortest_wait_is_passed_on() -> None:
    """A client may come back when the first branch expects room."""
    both = branches(Failing(RetryableError("a", retry_after=5)), Failing(RetryableError("b", retry_after=2)))

    with pytest.raises(RetryableError) as caught:
        await fan_out(both).consume(make_spans(1))

    assert caught.value.retry_after == 2


async def test_cancelled_before_anybody_took_it_leaves_nothing() -> None:
    """Nobody took the batch, so the caller keeps it."""
    one, two = Blocking(), Blocking()

    outcome = await cancel_after(3, lambda: fan_out(branches(one, two)).consume(make_spans(1)))

    assert isinstance(outcome, asyncio.CancelledError)
    assert (len(one), one.waiting, len(two), two.waiting) == (0, 0, 0, 0)


@pytest.mark.parametrize("steps", range(8))
async def test_cancelled_at_any_moment_nothing_is_half_taken(steps: int) -> None:
    """Either the caller hears of the cancellation and no branch has the batch, or it was taken and is accounted for."""
    sink, slow = Sink(), Blocking()
    both = branches(sink, slow)

    outcome = await cancel_after(steps, lambda: fan_out(both).consume(make_spans(4)))

    if outcome is None:
        assert len(sink) == 4
        assert lost(both[1]) == {Reason.QUEUE_FULL: 4}
    else:
        assert isinstance(outcome, asyncio.CancelledError)
        assert len(sink) == 0
        assert lost(both[1]) == {}
    assert slow.waiting == 0


async def test_an_exception_that_is_none_of_ours_costs_one_batch(caplog: pytest.LogCaptureFixture) -> None:
    """A bug in a component is logged once with its traceback, and refused for good."""
    guard = Guard(Failing(ZeroDivisionError("oh")), "processors::broken", settings().logger)

    for _ in range(3):
        with pytest.raises(ComponentError, match="processors::broken: ZeroDivisionError: oh"):
            await guard.consume(make_spans(1))

    [record] = caplog.records
    assert record.exc_info
    assert "a bug in processors::broken" in record.getMessage()
