"""A queue's requests in memory, in the kernel: see `kernel_store.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from collector._kernel import Bell, Queue, QueueItem
from collector.errors import RetryableError
from collector.ledger import ExporterAccount
from collector.sending.config import QueueConfig, Sizer
from collector.sending.kernel_store import UNBOUNDED, KernelStore, most
from collector.sending.request import Request
from collector.sending.store import check_pinned


class MemoryStore(KernelStore[QueueItem]):
    """Holds requests in memory, within `queue_size` and `max_bytes`."""

    is_durable = False

    def __init__(self, config: QueueConfig, account: ExporterAccount, heard: Callable[[], None]) -> None:
        self._bell = Bell()
        bounds = most(config)
        self._memory = Queue(
            self._bell,
            max_requests=bounds[Sizer.REQUESTS],
            max_spans=bounds[Sizer.ITEMS],
            max_size=bounds[Sizer.BYTES],
            max_pinned=config.max_bytes or UNBOUNDED,
        )
        super().__init__(config, account, heard, self._memory)

    def open(self) -> None:
        """Listen for what the kernel puts in by itself."""
        asyncio.get_running_loop().add_reader(self._bell.fileno(), self._hear)

    def close(self) -> None:
        """Listen no more."""
        asyncio.get_running_loop().remove_reader(self._bell.fileno())

    def _limit(self, bounds: Mapping[Sizer, int]) -> None:
        self._memory.limit(
            max_requests=bounds[Sizer.REQUESTS],
            max_spans=bounds[Sizer.ITEMS],
            max_size=bounds[Sizer.BYTES],
            max_pinned=self._config.max_bytes or UNBOUNDED,
        )

    def part(self) -> Queue:
        """Give what ends a plan."""
        return self._memory

    @property
    def pinned(self) -> int:
        """What is held, in bytes of memory."""
        return self._memory.pinned

    @property
    def held(self) -> frozenset[Request]:
        """All requests that are not finished. Those that were never begun are from now on."""
        while (item := self._memory.take(0, 0, all=False)) is not None:
            self._request(item.batch, item)
        return frozenset(self._begun)

    def check(self, request: Request) -> None:
        """Raise `PermanentError` for a request that would never fit."""
        check_pinned(self._config, request)

    async def append(self, request: Request) -> None:
        """Take a request. Raises `RetryableError`. Waits for nothing."""
        if (refusal := self._memory.offer(request.parts[0])) is not None:
            raise RetryableError(refusal)
        self._account.offered += request.spans

    async def begin(self) -> Request | None:
        """Give the oldest fresh requests as one, as far as they are sent together. Waits for nothing."""
        item = self._take()
        return self._request(item.batch, item) if item else None

    def _hear(self) -> None:
        self._bell.clear()
        self._heard()
