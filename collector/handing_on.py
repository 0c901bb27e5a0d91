"""Handing batches on from a processor that holds spans: nobody waits for its answer any more, so it does not let go.

Batches go one at a time and in order. What the next stage refuses for now is kept and offered again; what it will never
take is booked as lost, with a reason. A batch that is too large for it is halved, down to a single span.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Protocol

from collector.component import Consumer
from collector.errors import ConsumeError, RetryableError, TooLargeError
from collector.ledger import ProcessorAccount, Reason, reason_for
from collector.set_aside import set_aside
from collector.spans import SpanBatch
from collector.telemetry.occasional import Occasional

_FIRST_WAIT, _LONGEST_WAIT = 0.05, 1.0
"""Seconds between offers of a batch that the next stage refuses. Refusing costs it next to nothing."""

_LAST_MOMENT = 1.0
"""Seconds that the next stage gets to end an offer that is cancelled."""


class Holder(Protocol):
    """Who holds spans before they are handed on."""

    next: Consumer
    """The next stage, which may change at a reload."""


def _nobody_hears(batch: SpanBatch) -> None:
    pass


class HandOn:
    """Batches on their way from a holder to the next stage."""

    def __init__(
        self,
        holder: Holder,
        account: ProcessorAccount,
        logger: logging.Logger,
        *,
        leaving: Callable[[int], None],
        passed: Callable[[SpanBatch], None] = _nobody_hears,
    ) -> None:
        """`leaving` is told how many bytes of memory count more, or less, as held here; `passed` what was taken."""
        self._holder = holder
        self._account = account
        self._logger = logger
        self._leaving = leaving
        self._passed = passed
        self._batches: deque[SpanBatch] = deque()
        """The first one stays until the next stage has it."""
        self.spans = 0
        self._offering = False
        """Whether the next stage has been asked to take the first of them."""
        self._wake = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None
        self._closing = False
        self._stopping = False
        self._losses = Occasional()
        self._delays = Occasional()

    def start(self) -> None:
        """Begin to hand on."""
        self._worker = asyncio.get_running_loop().create_task(self._hand_on())

    def put(self, batch: SpanBatch) -> None:
        """Hand a batch on behind those that are here. Its bytes are counted by the holder already."""
        self._batches.append(batch)
        self.spans += len(batch)
        self._wake.set()

    def take_back(self) -> list[SpanBatch]:
        """Give the batches back that nobody has been asked to take. Their spans come off the account."""
        batches = list(self._batches)[1 if self._offering else 0 :]
        for batch in batches:
            self._batches.pop()
            self.spans -= len(batch)
            self._leaving(-batch.pinned)
            self._account.taken -= len(batch)
        return batches

    async def finish(self) -> None:
        """Hand on all that is here. When this is cancelled, what is left is booked as lost."""
        self._closing = True
        self._wake.set()
        try:
            if self._worker:
                await asyncio.wait([self._worker])
        finally:
            await self.give_up()

    async def give_up(self) -> None:
        """Hand nothing more on, and book what is left as lost."""
        try:
            await self._stop()
        finally:
            while self._batches:
                self._lose(self._batches[0], Reason.SHUTDOWN, "the collector stopped")

    async def _stop(self) -> None:
        if self._worker and not self._worker.done():
            # Who is cancelled in the middle of taking a batch may have it all the same: then there is no next one.
            self._stopping = True
            self._worker.cancel()
            await asyncio.wait([self._worker], timeout=_LAST_MOMENT)

    async def _hand_on(self) -> None:
        """Offer the first batch to the next stage until it has it, then the second, to the end."""
        wait = _FIRST_WAIT
        while not self._stopping and (self._batches or not self._closing):
            if not self._batches:
                self._wake.clear()
                await self._wake.wait()
                continue
            batch = self._batches[0]
            try:
                await self._offer(batch)
            except RetryableError as error:
                if (note := self._delays.note()) is not None:
                    self._logger.warning(f"the next stage refuses, the batch is kept: {error}{note}")
                await asyncio.sleep(max(wait, error.retry_after or 0.0))
                wait = min(wait * 2, _LONGEST_WAIT)
            except TooLargeError as error:
                self._halve(batch, error)
            except ConsumeError as error:
                self._lose(batch, reason_for(error), str(error))
            except Exception as error:
                self._logger.exception("a bug in the next stage")
                self._lose(batch, Reason.COMPONENT_ERROR, f"{type(error).__name__}: {error}")
            else:
                wait = _FIRST_WAIT
                self._remove(batch)
                self._account.passed_on += len(batch)
                self._passed(batch)

    async def _offer(self, batch: SpanBatch) -> None:
        self._offering = True
        try:
            await self._holder.next.consume(batch)
        finally:
            self._offering = False

    def _halve(self, batch: SpanBatch, error: TooLargeError) -> None:
        """Put two halves in the place of a batch that is too large, or set a single span aside."""
        if len(batch) == 1:
            span = set_aside(batch, str(error))
            self._account.set_aside.append(span)
            self._lose(batch, Reason.TOO_LARGE, str(span))
            return
        halves = batch.split(max_spans=(len(batch) + 1) // 2)
        self._remove(batch)
        for half in reversed(halves):
            self._batches.appendleft(half)
            self.spans += len(half)
            self._leaving(half.pinned)

    def _remove(self, batch: SpanBatch) -> None:
        self._batches.popleft()
        self.spans -= len(batch)
        self._leaving(-batch.pinned)

    def _lose(self, batch: SpanBatch, reason: Reason, why: str) -> None:
        self._remove(batch)
        self._account.failed[reason] += len(batch)
        if (note := self._losses.note()) is not None:
            self._logger.error(f"{len(batch)} spans lost ({reason.replace('_', ' ')}): {why}{note}")
