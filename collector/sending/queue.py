"""The order in which requests are sent, and who waits for whom.

A request counts against the bounds of its store until it is finished, through all its retries. It is in one of four
states:

    fresh ──▶ begun ──▶ finished          fresh: waits for its first attempt, in the order of arrival
               │  ▲                       begun: a consumer has it
               ▼  │                       parked: waits for the time of its next attempt
              parked ─▶ due               due: that time has come; it goes before the fresh ones

Parked requests occupy no consumer. Whoever stops waiting leaves nothing behind.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

from collector.errors import RetryableError
from collector.sending.config import QueueConfig
from collector.sending.request import Request
from collector.sending.store import Store, WaitingStore, check_units
from collector.spans import SpanBatch

STOPPING = "the exporter is shutting down"


class Shift:
    """Those who work on a queue together: see `crew.py`."""

    def __init__(self) -> None:
        self.is_over = False


class SendingQueue:
    """Hands out what its store holds. `admits`, given the number begun, says whether a fresh one may be taken now."""

    def __init__(
        self, config: QueueConfig, admits: Callable[[int], bool] = lambda begun: True, store: Store | None = None
    ) -> None:
        self._config = config
        self._admits = admits
        self._store: Store = store or WaitingStore(config)
        self._due: deque[Request] = deque()
        self._parked: set[Request] = set()
        self._getters: deque[asyncio.Future[None]] = deque()
        self._putters: deque[tuple[Request, asyncio.Future[None]]] = deque()
        self._closed = False

    @property
    def size(self) -> int:
        """What is held, in units of the sizer."""
        return self._store.size

    @property
    def pinned(self) -> int:
        """What is held, in bytes of memory."""
        return self._store.pinned

    @property
    def capacity(self) -> int:
        """The most it holds, in units of the sizer."""
        return self._config.queue_size

    @property
    def held(self) -> frozenset[Request]:
        """The requests of this process that are not finished."""
        return self._store.held

    @property
    def is_durable(self) -> bool:
        """Whether what is held survives the process."""
        return self._store.is_durable

    def request(self, batch: SpanBatch) -> Request:
        """Make the request for a batch. Raises `PermanentError` for one that would never fit."""
        request = Request(batch, check_units(self._config, batch))
        self._store.check(request)
        return request

    async def put(self, request: Request) -> None:
        """Append a request. Raises `RetryableError` when the queue is full, or waits with `block_on_overflow`."""
        if self._closed:
            raise RetryableError(STOPPING)
        if self._config.block_on_overflow and (self._putters or self._store.obstacle(request) is not None):
            await self._room(request)
        await self._store.append(request)
        self._wake()

    async def get(self, shift: Shift | None = None) -> Request | None:
        """Wait for a request whose turn it is.

        `None` when the queue is closed and nothing is left to begin, or when the shift is over.
        """
        while True:
            if shift and shift.is_over:
                # Perhaps it was woken for a request that somebody else takes now.
                self._wake()
                return None
            if self._due:
                return self._due.popleft()
            if self._store.fresh and self._may_begin():
                if (request := await self._store.begin()) is not None:
                    if self._store.fresh:
                        self._wake()
                    return request
                continue
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
        """Put aside a request that was begun until `wait` seconds have passed.

        What is durable stays where it is when the queue is closed.
        """
        if self._closed and self.is_durable:
            return
        self._parked.add(request)
        request.retry = asyncio.get_running_loop().call_later(wait, self._unpark, request)

    def withdraw(self, request: Request) -> bool:
        """Take back a request that no consumer has. False if one has it, or had it to the end."""
        if request in self._parked:
            self._parked.discard(request)
            self._cancel_wait(request)
        elif request in self._due:
            self._due.remove(request)
        elif not request.is_fresh:
            return False
        self.finish(request)
        return True

    def finish(self, request: Request) -> None:
        """Forget a request and give its room to those who wait."""
        self._store.remove(request)
        self._admit_next()

    def wake(self) -> None:
        """Let idle consumers look again whether something may be taken, and who waits whether there is room."""
        for _ in range(min(len(self._getters), self._store.fresh + len(self._due))):
            self._wake()
        self._admit_next()

    def end(self, shift: Shift) -> None:
        """Send home those who `get` for a shift."""
        shift.is_over = True
        self._wake_all()

    def change(self, config: QueueConfig) -> None:
        """Go on with other settings, of the same kind of store."""
        self._config = config
        self._store.change(config)
        self.wake()

    def close(self) -> None:
        """Refuse from now on, and make everything that is held due at once, or leave it where it is durable."""
        self._closed = True
        for request in list(self._parked):
            if self.is_durable:
                self._parked.discard(request)
                self._cancel_wait(request)
            else:
                self._unpark(request)
        for _, putter in self._putters:
            if not putter.done():
                putter.set_result(None)
        self._wake_all()

    async def take_rest(self) -> AsyncIterator[Request]:
        """Give everything that nobody works on. What is not finished then counts as held."""
        for request in list(self._parked):
            self._unpark(request)
        while self._due:
            yield self._due.popleft()
        while self._store.fresh:
            fresh = await self._store.begin()
            if fresh is not None:
                yield fresh

    @property
    def begun(self) -> int:
        """Requests that were taken at least once and are not finished."""
        return self._store.begun

    def _may_begin(self) -> bool:
        if self._closed:
            # What is held in memory gets one attempt before it is lost.
            return not self.is_durable
        return self._admits(self.begun)

    async def _room(self, request: Request) -> None:
        """Wait in line until the request fits. Nobody overtakes, since a line lets nobody in without waiting."""
        putter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        place = (request, putter)
        self._putters.append(place)
        try:
            await putter
            if self._closed:
                raise RetryableError(STOPPING)
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
            if self._store.obstacle(request) is None and not putter.done():
                putter.set_result(None)

    def _unpark(self, request: Request) -> None:
        self._parked.discard(request)
        self._cancel_wait(request)
        self._due.append(request)
        self._wake()

    def _wake_all(self) -> None:
        while self._getters:
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
