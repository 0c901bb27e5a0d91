"""The bounds of the queue, and who may go first."""

import asyncio

import pytest

from collector.errors import PermanentError, RetryableError, TooLargeError
from collector.sending.config import QueueConfig, Sizer
from collector.sending.queue import SendingQueue
from collector.sending.request import Request
from collector.testing import make_spans


async def filled(queue: SendingQueue, *spans: int) -> list[Request]:
    requests = [queue.request(make_spans(n)) for n in spans]
    for request in requests:
        await queue.put(request)
    return requests


@pytest.mark.parametrize("sizer", list(Sizer))
async def test_counts_in_units_of_its_sizer(sizer: Sizer) -> None:
    """Two batches are 2 requests, 5 spans, or their bytes."""
    batches = [make_spans(2), make_spans(3)]
    queue = SendingQueue(QueueConfig(sizer=sizer, queue_size=10_000))

    for batch in batches:
        await queue.put(queue.request(batch))

    sizes = {Sizer.REQUESTS: 2, Sizer.ITEMS: 5, Sizer.BYTES: sum(batch.size for batch in batches)}
    assert queue.size == sizes[sizer]
    assert queue.pinned == sum(batch.pinned for batch in batches)


async def test_an_element_counts_until_it_is_finished() -> None:
    """Being taken by a consumer makes no room, being finished does."""
    queue = SendingQueue(QueueConfig(queue_size=1))
    [request] = await filled(queue, 1)
    assert await queue.get() is request

    with pytest.raises(RetryableError, match="sending queue is full"):
        await filled(queue, 1)
    queue.finish(request)

    await filled(queue, 1)


async def test_memory_is_a_bound_of_its_own() -> None:
    """`max_bytes` holds whatever the sizer says."""
    batch = make_spans(10)
    queue = SendingQueue(QueueConfig(max_bytes=int(batch.pinned * 1.5)))
    await queue.put(queue.request(batch))

    with pytest.raises(RetryableError, match="sending queue is full"):
        await queue.put(queue.request(batch))


async def test_what_never_fits_is_refused_for_good() -> None:
    """A batch larger than the queue could wait for ever. Half of it may fit, by spans."""
    with pytest.raises(TooLargeError, match="a batch of 3 spans is larger than the sending queue's queue_size 2"):
        SendingQueue(QueueConfig(sizer=Sizer.ITEMS, queue_size=2)).request(make_spans(3))
    with pytest.raises(PermanentError, match="larger than the sending queue's max_bytes 10"):
        SendingQueue(QueueConfig(max_bytes=10)).request(make_spans(1))


async def test_waiting_for_room_is_in_order() -> None:
    """Who came first gets in first, even if a later and smaller one would fit."""
    queue = SendingQueue(QueueConfig(sizer=Sizer.ITEMS, queue_size=4, block_on_overflow=True))
    [first] = await filled(queue, 3)
    entered: list[int] = []

    async def put(n: int) -> None:
        await queue.put(queue.request(make_spans(n)))
        entered.append(n)

    puts = [asyncio.ensure_future(put(n)) for n in (2, 1)]
    await asyncio.sleep(0)
    assert entered == []
    queue.finish(first)
    await asyncio.gather(*puts)

    assert entered == [2, 1]
    assert queue.size == 3


async def test_who_stops_waiting_lets_the_next_in() -> None:
    """A cancelled wait leaves nothing in the queue and nobody stuck."""
    queue = SendingQueue(QueueConfig(sizer=Sizer.ITEMS, queue_size=4, block_on_overflow=True))
    await filled(queue, 3)
    large, small = (asyncio.ensure_future(queue.put(queue.request(make_spans(n)))) for n in (2, 1))
    await asyncio.sleep(0)

    large.cancel()
    await small

    assert queue.size == 4
    assert large.cancelled()


async def test_a_parked_request_comes_before_fresh_ones() -> None:
    """It is older."""
    queue = SendingQueue(QueueConfig())
    first, second, third = await filled(queue, 1, 1, 1)
    assert await queue.get() is first

    queue.park(first, 0.0)
    assert await queue.get() is second
    await asyncio.sleep(0.001)

    assert await queue.get() is first
    assert await queue.get() is third


async def test_what_is_not_admitted_waits() -> None:
    """A consumer gets nothing fresh until it is admitted and woken."""
    open_ = False
    queue = SendingQueue(QueueConfig(), admits=lambda begun: open_)
    [request] = await filled(queue, 1)
    getter = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    assert not getter.done()

    open_ = True
    queue.wake()

    assert await getter is request


async def test_a_closed_queue_gives_what_is_left_and_then_nothing() -> None:
    """Parked ones are due at once, waiting callers are refused, idle consumers go home."""
    queue = SendingQueue(QueueConfig(queue_size=2, block_on_overflow=True))
    first, second = await filled(queue, 1, 1)
    assert await queue.get() is first
    queue.park(first, 3600)
    waiting = asyncio.ensure_future(filled(queue, 1))
    await asyncio.sleep(0)

    queue.close()

    assert [await queue.get(), await queue.get(), await queue.get()] == [first, second, None]
    with pytest.raises(RetryableError, match="shutting down"):
        await waiting
    with pytest.raises(RetryableError, match="shutting down"):
        await filled(queue, 1)


async def test_withdraws_what_no_consumer_has() -> None:
    """Fresh and parked requests can be taken back, begun ones cannot."""
    queue = SendingQueue(QueueConfig())
    fresh, begun = await filled(queue, 1, 1)

    assert queue.withdraw(fresh)
    assert await queue.get() is begun
    assert not queue.withdraw(begun)
    queue.park(begun, 3600)
    assert queue.withdraw(begun)

    assert (queue.size, queue.pinned, queue.held) == (0, 0, frozenset())
