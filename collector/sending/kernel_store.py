"""What queues of the kernel have in common, in memory (`memory.py`) and on disk (`disk.py`).

A server may put requests in without waking Python. Only those that were begun are requests here; what waits behind them
is in the kernel.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from collector._kernel import JournalEntry, QueueItem, StageCounts
from collector.ledger import ExporterAccount
from collector.sending.config import QueueConfig, Sizer
from collector.sending.request import Request
from collector.sending.store import units
from collector.spans import SpanBatch

UNBOUNDED = (1 << 63) - 1

_LARGEST = 1 << 20
"""Bytes. What is taken out at once is smaller, unless it is a single request."""

_MANY = 8192
"""Spans. The busier a collector is, the more requests it sends together, up to this."""

EntryT = TypeVar("EntryT", QueueItem, JournalEntry)


class KernelQueue(Protocol[EntryT]):
    """What `Queue` and `Journal` have in common."""

    @property
    def ready(self) -> int:
        """Batches that can be taken out."""

    @property
    def requests(self) -> int:
        """Batches that are not finished."""

    @property
    def spans(self) -> int:
        """Their spans."""

    @property
    def size(self) -> int:
        """Their bytes."""

    def obstacle(self, batch: SpanBatch) -> str | None:
        """Say why there is no room for a batch now."""

    def take(self, max_spans: int, max_bytes: int, all: bool) -> EntryT | None:
        """Take out the oldest batch, and others behind it."""

    def finish(self, entry: EntryT) -> None:
        """Note that batches that were taken out need not be held any longer."""


@dataclass(frozen=True, slots=True)
class Together:
    """What is taken out of a queue at once, if it waits there."""

    spans: int
    bytes: int
    all: bool
    """Also what somebody made a batch of."""


def together(config: QueueConfig) -> Together:
    """Say what is worth taking out at once: what is gathered anyway, or small requests that came as they are."""
    if config.batch is None:
        return Together(_MANY, _LARGEST, all=False)
    if config.batch_sizer is Sizer.ITEMS:
        return Together(config.batch.min_size, _LARGEST, all=True)
    return Together(UNBOUNDED, min(config.batch.min_size, _LARGEST), all=True)


def most(config: QueueConfig) -> dict[Sizer, int]:
    """Say how much a queue may hold, in each unit."""
    return {sizer: config.queue_size if config.sizer is sizer else UNBOUNDED for sizer in Sizer}


class KernelStore(ABC, Generic[EntryT]):
    """Holds requests in a queue of the kernel, and counts what it was offered.

    `heard` is called when there may be something to begin, or room for more. Before there is a queue it is empty.
    """

    def __init__(
        self,
        config: QueueConfig,
        account: ExporterAccount,
        heard: Callable[[], None],
        queue: KernelQueue[EntryT] | None = None,
    ) -> None:
        self._config = config
        self._account = account
        self._heard = heard
        self._queue: KernelQueue[EntryT] | None = queue
        self._together = together(config)
        self._begun: dict[Request, EntryT] = {}
        account.held = lambda: self._queue.spans if self._queue else 0

    def change(self, config: QueueConfig) -> None:
        """Go on with other settings. What is held stays."""
        self._config = config
        self._together = together(config)
        self._limit(most(config))

    @abstractmethod
    def _limit(self, bounds: Mapping[Sizer, int]) -> None:
        """Hold the queue to other bounds."""

    def book(self, counts: StageCounts) -> None:
        """Count what the kernel has put in by itself, or had no room for."""
        self._account.offered += counts.taken
        self._account.refused += counts.refused

    @property
    def size(self) -> int:
        """What is held, in units of the sizer."""
        queue = self._queue
        return units(self._config, queue.spans, queue.size, queue.requests) if queue else 0

    @property
    def fresh(self) -> int:
        """Requests that were never begun."""
        return self._queue.ready if self._queue else 0

    @property
    def begun(self) -> int:
        """Requests that were begun and are not finished."""
        return self._queue.requests - self._queue.ready if self._queue else 0

    def obstacle(self, request: Request) -> str | None:
        """Say why there is no room for a request now."""
        return self._queue.obstacle(request.parts[0]) if self._queue else "the exporter has not started"

    def remove(self, request: Request) -> None:
        """Forget a request that was begun."""
        entry = self._begun.pop(request, None)
        if entry is not None and self._queue:
            self._queue.finish(entry)

    def _take(self) -> EntryT | None:
        """Take out what is sent together."""
        how = self._together
        return self._queue.take(how.spans, how.bytes, how.all) if self._queue else None

    def _request(self, batch: SpanBatch, entry: EntryT) -> Request:
        """Make the request of what was taken out."""
        request = Request(batch)
        request.offered = True
        self._begun[request] = entry
        return request
