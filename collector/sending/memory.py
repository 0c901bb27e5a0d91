"""A queue's requests in memory, in the kernel: where a server may put them without waking Python.

Only those that were begun are requests here. What waits behind them is a batch in the kernel's queue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from collector._kernel import Bell, Queue, QueueItem, StageCounts
from collector.errors import PermanentError, RetryableError
from collector.ledger import ExporterAccount
from collector.sending.config import QueueConfig, Sizer
from collector.sending.request import Request
from collector.sending.store import UNBOUNDED, most, together, units


class MemoryStore:
    """Holds requests in memory, within `queue_size` and `max_bytes`.

    `heard` is called when there may be something to begin.
    """

    is_durable = False

    def __init__(self, config: QueueConfig, account: ExporterAccount, heard: Callable[[], None]) -> None:
        self._config = config
        self._account = account
        self._heard = heard
        self._bell = Bell()
        self._listening = False
        bounds = most(config)
        self._queue = Queue(
            self._bell,
            max_requests=bounds[Sizer.REQUESTS],
            max_spans=bounds[Sizer.ITEMS],
            max_size=bounds[Sizer.BYTES],
            max_pinned=config.max_bytes or UNBOUNDED,
        )
        self._together = together(config)
        self._begun: set[Request] = set()
        account.held = lambda: self._queue.spans

    def open(self) -> None:
        """Listen for what the kernel puts in by itself."""
        asyncio.get_running_loop().add_reader(self._bell.fileno(), self._hear)
        self._listening = True

    def close(self) -> None:
        """Listen no more."""
        if self._listening:
            asyncio.get_running_loop().remove_reader(self._bell.fileno())
            self._listening = False

    def part(self) -> Queue:
        """Give what ends a plan."""
        return self._queue

    def book(self, counts: StageCounts) -> None:
        """Count what the kernel has put in by itself, or had no room for."""
        self._account.offered += counts.taken
        self._account.refused += counts.refused

    @property
    def size(self) -> int:
        """What is held, in units of the sizer."""
        return units(self._config, self._queue.spans, self._queue.size, self._queue.requests)

    @property
    def pinned(self) -> int:
        """What is held, in bytes of memory."""
        return self._queue.pinned

    @property
    def fresh(self) -> int:
        """Requests that were never begun."""
        return self._queue.ready

    @property
    def begun(self) -> int:
        """Requests that were begun and are not finished."""
        return self._queue.requests - self._queue.ready

    @property
    def held(self) -> frozenset[Request]:
        """All requests that are not finished. Those that were never begun are from now on."""
        while (item := self._queue.take(0, 0, all=False)) is not None:
            self._request(item)
        return frozenset(self._begun)

    def check(self, request: Request) -> None:
        """Raise `PermanentError` for a request that would never fit."""
        bound = self._config.max_bytes
        if bound and request.pinned > bound:
            # Not a TooLargeError: half of a batch may keep all of its memory alive.
            raise PermanentError(
                f"a batch of {request.pinned} bytes is larger than the sending queue's max_bytes {bound}"
            )

    def obstacle(self, request: Request) -> str | None:
        """Say why there is no room for a request now."""
        return self._queue.obstacle(request.parts[0])

    async def append(self, request: Request) -> None:
        """Take a request. Raises `RetryableError`. Waits for nothing."""
        if (refusal := self._queue.offer(request.parts[0])) is not None:
            raise RetryableError(refusal)
        self._account.offered += request.spans

    async def begin(self) -> Request | None:
        """Give the oldest fresh requests as one, as far as they are gathered anyway. Waits for nothing."""
        item = self._queue.take(self._together.spans, self._together.bytes, self._together.all)
        return self._request(item) if item else None

    def remove(self, request: Request) -> None:
        """Forget a request that was begun."""
        if request in self._begun and isinstance(request.entry, QueueItem):
            self._begun.discard(request)
            self._queue.finish(request.entry)

    def _request(self, item: QueueItem) -> Request:
        batch = item.batch
        request = Request(batch, units(self._config, len(batch), batch.size, item.requests))
        request.entry = item
        request.offered = True
        self._begun.add(request)
        return request

    def _hear(self) -> None:
        self._bell.clear()
        self._heard()
