"""Attempts at delivering a request, and what is made of how they end.

delivered                       done; spans that the backend rejected are counted as `rejected_in_success`
RetryableError, or no answer    again after a wait, within `max_elapsed_time`
TooLargeError                   again in two halves; a single span is set aside
PermanentError                  given up
DividedError                    each of these for a piece; what is tried again is one part from then on
anything else                   a bug in the exporter: given up
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from collector.component import Delivery, Exporter
from collector.errors import (
    ComponentError,
    ConsumeError,
    DividedError,
    PermanentError,
    RetryableError,
    TooLargeError,
)
from collector.ledger import ExporterAccount, Reason
from collector.sending.config import RetryConfig, SendingConfig
from collector.sending.outage import Outage
from collector.sending.request import Request
from collector.sending.retry import RetryPolicy
from collector.set_aside import set_aside
from collector.spans import SpanBatch
from collector.telemetry.occasional import Occasional


class Attempts:
    """Delivers requests through one exporter.

    `take_over` is told of a request whose caller has gone, when the backend has a part of it already. `recovered` is
    called when the backend answers again.
    """

    def __init__(
        self,
        exporter: Exporter,
        config: SendingConfig | None,
        take_over: Callable[[Request], None],
        recovered: Callable[[], None],
    ) -> None:
        queue = config.sending_queue if config else None
        self._exporter = exporter
        self._account: ExporterAccount = exporter.settings.account
        self._logger: logging.Logger = exporter.settings.logger
        self._timeout = (config.timeout or None) if config else None
        self._policy = RetryPolicy(config.retry_on_failure if config else RetryConfig(enabled=False))
        self._outage = Outage(patience=max(1, queue.num_consumers if queue else 0))
        self._take_over = take_over
        self._recovered = recovered
        self._bugs = Occasional()
        self._advice = Occasional()
        self.in_flight = 0
        """Attempts that are under way."""
        self.working = 0
        """Requests that are worked on."""
        self._quiet = asyncio.Event()
        self.last = False
        """Set when there is no time for another attempt: what the backend does not take now is lost."""

    def admits(self, begun: int) -> bool:
        """Say whether a request may be tried that never was, while `begun` others were and are not finished."""
        return self._outage.admits(begun, asyncio.get_running_loop().time())

    async def ended(self) -> None:
        """Wait until no request is worked on."""
        while self.working:
            self._quiet.clear()
            await self._quiet.wait()

    async def work(self, request: Request) -> float | None:
        """Send part after part. Gives the seconds to wait before going on, or `None` when all are finished."""
        self.working += 1
        try:
            return await self._work(request)
        finally:
            self.working -= 1
            self._quiet.set()

    async def _work(self, request: Request) -> float | None:
        while request.parts:
            try:
                wait = await self._attempt(request)
            except Exception as error:
                if (note := self._bugs.note()) is not None:
                    self._logger.error(f"a bug in the exporter: {type(error).__name__} escaped{note}", exc_info=error)
                request.fail_all(Reason.COMPONENT_ERROR, ComponentError(f"{type(error).__name__}: {error}"))
                return None
            if wait is not None:
                return wait
        return None

    async def _attempt(self, request: Request) -> float | None:
        """Try the first part once. Gives the seconds to wait before the next attempt, if it needs one."""
        if request.abandoned:
            if request.untouched:
                request.parts.clear()
                return None
            # The backend took a part before the caller could leave, so the rest is ours as well.
            request.abandoned = False
            self._take_over(request)
        now = asyncio.get_running_loop().time
        if request.began_at is None:
            request.began_at = now()
        if request.attempts:
            self._account.retries += 1
        self.in_flight += 1
        cancellations = _cancellations()
        try:
            async with asyncio.timeout(self._timeout) as request.attempt:
                delivery = await self._exporter.export(request.parts[0])
            self._deliver(request, delivery, now())
        except PermanentError as error:
            self._refused(request, error, now())
        except RetryableError as error:
            return self._again(request, error, now())
        except DividedError as error:
            wait = self._divided(request, error, now())
            # If it was broken off, it has told what it knew.
            _end_if_cancelled(cancellations)
            return wait
        except TimeoutError:
            if request.attempt is None or not request.attempt.expired():
                raise  # a bug: the exporter's own waits are none of ours
            if request.abandoned:
                request.parts.clear()
                return None
            return self._again(request, RetryableError(f"no answer within {self._timeout}"), now())
        finally:
            self.in_flight -= 1
            request.attempt = None
        return None

    def _deliver(self, request: Request, delivery: Delivery, now: float) -> None:
        self._answered(now)
        request.deliver(delivery)
        if delivery.message and not delivery.rejected and (note := self._advice.note()) is not None:
            self._logger.warning(f"the backend took the spans and says: {delivery.message}{note}")

    def _refused(self, request: Request, error: ConsumeError, now: float) -> None:
        """Give the first part up, or cut it."""
        if isinstance(error, ComponentError):
            request.fail(Reason.COMPONENT_ERROR, error)
            return
        self._answered(now)
        if isinstance(error, TooLargeError):
            self._cut(request, error)
        else:
            request.fail(Reason.REFUSED, error)

    def _divided(self, request: Request, error: DividedError, now: float) -> float | None:
        """Make of each piece of the first part what it came to. What is sent again becomes the first part."""
        attempts = request.attempts
        waiting: list[SpanBatch] = []
        reasons: list[RetryableError] = []
        request.parts.popleft()
        for piece, outcome in error.pieces:
            if isinstance(outcome, RetryableError):
                waiting.append(piece)
                reasons.append(outcome)
                continue
            request.parts.appendleft(piece)
            if isinstance(outcome, Delivery):
                self._deliver(request, outcome, now)
            else:
                self._refused(request, outcome, now)
        if not waiting:
            return None
        request.parts.appendleft(SpanBatch.join(waiting))
        request.attempts = attempts
        latest = max(reasons, key=lambda reason: reason.retry_after or 0.0)
        return self._again(request, latest, now, is_outage=False)

    def _cut(self, request: Request, error: TooLargeError) -> None:
        if not request.halve():
            span = set_aside(request.parts[0], str(error))
            self._account.set_aside.append(span)
            request.fail(Reason.TOO_LARGE, TooLargeError(str(span)))

    def _again(self, request: Request, error: RetryableError, now: float, *, is_outage: bool = True) -> float | None:
        """Decide on a part that the backend did not take for now."""
        if request.abandoned and request.untouched:
            request.parts.clear()
            return None
        began_at = now if request.began_at is None else request.began_at
        request.attempts += 1
        wait = self._policy.wait(request.attempts, error, now - began_at)
        announce = is_outage and self._outage.failed(now)
        if wait is not None and self.last:
            request.fail(Reason.SHUTDOWN, error)
            return None
        if wait is None:
            request.fail(Reason.RETRIES_EXHAUSTED, error)
            return None
        if announce:
            self._logger.warning(f"cannot deliver, will keep trying: {error}")
        return wait

    def _answered(self, now: float) -> None:
        if not self._outage.present:
            return
        if recovery := self._outage.answered(now):
            self._logger.info(
                f"delivers again, after {recovery.failures} failed attempts in {recovery.seconds:.1f} seconds"
            )
        self._recovered()


def _cancellations() -> int:
    """How often somebody asked for the end of this task. A timeout that has passed does not count."""
    task = asyncio.current_task()
    return task.cancelling() if task else 0


def _end_if_cancelled(before: int) -> None:
    if _cancellations() > before:
        raise asyncio.CancelledError
