"""What a pipeline sees of an exporter: a consumer that queues, sends, and sends again.

    consume ─▶ queue ─▶ consumers ─▶ timeout ─▶ exporter.export ─▶ backend
                 ▲                       │
                 └──── wait for retry ◀──┘

Without a queue the caller's own await runs the whole chain and hears its end. With one, the batch is taken as soon as
it is in the queue, unless `wait_for_result` is set. How an attempt ends decides what is next:

    delivered                       done; spans that the backend rejected are counted as `rejected_in_success`
    RetryableError, or no answer    again after a wait, within `max_elapsed_time`
    TooLargeError                   again in two halves; a single span is set aside
    PermanentError                  given up
    anything else                   a bug in the exporter: given up

A queue whose settings name a `storage` is on disk. The batch is taken then once the disk has it, and at shutdown it
stays there.

Every span that was offered is delivered, failed for a reason, or held; see `ExporterAccount`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable, Coroutine
from typing import Any

from collector.component import Delivery, Exporter, Host, Reference, Settings
from collector.config.types import Config
from collector.errors import ComponentError, ConsumeError, PermanentError, RetryableError, StartError, TooLargeError
from collector.ledger import ExporterAccount, Reason
from collector.sending.config import QueueConfig, RetryConfig, SendingConfig
from collector.sending.disk import DiskStore, bounds
from collector.sending.outage import Outage
from collector.sending.queue import SendingQueue
from collector.sending.request import Request
from collector.sending.retry import RetryPolicy
from collector.spans import SpanBatch, first_span
from collector.storage import Storage
from collector.telemetry.metrics import MetricKind, Sample
from collector.telemetry.occasional import Occasional

_STOPPING = "the exporter is shutting down"

_STORAGE = "sending_queue::storage"

_LAST_MOMENT = 1.0
"""Seconds that attempts get to end once they are cancelled."""


class Sender:
    """Stands before one exporter. An exporter whose settings are no `SendingConfig` is called directly."""

    def __init__(self, exporter: Exporter, config: Config, settings: Settings[ExporterAccount]) -> None:
        sending = config if isinstance(config, SendingConfig) else None
        queue = sending.sending_queue if sending else None
        self.exporter = exporter
        self.in_flight = 0
        """Attempts that are under way."""
        self._timeout = (sending.timeout or None) if sending else None
        self._policy = RetryPolicy(sending.retry_on_failure if sending else RetryConfig(enabled=False))
        self._num_consumers = queue.num_consumers if queue else 0
        self._wait_for_result = queue is not None and queue.wait_for_result
        self._outage = Outage(patience=max(1, self._num_consumers))
        self._account = settings.account
        self._account.held = lambda: self._held
        self._storage = queue.storage if queue else None
        self._disk: DiskStore | None = None
        if queue and queue.storage:
            self._disk = DiskStore(queue, settings.account, settings.logger, self._heard)
        self._queue = SendingQueue(queue, self._admits, self._disk) if queue else None
        self._config = queue
        self._id = settings.id
        self._held = 0
        self._ours: set[Request] = set()
        """Requests that this sender answers for."""
        self._logger = settings.logger
        self._bugs = Occasional()
        self._losses: defaultdict[Reason, Occasional] = defaultdict(Occasional)
        self._advice = Occasional()
        self._closing = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        if self._queue:
            self._register(self._queue, settings)

    @property
    def queue_size(self) -> int:
        """What the queue holds, in units of its sizer."""
        return self._queue.size if self._queue else 0

    @property
    def queue_capacity(self) -> int | None:
        """The most the queue holds, in units of its sizer; `None` without a queue."""
        return self._queue.capacity if self._queue else None

    @property
    def is_durable(self) -> bool:
        """Whether what the queue holds survives the process."""
        return self._disk is not None

    def references(self) -> list[Reference]:
        """The extension that keeps the queue on disk."""
        return [Reference(_STORAGE, self._storage, Storage)] if self._storage else []

    async def start(self, host: Host) -> None:
        """Start the exporter and the consumers of the queue. Raises `StartError`."""
        await self.exporter.start(host)
        if self._disk and self._config:
            await self._open(self._disk, self._config, host)
        if self._queue:
            for _ in range(self._num_consumers):
                self._spawn(self._consume_queue(self._queue))

    async def consume(self, batch: SpanBatch) -> None:
        """Take the batch into the queue, or deliver it. Raises `ConsumeError`."""
        if not len(batch):
            return
        if self._queue is None:
            await self._send_now(Request(batch))
            return
        try:
            request = self._queue.request(batch)
            if self._wait_for_result:
                request.result = asyncio.get_running_loop().create_future()
            await self._queue.put(request)
        except ConsumeError:
            self._account.refused += len(batch)
            raise
        if self._disk:
            self._account.offered += request.spans
        elif request.result is None:
            self._offer(request)
        else:
            await self._outcome(self._queue, request, request.result)

    async def shutdown(self) -> None:
        """Give everything that is held one last attempt, then stop the exporter.

        When it is cancelled, what is still held is booked as lost.
        """
        self._closing.set()
        if self._queue:
            self._queue.close()
        try:
            if self._tasks:
                await asyncio.wait(self._tasks)
        finally:
            try:
                await self._stop_tasks()
            finally:
                self._give_up()
                if self._disk:
                    await self._disk.close()
                await self.exporter.shutdown()

    async def _open(self, disk: DiskStore, config: QueueConfig, host: Host) -> None:
        extension = host.extension(config.storage or "")
        if not isinstance(extension, Storage):
            raise StartError("is not there, or no storage", path=_STORAGE)
        try:
            disk.open(await extension.open(f"exporters::{self._id}", bounds(config)))
        except StartError as error:
            raise StartError(error.args[0], path=_STORAGE) from error

    def _heard(self) -> None:
        """Look again: the disk has something to begin, or room for more."""
        if self._queue:
            self._queue.wake()
            self._queue.make_way()

    # --- from the queue to the exporter

    async def _consume_queue(self, queue: SendingQueue) -> None:
        while (request := await queue.get()) is not None:
            wait = await self._work(request)
            if wait is None:
                self._settle(request)
            else:
                queue.park(request, wait)

    async def _send_now(self, request: Request) -> None:
        """Work on a request until it is finished. Raises its error if all of it failed and nobody holds it."""
        try:
            while (wait := await self._work(request)) is not None:
                await self._pause(wait)
        except asyncio.CancelledError:
            if request.untouched or request.offered:
                raise
            # The backend has a part of it, so it is too late to refuse the rest.
            self._offer(request)
            self._spawn(self._send_now(request))
            return
        self._settle(request)

    async def _work(self, request: Request) -> float | None:
        """Send part after part. Gives the seconds to wait before going on, or `None` when all are finished."""
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
            self._offer(request)
            _tell(request)
        now = asyncio.get_running_loop().time
        if request.began_at is None:
            request.began_at = now()
        if request.attempts:
            self._account.retries += 1
        self.in_flight += 1
        try:
            async with asyncio.timeout(self._timeout) as request.attempt:
                delivery = await self.exporter.export(request.parts[0])
            self._answered(now())
            self._deliver(request, delivery)
        except TooLargeError as error:
            self._answered(now())
            self._cut(request, error)
        except ComponentError as error:
            request.fail(Reason.COMPONENT_ERROR, error)
        except PermanentError as error:
            self._answered(now())
            request.fail(Reason.REFUSED, error)
        except RetryableError as error:
            return self._again(request, error, now())
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

    def _deliver(self, request: Request, delivery: Delivery) -> None:
        request.deliver(delivery)
        if delivery.message and not delivery.rejected and (note := self._advice.note()) is not None:
            self._logger.warning(f"the backend took the spans and says: {delivery.message}{note}")

    def _cut(self, request: Request, error: TooLargeError) -> None:
        if not request.halve():
            which = first_span(request.parts[0])
            request.fail(Reason.TOO_LARGE, TooLargeError(f"{which} of {request.parts[0].size} bytes: {error}"))

    def _again(self, request: Request, error: RetryableError, now: float) -> float | None:
        """Decide on a part that the backend did not take for now."""
        if request.abandoned and request.untouched:
            request.parts.clear()
            return None
        began_at = now if request.began_at is None else request.began_at
        request.attempts += 1
        wait = self._policy.wait(request.attempts, error, now - began_at)
        announce = self._outage.failed(now)
        if wait is not None and self._closing.is_set() and not self._disk:
            request.fail(Reason.SHUTDOWN, error)
            return None
        if wait is None:
            request.fail(Reason.RETRIES_EXHAUSTED, error)
            return None
        if announce:
            self._logger.warning(f"cannot deliver, will keep trying: {error}")
        return wait

    async def _pause(self, wait: float) -> None:
        """Wait, or until shutdown begins."""
        try:
            async with asyncio.timeout(wait):
                await self._closing.wait()
        except TimeoutError:
            pass

    def _admits(self, begun: int) -> bool:
        return self._outage.admits(begun, asyncio.get_running_loop().time())

    def _answered(self, now: float) -> None:
        if not self._outage.present:
            return
        if recovery := self._outage.answered(now):
            self._logger.info(
                f"delivers again, after {recovery.failures} failed attempts in {recovery.seconds:.1f} seconds"
            )
        if self._queue:
            self._queue.wake()

    # --- who answers for a request

    def _offer(self, request: Request) -> None:
        """Take responsibility for a request."""
        request.offered = True
        self._account.offered += request.spans
        self._held += request.spans
        self._ours.add(request)

    async def _outcome(self, queue: SendingQueue, request: Request, result: asyncio.Future[None]) -> None:
        """Wait until a request is finished. Raises its error if all of it failed."""
        try:
            await result
        except asyncio.CancelledError:
            await self._leave(queue, request)
            if request.untouched:
                raise

    async def _leave(self, queue: SendingQueue, request: Request) -> None:
        """Take a request back from the queue. If the backend has taken something of it, it stays."""
        if request.finished:
            return
        if not request.untouched:
            request.result = None
            self._offer(request)
            return
        if queue.withdraw(request):
            request.finished = True
            return
        request.abandoned = True
        if request.attempt:
            request.attempt.reschedule(asyncio.get_running_loop().time())
        # The attempt ends in the next turns of the loop. Only then it is known whether the backend took the batch.
        ended = request.result = asyncio.get_running_loop().create_future()
        while not ended.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([ended])

    def _settle(self, request: Request) -> None:
        """Book a finished request, once. Raises the error of one that all failed and that nobody else holds."""
        if request.finished:
            return
        request.finished = True
        if self._queue:
            self._queue.finish(request)
        if request in self._ours:
            self._held -= request.spans
            self._ours.discard(request)
        elif request.offered:
            pass  # the disk has counted it
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

    def _give_up(self) -> None:
        """Book what is left when time is over."""
        for request in self._ours | (self._queue.held if self._queue else set()):
            request.fail_all(Reason.SHUTDOWN, RetryableError(_STOPPING))
            self._settle(request)

    # --- tasks and reports

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _stop_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_LAST_MOMENT)

    def _register(self, queue: SendingQueue, settings: Settings[ExporterAccount]) -> None:
        labels = {"exporter": settings.id, "data_type": "traces"}

        def gauge(name: str, help: str, read: Callable[[], int]) -> None:
            settings.metrics.register(name, MetricKind.GAUGE, help, lambda: [Sample(labels, read())])

        gauge("otelcol_exporter_queue_size", "What the queue holds, in units of its sizer.", lambda: queue.size)
        gauge("otelcol_exporter_queue_capacity", "The most the queue holds.", lambda: queue.capacity)
        gauge("otelcol_exporter_in_flight_requests", "Attempts that are under way.", lambda: self.in_flight)
        gauge("spanmill_exporter_queue_bytes", "Memory that the queue holds.", lambda: queue.pinned)
        if disk := self._disk:
            gauge("spanmill_exporter_queue_disk_bytes", "Disk that the queue uses.", lambda: disk.disk)

    def _report(self, request: Request) -> None:
        for reason, error in request.errors.items():
            if (note := self._losses[reason].note()) is not None:
                spans = request.failed[reason]
                self._logger.error(f"{spans} spans lost ({reason.replace('_', ' ')}): {error}{note}")


def _tell(request: Request) -> None:
    """Let go of the one who waits for the result."""
    if request.result is not None and not request.result.done():
        request.result.set_result(None)
