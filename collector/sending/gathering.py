"""Requests that are sent together: batching behind the queue, where a crash takes nothing.

A bundle is complete when it has `min_size`, or when its first request has waited for `flush_timeout`. A request goes
into one bundle, and is finished when that is: the parts of one that is larger than `max_size` stay together.

`Gathering` decides and is told the time, `Gatherer` does the waiting.
"""

from __future__ import annotations

import asyncio

from collector.sending.config import QueueBatchConfig, Sizer
from collector.sending.queue import SendingQueue, Shift
from collector.sending.request import Request
from collector.spans import SpanBatch

_LARGEST = 3584 * 1024
"""Bytes. Gathering makes no batch larger than this, so that it fits the 4 MiB that a gRPC server takes."""


class Gathering:
    """One bundle in the making."""

    def __init__(self, config: QueueBatchConfig, sizer: Sizer) -> None:
        self._config = config
        self._sizer = sizer
        self._requests: list[Request] = []
        self._size = 0
        self._bytes = 0
        self._began_at = 0.0

    @property
    def due_at(self) -> float | None:
        """When the bundle has to go, if there is one."""
        return self._began_at + self._config.flush_timeout if self._requests else None

    def add(self, request: Request, now: float) -> list[Request]:
        """Take a request, and give what is complete with it."""
        batch = request.parts[0]
        size, complete = self._measure(batch), []
        most = self._config.max_size
        if self._requests and ((most and self._size + size > most) or self._bytes + batch.size > _LARGEST):
            complete += self.flush()
        if not self._requests:
            self._began_at = now
        self._requests.append(request)
        self._size += size
        self._bytes += batch.size
        if self._size >= self._config.min_size:
            complete += self.flush()
        return complete

    def flush(self) -> list[Request]:
        """Give what there is, whether it is complete or not: one bundle, or none."""
        requests, size = self._requests, self._size
        self._requests, self._size, self._bytes = [], 0, 0
        if not requests:
            return []
        most = self._config.max_size
        if len(requests) == 1 and not (most and size > most):
            return requests
        batch = SpanBatch.join([request.parts[0] for request in requests]).merged()
        parts = [batch]
        if most and size > most:
            parts = batch.split(max_spans=most) if self._sizer is Sizer.ITEMS else batch.split(max_bytes=most)
        return [Request.bundle(requests, parts)]

    def _measure(self, batch: SpanBatch) -> int:
        return len(batch) if self._sizer is Sizer.ITEMS else batch.size


class Gatherer:
    """Stands between a queue and its consumers, and hands them bundles.

    What was sent before, and waited for another attempt, goes as it is. `bundles` gets those that are under way.
    """

    def __init__(self, queue: SendingQueue, shift: Shift, gathering: Gathering, bundles: set[Request]) -> None:
        self._queue = queue
        self._shift = shift
        self._gathering = gathering
        self._bundles = bundles
        # Of what waits for a consumer, the less the better: it is in memory, and what is in the queue may be on disk.
        self._complete: asyncio.Queue[Request | None] = asyncio.Queue(1)

    async def get(self) -> Request | None:
        """Wait for a bundle. `None` when there will be none any more."""
        return await self._complete.get()

    async def run(self, consumers: int) -> None:
        """Gather until the queue is closed and empty or the shift is over, then send the consumers home."""
        loop = asyncio.get_running_loop()
        getting: asyncio.Task[Request | None] | None = None
        try:
            while True:
                getting = getting or loop.create_task(self._queue.get(self._shift))
                due_at = self._gathering.due_at
                # A cancelled `get` might drop what it has just got.
                await asyncio.wait([getting], timeout=None if due_at is None else max(0.0, due_at - loop.time()))
                if not getting.done():
                    await self._hand_over(self._gathering.flush())
                    continue
                request, getting = getting.result(), None
                if request is None:
                    break
                is_fresh = request.began_at is None and not request.sources and request.parts
                await self._hand_over(self._gathering.add(request, loop.time()) if is_fresh else [request])
            if self._shift.is_over or not self._queue.is_durable:
                await self._hand_over(self._gathering.flush())
        finally:
            if getting:
                getting.cancel()
        for _ in range(consumers):
            await self._complete.put(None)

    async def _hand_over(self, requests: list[Request]) -> None:
        for request in requests:
            if request.sources:
                self._bundles.add(request)
            await self._complete.put(request)
