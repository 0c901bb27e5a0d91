"""A queue with two bounds: `queue_size` in units of its sizer, and bytes of memory.

A request counts against both until it is finished, through all its retries. It is in one of four states:

    fresh ──▶ begun ──▶ finished          fresh: waits for its first attempt, in the order of arrival
               │  ▲                       begun: a consumer has it
               ▼  │                       parked: waits for the time of its next attempt
              parked ─▶ due               due: that time has come; it goes before the fresh ones

Parked requests occupy no consumer. Everything but the waiting is synchronous, and whoever stops waiting leaves
nothing behind.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from collector.errors import PermanentError, RetryableError, TooLargeError
from collector.sending.config import QueueConfig, Sizer
from collector.sending.request import Request
from collector.spans import SpanBatch


class SendingQueue:
    """Holds requests. `admits`, given the number begun, says whether a fresh one may be taken now."""

    def __init__(self, config: QueueConfig, admits: Callable[[int], bool] = lambda begun: True) -> None:
        self._config = config
        self._admits = admits
        self._fresh: deque[Request] = deque()
        self._due: deque[Request] = deque()
        self._parked: set[Request] = set()
        self._held: set[Request] = set()
        self._getters: deque[asyncio.Future[None]] = deque()
        self._putters: deque[tuple[Request, asyncio.Future[None]]] = deque()
        self._closed = False
        self.size = 0
        """What is held, in units of the sizer."""
        self.pinned = 0
        """What is held, in bytes of memory."""

    @property
    def capacity(self) -> int:
        """The most it holds, in units of the sizer."""
        return self._config.queue_size

    @property
    def held(self) -> frozenset[Request]:
        """All requests that are not finished."""
        return frozenset(self._held)

    def request(self, batch: SpanBatch) -> Request:
        """Make the request for a batch. Raises `PermanentError` for one that would never fit."""
        match self._config.sizer:
            case Sizer.REQUESTS:
                units = 1
            case Sizer.ITEMS:
                units = len(batch)
            case Sizer.BYTES:
                units = batch.size
        if units > self.capacity:
            what = "spans" if self._config.sizer is Sizer.ITEMS else "bytes"
            raise TooLargeError(
                f"a batch of {units} {what} is larger than the sending queue's queue_size {self.capacity}"
            )
        request = Request(batch, units)
        bound = self._config.max_bytes
        if bound and request.pinned > bound:
            # Not a TooLargeError: half of a batch may keep all of its memory alive.
            raise PermanentError(
                f"a batch of {request.pinned} bytes is larger than the sending queue's max_bytes {bound}"
            )
        return request

    async def put(self, request: Request) -> None:
        """Append a request. Raises `RetryableError` when the queue is full, or waits with `block_on_overflow`."""
        if self._closed:
            raise RetryableError("the exporter is shutting down")
        if self._putters or not self._fits(request):
            if not self._config.block_on_overflow:
                raise RetryableError("sending queue is full")
            await self._room(request)
        self.size += request.units
        self.pinned += request.pinned
        self._held.add(request)
        self._fresh.append(request)
        self._wake()

    async def get(self) -> Request | None:
        """Wait for a request whose turn it is. `None` when the queue is closed and nothing is left to begin."""
        while True:
            if self._due:
                return self._due.popleft()
            if self._fresh and (self._closed or self._admits(self.begun)):
                return self._fresh.popleft()
            if self._closed:
                return None
            getter = asyncio.get_running_loop().create_future()
            self._getters.append(getter)
            try:
                await getter
            finally:
                if getter in self._getters:
                    self._getters.remove(getter)

    def park(self, request: Request, wait: float) -> None:
        """Put aside a request that was begun until `wait` seconds have passed."""
        self._parked.add(request)
        request.retry = asyncio.get_running_loop().call_later(wait, self._unpark, request)

    def withdraw(self, request: Request) -> bool:
        """Take back a request that no consumer has. False if one has it, or had it to the end."""
        if request in self._parked:
            self._parked.discard(request)
            self._cancel_wait(request)
        elif request in self._due:
            self._due.remove(request)
        elif request in self._fresh:
            self._fresh.remove(request)
        else:
            return False
        self.finish(request)
        return True

    def finish(self, request: Request) -> None:
        """Forget a request and give its room to those who wait."""
        if request not in self._held:
            return
        self._held.discard(request)
        self.size -= request.units
        self.pinned -= request.pinned
        self._admit_next()

    def wake(self) -> None:
        """Let idle consumers look again whether something may be taken."""
        for _ in range(min(len(self._getters), len(self._fresh) + len(self._due))):
            self._wake()

    def close(self) -> None:
        """Refuse from now on, and make everything that is held due at once."""
        self._closed = True
        for request in list(self._parked):
            self._unpark(request)
        for _, putter in self._putters:
            if not putter.done():
                putter.set_result(None)
        while self._getters:
            self._wake()

    @property
    def begun(self) -> int:
        """Requests that were taken at least once and are not finished."""
        return len(self._held) - len(self._fresh)

    def _fits(self, request: Request) -> bool:
        config = self._config
        return self.size + request.units <= config.queue_size and (
            not config.max_bytes or self.pinned + request.pinned <= config.max_bytes
        )

    async def _room(self, request: Request) -> None:
        """Wait in line until the request fits. Nobody overtakes, since a line lets nobody in without waiting."""
        putter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        place = (request, putter)
        self._putters.append(place)
        try:
            await putter
            if self._closed:
                raise RetryableError("the exporter is shutting down")
        except BaseException:
            self._putters.remove(place)
            self._admit_next()
            raise
        self._putters.popleft()
        # The next in line may fit as well, beside this request, which is put at once.
        asyncio.get_running_loop().call_soon(self._admit_next)

    def _admit_next(self) -> None:
        if self._putters:
            request, putter = self._putters[0]
            if self._fits(request) and not putter.done():
                putter.set_result(None)

    def _unpark(self, request: Request) -> None:
        self._parked.discard(request)
        self._cancel_wait(request)
        self._due.append(request)
        self._wake()

    @staticmethod
    def _cancel_wait(request: Request) -> None:
        if request.retry is not None:
            request.retry.cancel()
            request.retry = None

    def _wake(self) -> None:
        while self._getters:
            getter = self._getters.popleft()
            if not getter.done():
                getter.set_result(None)
                return
