"""Where the requests of a queue are until they are finished: in memory (`memory.py`), or on disk (`disk.py`).

Where somebody waits for the result of each request, they stay as they are, in a `WaitingStore`.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from collector.errors import PermanentError, RetryableError, TooLargeError
from collector.sending.config import QueueConfig, Sizer
from collector.sending.request import Request
from collector.spans import SpanBatch


class Store(Protocol):
    """Holds requests: fresh ones in the order of arrival, and those that were begun."""

    @property
    def is_durable(self) -> bool:
        """Whether requests survive the process."""

    @property
    def size(self) -> int:
        """What is held, in units of the sizer."""

    @property
    def pinned(self) -> int:
        """What is held, in bytes of memory."""

    @property
    def fresh(self) -> int:
        """Requests that were never begun."""

    @property
    def begun(self) -> int:
        """Requests that were begun and are not finished."""

    @property
    def held(self) -> frozenset[Request]:
        """The requests of this process that are not finished."""

    def change(self, config: QueueConfig) -> None:
        """Go on with other settings. What is held stays."""

    def check(self, request: Request) -> None:
        """Raise `PermanentError` for a request that would never fit."""

    def obstacle(self, request: Request) -> str | None:
        """Say why there is no room for a request now."""

    async def append(self, request: Request) -> None:
        """Take a request. Raises `RetryableError` where there is no room for it."""

    async def begin(self) -> Request | None:
        """Give the oldest fresh request. `None` if there turns out to be none."""

    def remove(self, request: Request) -> None:
        """Forget a request, which was begun or not."""


def units(config: QueueConfig, spans: int, size: int, requests: int = 1) -> int:
    """Say what batches count against `queue_size`."""
    match config.sizer:
        case Sizer.REQUESTS:
            return requests
        case Sizer.ITEMS:
            return spans
        case Sizer.BYTES:
            return size


def check_units(config: QueueConfig, batch: SpanBatch) -> int:
    """Say what a batch counts against `queue_size`. Raises `TooLargeError` if that is more than all of it."""
    count = units(config, len(batch), batch.size)
    if count > config.queue_size:
        what = "spans" if config.sizer is Sizer.ITEMS else "bytes"
        raise TooLargeError(
            f"a batch of {count} {what} is larger than the sending queue's queue_size {config.queue_size}"
        )
    return count


def check_pinned(config: QueueConfig, request: Request) -> None:
    """Raise `PermanentError` for a request that keeps more memory alive than a queue in memory may."""
    bound = config.max_bytes
    if bound and request.pinned > bound:
        # Not a TooLargeError: half of a batch may keep all of its memory alive.
        raise PermanentError(f"a batch of {request.pinned} bytes is larger than the sending queue's max_bytes {bound}")


class WaitingStore:
    """Holds requests in memory, within `queue_size` and `max_bytes`."""

    is_durable = False

    def __init__(self, config: QueueConfig) -> None:
        self._config = config
        self._fresh: deque[Request] = deque()
        self._held: set[Request] = set()
        self.size = 0
        self.pinned = 0

    @property
    def fresh(self) -> int:
        """Requests that were never begun."""
        return len(self._fresh)

    @property
    def begun(self) -> int:
        """Requests that were begun and are not finished."""
        return len(self._held) - len(self._fresh)

    @property
    def held(self) -> frozenset[Request]:
        """All requests that are not finished."""
        return frozenset(self._held)

    def change(self, config: QueueConfig) -> None:
        """Go on with other settings. What is held stays, and counts in their units."""
        self._config = config
        for request in self._held:
            request.units = units(config, request.spans, sum(part.size for part in request.parts))
        self.size = sum(request.units for request in self._held)

    def check(self, request: Request) -> None:
        """Raise `PermanentError` for a request that would never fit."""
        check_pinned(self._config, request)

    def obstacle(self, request: Request) -> str | None:
        """Say why there is no room for a request now."""
        config = self._config
        if self.size + request.units > config.queue_size:
            return "sending queue is full"
        if config.max_bytes and self.pinned + request.pinned > config.max_bytes:
            return "sending queue is full"
        return None

    async def append(self, request: Request) -> None:
        """Take a request. Raises `RetryableError`. Waits for nothing."""
        if (obstacle := self.obstacle(request)) is not None:
            raise RetryableError(obstacle)
        self.size += request.units
        self.pinned += request.pinned
        request.is_fresh = True
        self._held.add(request)
        self._fresh.append(request)

    async def begin(self) -> Request | None:
        """Give the oldest fresh request. Waits for nothing."""
        request = self._fresh.popleft()
        request.is_fresh = False
        return request

    def remove(self, request: Request) -> None:
        """Forget a request, which was begun or not."""
        if request not in self._held:
            return
        self._held.discard(request)
        if request.is_fresh:
            request.is_fresh = False
            self._fresh.remove(request)
        self.size -= request.units
        self.pinned -= request.pinned
