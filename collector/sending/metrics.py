"""What a connector sees of an exporter of metrics: it takes all that is flushed, and sends one request after the other.

Cumulative metrics are tried until they are delivered or the next flush says the same and more. Of metrics as deltas
nothing is repeated, so they are kept, in order, until the backend takes them or too many bytes wait: then the oldest
are lost, and counted. `retry_on_failure` and `timeout` are those of the exporter, whose `max_elapsed_time` is the
patience with cumulative metrics only.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from msgspec.structs import replace

from collector.component import Component, Host, MetricsExporter, Reference, Settings
from collector.config.types import Config, Duration
from collector.errors import ComponentError, ConsumeError, RetryableError
from collector.flush import Flush, MetricsRequest
from collector.ledger import PointsAccount, Reason, reason_for
from collector.pausing import pause
from collector.sending.config import SendingConfig
from collector.sending.outage import Outage
from collector.sending.retry import RetryPolicy
from collector.telemetry.occasional import Occasional

MAX_BYTES = 64 << 20
"""Bytes of requests that wait at most, unless `sending_queue::max_bytes` says less."""


@dataclass(slots=True, eq=False)
class _Waiting:
    """A request that is not delivered yet."""

    request: MetricsRequest
    source: str
    is_cumulative: bool
    attempts: int = 0
    began_at: float | None = None
    is_superseded: bool = False


class MetricsSender(Component):
    """Stands before one exporter of metrics."""

    def __init__(self, exporter: MetricsExporter, config: Config, settings: Settings[PointsAccount]) -> None:
        sending = config if isinstance(config, SendingConfig) else SendingConfig()
        retry = sending.retry_on_failure
        self.exporter = exporter
        self.settings = settings
        self._account = settings.account
        self._account.held = self._held
        self._timeout = sending.timeout or None
        self._policy = RetryPolicy(retry)
        self._patient = RetryPolicy(replace(retry, max_elapsed_time=Duration(0)))
        queue = sending.sending_queue
        self._max_bytes = min(queue.max_bytes or MAX_BYTES, MAX_BYTES) if queue else MAX_BYTES
        self._waiting: deque[_Waiting] = deque()
        self._under_way: _Waiting | None = None
        self._news = asyncio.Event()
        self._closing = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None
        self._successor: MetricsSender | None = None
        self._outage = Outage(patience=1)
        self._reports = Occasional()

    def references(self) -> list[Reference]:
        """The extensions that the exporter needs."""
        return list(self.exporter.references())

    @property
    def is_stale(self) -> bool:
        """Whether a new exporter would differ although its settings are the same."""
        return self.exporter.is_stale

    async def start(self, host: Host) -> None:
        """Start the exporter, and to send. Raises `StartError`."""
        await self.exporter.start(host)
        self._worker = asyncio.get_running_loop().create_task(self._work())

    def take(self, flush: Flush) -> None:
        """Take responsibility for the metrics of one interval."""
        if self._successor:
            self._successor.take(flush)
            return
        if flush.is_cumulative:
            self._supersede(flush.source)
        for request in flush.requests:
            self._adopt(_Waiting(request, flush.source, flush.is_cumulative))

    def _adopt(self, waiting: _Waiting) -> None:
        self._account.offered += waiting.request.points
        self._waiting.append(waiting)
        while sum(len(each.request.data) for each in self._waiting) > self._max_bytes:
            oldest = next((each for each in self._waiting if each is not self._under_way), None)
            if oldest is None:
                break
            self._waiting.remove(oldest)
            self._fail(oldest, Reason.QUEUE_FULL, "too many bytes of metrics wait for the backend")
        self._news.set()

    def forward(self, successor: MetricsSender) -> None:
        """Take nothing from now on: what comes, and what waits, goes to another sender."""
        self._successor = successor
        for each in list(self._waiting):
            if each is not self._under_way:
                self._waiting.remove(each)
                self._hand_over(each, successor)

    async def shutdown(self) -> None:
        """Give everything that waits one last attempt, then stop the exporter."""
        self._closing.set()
        self._news.set()
        worker, self._worker = self._worker, None
        try:
            if worker:
                await worker
        finally:
            if worker:
                worker.cancel()
            while self._waiting:
                self._fail(self._waiting.popleft(), Reason.SHUTDOWN, "the collector stops")
            await self.exporter.shutdown()

    def _held(self) -> int:
        return sum(each.request.points for each in self._waiting)

    def _supersede(self, source: str) -> None:
        """Drop what waits of a source that says all of it again."""
        for each in [each for each in self._waiting if each.source == source and each.is_cumulative]:
            if each is self._under_way:
                each.is_superseded = True
            else:
                self._waiting.remove(each)
                self._account.superseded += each.request.points

    async def _work(self) -> None:
        while True:
            while not self._waiting:
                if self._closing.is_set():
                    return
                self._news.clear()
                await self._news.wait()
            wait = await self._attempt(self._waiting[0])
            if wait is not None:
                await pause(wait, self._closing)

    async def _attempt(self, first: _Waiting) -> float | None:
        """Send a request once. Gives the seconds to wait if it is to be sent again."""
        now = asyncio.get_running_loop().time
        first.began_at = now() if first.began_at is None else first.began_at
        self._account.retries += first.attempts > 0
        self._under_way = first
        try:
            error = await self._export(first)
        finally:
            self._under_way = None
        if not isinstance(error, RetryableError):
            if recovery := self._outage.answered(now()):
                self.settings.logger.info(f"delivers metrics again, after {recovery.failures} failed attempts")
            self._waiting.remove(first)
            if error:
                self._fail(first, reason_for(error), str(error))
            return None
        first.attempts += 1
        announce = self._outage.failed(now())
        return self._again(first, error, now() - first.began_at, announce=announce)

    async def _export(self, waiting: _Waiting) -> ConsumeError | None:
        try:
            async with asyncio.timeout(self._timeout) as attempt:
                delivery = await self.exporter.export(waiting.request)
        except ConsumeError as error:
            return error
        except TimeoutError as error:
            if attempt.expired():
                return RetryableError(f"no answer within {self._timeout}")
            return ComponentError(f"TimeoutError: {error}")
        except Exception as error:
            if (note := self._reports.note()) is not None:
                self.settings.logger.error(
                    f"a bug in the exporter: {type(error).__name__} escaped{note}", exc_info=error
                )
            return ComponentError(f"{type(error).__name__}: {error}")
        rejected = min(delivery.rejected, waiting.request.points)
        self._account.delivered += waiting.request.points - rejected
        if rejected:
            self._account.failed[Reason.REJECTED] += rejected
            self._report(f"the backend rejected {rejected} data points: {delivery.message}")
        return None

    def _again(self, first: _Waiting, error: RetryableError, elapsed: float, *, announce: bool) -> float | None:
        """Decide on a request that the backend did not take for now."""
        policy = self._policy if first.is_cumulative else self._patient
        wait = policy.wait(first.attempts, error, elapsed)
        if self._successor:
            self._waiting.remove(first)
            self._hand_over(first, self._successor)
        elif first.is_superseded:
            self._waiting.remove(first)
            self._account.superseded += first.request.points
        elif self._closing.is_set():
            self._waiting.remove(first)
            self._fail(first, Reason.SHUTDOWN, str(error))
        elif wait is None:
            self._waiting.remove(first)
            self._fail(first, Reason.RETRIES_EXHAUSTED, str(error))
        elif announce:
            self.settings.logger.warning(f"cannot deliver metrics, will keep trying: {error}")
        return wait

    def _hand_over(self, waiting: _Waiting, successor: MetricsSender) -> None:
        self._account.offered -= waiting.request.points
        successor._adopt(waiting)

    def _fail(self, waiting: _Waiting, reason: Reason, why: str) -> None:
        self._account.failed[reason] += waiting.request.points
        self._report(f"lost {waiting.request.points} data points of metrics ({reason}): {why}")

    def _report(self, text: str) -> None:
        if (note := self._reports.note()) is not None:
            self.settings.logger.error(f"{text}{note}")
