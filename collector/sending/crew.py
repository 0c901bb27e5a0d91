"""Those who work on what a queue hands out: the consumers, each with one request at a time, and who gathers for them.

With other settings another crew takes over. The first one ends what it has begun, while the second works already.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine
from functools import partial
from typing import Any

from collector.sending.attempts import Attempts
from collector.sending.config import QueueConfig
from collector.sending.custody import Custody
from collector.sending.gathering import Gatherer, Gathering
from collector.sending.queue import SendingQueue, Shift
from collector.sending.request import Request

_LAST_MOMENT = 1.0
"""Seconds that attempts get to end once they are cancelled."""


Get = Callable[[], Awaitable[Request | None]]
"""Waits for a request. `None` when there will be none any more."""


class Crew:
    """Takes from a queue, and delivers. Works from its creation until the queue is closed or it is dismissed."""

    def __init__(self, queue: SendingQueue, attempts: Attempts, custody: Custody, config: QueueConfig) -> None:
        self._queue = queue
        self._attempts = attempts
        self._custody = custody
        self._shift = Shift()
        self._tasks: set[asyncio.Task[None]] = set()
        get: Get = partial(queue.get, self._shift)
        if batch := config.batch:
            gatherer = Gatherer(queue, self._shift, Gathering(batch, config.batch_sizer), custody.bundles)
            self._spawn(gatherer.run(config.num_consumers))
            get = gatherer.get
        for _ in range(config.num_consumers):
            self._spawn(self._consume(get))

    def dismiss(self) -> None:
        """Begin nothing more."""
        self._queue.end(self._shift)

    async def ended(self) -> None:
        """Wait until everybody has gone home."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def break_off(self) -> None:
        """Cancel what is under way, and begin nothing more."""
        self.dismiss()
        await cancel(self._tasks)

    async def _consume(self, get: Get) -> None:
        while (request := await get()) is not None:
            wait = await self._attempts.work(request)
            if wait is None:
                self._custody.settle(request)
            else:
                self._queue.park(request, wait)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def cancel(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel tasks, and give them a moment to end."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=_LAST_MOMENT)
