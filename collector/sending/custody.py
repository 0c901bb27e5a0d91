"""Who answers for a request: the caller who waits for it, this exporter, or its store, which counts by itself.

Nothing is booked until a request is finished, and then once. If all of it failed and its caller waits, it is his again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict

from collector.errors import RetryableError
from collector.ledger import ExporterAccount, Reason
from collector.sending.queue import STOPPING, SendingQueue
from collector.sending.request import Request
from collector.telemetry.occasional import Occasional


class Custody:
    """Keeps the account of one exporter."""

    def __init__(self, account: ExporterAccount, logger: logging.Logger) -> None:
        self._account = account
        self._logger = logger
        self._losses: defaultdict[Reason, Occasional] = defaultdict(Occasional)
        self._ours: set[Request] = set()
        """Requests that this exporter answers for, and that no store counts."""
        self.queue: SendingQueue | None = None
        self.bundles: set[Request] = set()
        """Requests that are made of others."""
        self.held = 0
        """Spans of requests that this exporter answers for, and that no store counts."""
        account.held = lambda: self.held

    def offer(self, request: Request) -> None:
        """Take responsibility for a request."""
        request.offered = True
        self._account.offered += request.spans
        self.held += request.spans
        self._ours.add(request)

    def take_over(self, request: Request) -> None:
        """Answer for a request whose caller has gone."""
        self.offer(request)
        _tell(request)

    async def outcome(self, queue: SendingQueue, request: Request, result: asyncio.Future[None]) -> None:
        """Wait until a request is finished. Raises its error if all of it failed."""
        try:
            await result
        except asyncio.CancelledError:
            if await self._leave(queue, request):
                raise

    async def _leave(self, queue: SendingQueue, request: Request) -> bool:
        """Take a request back from the queue. False if the backend has something of it, or may have: then it stays."""
        if request.finished:
            return request.untouched
        if request.is_bundled or not request.untouched:
            request.result = None
            self.offer(request)
            return False
        if queue.withdraw(request):
            request.finished = True
            return True
        request.abandoned = True
        if request.attempt:
            request.attempt.reschedule(asyncio.get_running_loop().time())
        # The attempt ends in the next turns of the loop. Only then it is known whether the backend took the batch.
        ended = request.result = asyncio.get_running_loop().create_future()
        while not ended.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([ended])
        return request.untouched

    def settle(self, request: Request) -> None:
        """Book a finished request, once. Raises the error of one that all failed and that nobody else holds."""
        if request.finished:
            return
        request.finished = True
        for source in request.sources or (request,):
            if self.queue:
                self.queue.finish(source)
        if request.sources:
            self.bundles.discard(request)
            self._settle_sources(request)
        elif request in self._ours:
            self._let_go(request)
        elif request.offered:
            pass  # its store has counted it
        elif request.abandoned and request.untouched:
            _tell(request)
            return
        elif request.refused:
            error = next(iter(request.errors.values()))
            if request.result is None:
                raise error
            if not request.result.done():
                request.result.set_exception(error)
            return
        request.book(self._account)
        self._report(request)
        _tell(request)

    def _settle_sources(self, bundle: Request) -> None:
        """Tell those who wait for a part of a bundle. If all of it failed, they keep theirs."""
        for source in bundle.sources:
            source.finished = True
            if source in self._ours:
                self._let_go(source)
            elif not source.offered and bundle.refused and source.result:
                if not source.result.done():
                    source.result.set_exception(next(iter(bundle.errors.values())))
                bundle.hand_back(source.spans)
            elif not source.offered:
                self._account.offered += source.spans
            _tell(source)

    def _let_go(self, request: Request) -> None:
        self._ours.discard(request)
        self.held -= request.spans

    def give_up(self) -> None:
        """Book what is left when time is over. What is on disk stays there."""
        if self.queue and self.queue.is_durable:
            return
        error = RetryableError(STOPPING)
        for request in (*self.bundles, *self._ours, *(self.queue.held if self.queue else ())):
            if not request.finished:
                request.fail_all(Reason.SHUTDOWN, error)
                self.settle(request)

    def _report(self, request: Request) -> None:
        for reason, error in request.errors.items():
            if (note := self._losses[reason].note()) is not None:
                spans = request.failed[reason]
                self._logger.error(f"{spans} spans lost ({reason.replace('_', ' ')}): {error}{note}")


def _tell(request: Request) -> None:
    """Let go of the one who waits for the result."""
    if request.result is not None and not request.result.done():
        request.result.set_result(None)
