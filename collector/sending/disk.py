"""A queue's requests on disk, in a journal that an extension for storage has opened.

A request is taken once the disk has it. The journal reads what waits when it is its turn, so an outage of days costs
disk and next to no memory.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from collector._kernel import Journal, JournalEntry
from collector.errors import PermanentError, RetryableError, TooLargeError
from collector.ledger import ExporterAccount, Reason
from collector.sending.config import QueueConfig, Sizer
from collector.sending.kernel_store import KernelStore, most
from collector.sending.request import Request
from collector.storage import Bounds
from collector.telemetry.occasional import Occasional

_CACHE = 32 << 20
"""Bytes. What a backend that answers leaves waiting for a moment is sent without being read from disk."""


def bounds(config: QueueConfig) -> Bounds:
    """Say what a journal may hold."""
    held = most(config)
    cache = min(_CACHE, config.max_bytes or _CACHE)
    return Bounds(held[Sizer.REQUESTS], held[Sizer.ITEMS], held[Sizer.BYTES], cache)


class DiskStore(KernelStore[JournalEntry]):
    """Holds requests on disk."""

    is_durable = True

    def __init__(
        self, config: QueueConfig, account: ExporterAccount, logger: logging.Logger, heard: Callable[[], None]
    ) -> None:
        super().__init__(config, account, heard)
        self._logger = logger
        self._journal: Journal | None = None
        self._waiting: dict[int, tuple[Request, asyncio.Future[None]]] = {}
        """Requests on their way to the disk, by their numbers, and who waits for that."""
        self._failures = Occasional()
        account.is_durable = True

    def open(self, journal: Journal) -> None:
        """Take up what an earlier run has left."""
        self._queue = self._journal = journal
        asyncio.get_running_loop().add_reader(journal.fileno(), self._hear)
        self._account.offered += journal.spans + journal.lost
        if journal.spans:
            self._logger.info(f"{journal.spans} spans in {journal.requests} batches are on disk from an earlier run")
        if journal.torn:
            self._logger.info(f"{journal.torn} bytes were not wholly written when the last run ended, and not promised")
        for what in journal.damage:
            self._logger.error(f"spans lost ({Reason.DAMAGED.replace('_', ' ')}): {what}")
        if journal.lost:
            self._account.failed[Reason.DAMAGED] += journal.lost

    @property
    def journal(self) -> Journal | None:
        """The queue, once it was opened."""
        return self._journal

    def _limit(self, bounds: Mapping[Sizer, int]) -> None:
        """Leave that to the extension, which has limits of its own: see `Storage.keep`."""

    async def close(self) -> None:
        """Let go of the disk. What is held stays there."""
        if self._journal is None:
            return
        asyncio.get_running_loop().remove_reader(self._journal.fileno())
        await asyncio.to_thread(self._journal.close)
        self._collect(self._journal)

    def part(self) -> Journal:
        """Give what ends a plan. Raises `RuntimeError` before it was opened."""
        if self._journal is None:
            raise RuntimeError("the exporter has not started")
        return self._journal

    @property
    def disk(self) -> int:
        """Bytes of disk that are used."""
        return self._journal.disk if self._journal else 0

    @property
    def unmarked(self) -> int:
        """Batches that a crash would deliver again: the disk did not take the note that they are finished."""
        return self._journal.unmarked if self._journal else 0

    @property
    def pinned(self) -> int:
        """What is held, in bytes of memory."""
        return sum(request.pinned for request in self._begun) + (self._journal.cached if self._journal else 0)

    @property
    def held(self) -> frozenset[Request]:
        """Nothing that would be lost with this process."""
        return frozenset()

    def check(self, request: Request) -> None:
        """Raise `PermanentError` for a request that would never fit."""
        size = request.parts[0].size
        if self._journal and size > self._journal.largest:
            raise TooLargeError(f"a batch of {size} bytes is larger than the storage takes: {self._journal.largest}")

    async def append(self, request: Request) -> None:
        """Take a request, which is on disk then. Raises `RetryableError`.

        Whoever is cancelled here hears of it once it is known that the disk does not have the request. Otherwise it is
        taken.
        """
        if self._journal is None:
            raise RetryableError("the exporter has not started")
        number = self._journal.submit(request.parts[0])
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[number] = (request, written)
        cancelled = False
        while not written.done():
            try:
                await asyncio.wait([written])
            except asyncio.CancelledError:
                cancelled = True
        if cancelled and written.exception() is not None:
            raise asyncio.CancelledError
        written.result()

    async def begin(self) -> Request | None:
        """Give the oldest fresh requests as one, as far as they are sent together.

        `None` if there are none, or they cannot be read for now.
        """
        entry = self._take()
        if entry is None:
            return None
        try:
            batch = entry.read() if entry.is_cached else await asyncio.to_thread(entry.read)
        except OSError as error:
            self._report_unread(entry, error)
            return None
        request = self._request(batch, entry)
        if lost := len(entry) - len(batch):
            request.damaged(lost, PermanentError("what is on disk is damaged"))
        return request

    def _hear(self) -> None:
        """Look what the journal has to say: it has rung."""
        if self._journal:
            self._journal.clear()
            self._collect(self._journal)
            self._heard()

    def _collect(self, journal: Journal) -> None:
        for number, why in journal.outcomes():
            request, written = self._waiting.pop(number)
            if why is None:
                # Here, since from now on it counts as held.
                self._account.offered += request.spans
                written.set_result(None)
                continue
            written.set_exception(RetryableError(why))
        if (trouble := journal.trouble()) and (note := self._failures.note()) is not None:
            self._logger.error(f"spans are refused: the sending queue cannot write: {trouble}{note}")

    def _report_unread(self, entry: JournalEntry, error: OSError) -> None:
        self._logger.error(
            f"{len(entry)} spans cannot be read from disk, where they stay until the next start: {error}"
        )
