"""A batch on its way to the backend, and what has become of it so far.

A batch that the backend calls too large is cut, so a request is a list of parts. Nothing is booked until all of them
are finished: then the whole request goes into the account at once, or, if somebody waits for the result and the backend
took nothing of it, back to the caller.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Sequence

from collector.component import Delivery
from collector.errors import ConsumeError, PermanentError
from collector.ledger import ExporterAccount, Reason
from collector.spans import SpanBatch


class Request:
    """One batch that was handed to an exporter."""

    __slots__ = (
        "abandoned",
        "attempt",
        "attempts",
        "began_at",
        "delivered",
        "errors",
        "failed",
        "finished",
        "handed_over",
        "is_bundled",
        "is_fresh",
        "offered",
        "parts",
        "pinned",
        "result",
        "retry",
        "sources",
        "spans",
        "units",
    )

    def __init__(self, batch: SpanBatch, units: int = 1) -> None:
        self.spans = len(batch)
        self.units = units
        """What it counts against `queue_size`."""
        self.pinned = batch.pinned
        """What it counts against `max_bytes`."""
        self.parts = deque([batch])
        """What still has to be delivered; the first is next."""
        self.attempts = 0
        """Failed attempts at the first part."""
        self.began_at: float | None = None
        """When the first attempt began."""
        self.delivered = 0
        self.handed_over = 0
        """Spans that another exporter answers for now."""
        self.failed: Counter[Reason] = Counter()
        self.errors: dict[Reason, ConsumeError] = {}
        """What was said first, for each reason."""
        self.offered = False
        """Whether the exporter answers for the spans. Otherwise somebody waits, and may be told to keep them."""
        self.abandoned = False
        """Whether the one who waited has gone."""
        self.is_fresh = False
        """Whether it waits for its first attempt."""
        self.is_bundled = False
        """Whether it is sent as part of another request."""
        self.sources: tuple[Request, ...] = ()
        """The requests that are sent together as this one."""
        self.finished = False
        self.result: asyncio.Future[None] | None = None
        """Set while the caller waits for the outcome."""
        self.attempt: asyncio.Timeout | None = None
        """The attempt that is under way, which can be ended through it."""
        self.retry: asyncio.TimerHandle | None = None
        """What ends the wait for the next attempt."""

    @classmethod
    def bundle(cls, sources: Sequence[Request], parts: Sequence[SpanBatch]) -> Request:
        """Make one request of several, which are finished with it."""
        bundle = cls(parts[0])
        bundle.parts.extend(parts[1:])
        bundle.sources = tuple(sources)
        for source in sources:
            source.is_bundled = True
            bundle.failed.update(source.failed)
            bundle.errors |= source.errors
        bundle.spans = sum(source.spans for source in sources)
        bundle.offered = True
        return bundle

    @property
    def untouched(self) -> bool:
        """Whether the backend took nothing of it so far."""
        return self.delivered == 0 and not self.failed[Reason.REJECTED]

    @property
    def refused(self) -> bool:
        """Whether all of it failed, so that whoever waits can be told to keep it."""
        return self.untouched and bool(self.errors)

    def deliver(self, delivery: Delivery) -> None:
        """Note that the first part was delivered."""
        spans = len(self.parts.popleft())
        rejected = min(delivery.rejected, spans)
        self.attempts = 0
        self.delivered += spans - rejected
        if rejected:
            self.failed[Reason.REJECTED] += rejected
            self.errors.setdefault(Reason.REJECTED, PermanentError(delivery.message or "no reason given"))

    def fail(self, reason: Reason, error: ConsumeError) -> None:
        """Note that the first part is given up."""
        self.failed[reason] += len(self.parts.popleft())
        self.attempts = 0
        self.errors.setdefault(reason, error)

    def fail_all(self, reason: Reason, error: ConsumeError) -> None:
        """Note that everything that is left is given up."""
        while self.parts:
            self.fail(reason, error)

    def damaged(self, spans: int, error: ConsumeError) -> None:
        """Note that so many spans more belong to it, whose contents are gone."""
        self.spans += spans
        self.failed[Reason.DAMAGED] += spans
        self.errors.setdefault(Reason.DAMAGED, error)
        if not len(self.parts[0]):
            self.parts.clear()

    def hand_back(self, spans: int) -> None:
        """Forget so many of the spans that failed, for whatever reason: somebody else keeps them."""
        for reason in list(self.failed):
            share = min(spans, self.failed[reason])
            self.failed[reason] -= share
            spans -= share

    def halve(self) -> bool:
        """Cut the first part in two. False if it is a single span."""
        spans = len(self.parts[0])
        if spans < 2:
            return False
        halves = self.parts[0].split(max_spans=(spans + 1) // 2)
        self.parts.popleft()
        self.parts.extendleft(reversed(halves))
        return True

    def book(self, account: ExporterAccount) -> None:
        """Write what became of the spans into the account."""
        if not self.offered:
            account.offered += self.spans
        account.offered -= self.handed_over
        account.delivered += self.delivered
        account.failed.update(self.failed)
