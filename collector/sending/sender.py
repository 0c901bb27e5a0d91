"""What a pipeline sees of an exporter: a consumer that queues, sends, and sends again.

    consume ─▶ queue ─▶ consumers ─▶ timeout ─▶ exporter.export ─▶ backend
                 ▲                       │
                 └──── wait for retry ◀──┘

Without a queue the caller's own await runs the whole chain and hears its end. With one, the batch is taken as soon as
it is in the queue, unless `wait_for_result` is set. How an attempt ends decides what is next: see `attempts.py`.

A queue whose settings name a `storage` is on disk. The batch is taken then once the disk has it, and at shutdown it
stays there. With `batch`, requests are gathered on their way out of the queue.

Every span that was offered is delivered, failed for a reason, or held; see `ExporterAccount`.

At a reload a sender stays and changes, with its queue, if that can be. Otherwise another one follows: what comes is
then forwarded to it, and what is held is handed over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from collector.component import Exporter, Extension, Host, Reference, Settings
from collector.config.types import Config
from collector.errors import ConsumeError, RetryableError, StartError, TooLargeError
from collector.ledger import ExporterAccount, Reason, reason_for
from collector.offload import QueueEnd
from collector.pausing import pause
from collector.sending.attempts import Attempts
from collector.sending.change import Leaving
from collector.sending.config import QueueConfig, SendingConfig
from collector.sending.crew import Crew, cancel
from collector.sending.custody import Custody
from collector.sending.disk import DiskStore, bounds
from collector.sending.memory import MemoryStore
from collector.sending.queue import SendingQueue
from collector.sending.request import Request
from collector.spans import SpanBatch
from collector.storage import Storage
from collector.telemetry.metrics import MetricKind, Sample

_STORAGE = "sending_queue::storage"

_FIRST_WAIT, _LONGEST_WAIT = 0.05, 1.0
"""Seconds between offers to a successor that has no room."""


class Sender:
    """Stands before one exporter. An exporter whose settings are no `SendingConfig` is called directly."""

    def __init__(self, exporter: Exporter, config: Config, settings: Settings[ExporterAccount]) -> None:
        sending = _sending(config)
        self.exporter = exporter
        self.settings = settings
        self._config = queue = sending.sending_queue if sending else None
        self._account = settings.account
        self._custody = Custody(settings.account, settings.logger)
        self._attempts = Attempts(exporter, sending, self._custody.take_over, self._look_again)
        self._former: list[Attempts] = []
        """Attempts with other settings, which may be under way."""
        self._disk: DiskStore | None = None
        self._memory: MemoryStore | None = None
        if queue and queue.storage:
            self._disk = DiskStore(queue, settings.account, settings.logger, self._look_again)
        elif queue and not queue.wait_for_result:
            self._memory = MemoryStore(queue, settings.account, self._look_again)
        self._queue = SendingQueue(queue, self._admits, self._disk or self._memory) if queue else None
        self._custody.queue = self._queue
        self._crew: Crew | None = None
        self._successor: Sender | None = None
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
    def in_flight(self) -> int:
        """Attempts that are under way."""
        return sum(attempts.in_flight for attempts in (self._attempts, *self._former))

    @property
    def is_durable(self) -> bool:
        """Whether what the queue holds survives the process."""
        return self._disk is not None

    def queue_end(self, config: Config) -> QueueEnd | None:
        """Give the queue as the end of a plan, under these settings, which it has or is about to have.

        `None` where callers wait, for room or for the backend.
        """
        store, sending = self._disk or self._memory, _sending(config)
        queue = sending.sending_queue if sending else None
        if store is None or queue is None or queue.block_on_overflow:
            return None
        return QueueEnd(store.part, store.book)

    def references(self) -> list[Reference]:
        """The extension that keeps the queue on disk."""
        return _storage(self._config)

    async def start(self, host: Host) -> None:
        """Start the exporter and the consumers of the queue. Raises `StartError`."""
        await self.exporter.start(host)
        if self._queue is None or self._config is None:
            return
        if self._disk:
            await self._open(self._disk, self._config, host)
        if self._memory:
            self._memory.open()
        self._crew = Crew(self._queue, self._attempts, self._custody, self._config)

    async def consume(self, batch: SpanBatch) -> None:
        """Take the batch into the queue, or deliver it. Raises `ConsumeError`."""
        if not len(batch):
            return
        if self._successor:
            await self._successor.consume(batch)
            return
        if self._queue is None:
            await self._send_now(Request(batch))
            return
        try:
            request = self._queue.request(batch)
            if self._config and self._config.wait_for_result:
                request.result = asyncio.get_running_loop().create_future()
            await self._queue.put(request)
        except ConsumeError:
            self._account.refused += len(batch)
            raise
        if request.result is not None:
            await self._custody.outcome(self._queue, request, request.result)

    async def shutdown(self) -> None:
        """Give everything that is held to the successor, or one last attempt, then stop the exporter.

        When it is cancelled, what is still held is booked as lost.
        """
        try:
            if self._successor and self._queue and (self._disk or self._memory):
                await self._hand_over(self._queue, self._successor)
            self._close()
            if self._crew:
                await self._crew.ended()
            if self._tasks:
                await asyncio.wait(self._tasks)
        finally:
            self._close()
            try:
                await self._stop_tasks()
            finally:
                self._custody.give_up()
                if self._memory:
                    self._memory.close()
                if self._disk:
                    await self._disk.close()
                await self.exporter.shutdown()

    def _close(self) -> None:
        self._closing.set()
        for attempts in (self._attempts, *self._former):
            attempts.last = self._disk is None
        if self._queue:
            self._queue.close()

    async def _open(self, disk: DiskStore, config: QueueConfig, host: Host) -> None:
        try:
            disk.open(await _find_storage(host, config).open(self._owner, bounds(config)))
        except StartError as error:
            raise StartError(error.args[0], path=_STORAGE) from error

    def _look_again(self) -> None:
        """Have the queue look for what may begin, and for who may come in: the backend or the disk has spoken."""
        if self._queue:
            self._queue.wake()

    def _admits(self, begun: int) -> bool:
        return self._attempts.admits(begun)

    # --- other settings

    def can_serve(self, config: Config, extensions: Mapping[str, Extension]) -> bool:
        """Say whether `change` can be called with these settings: the queue would be of the same kind and place."""
        sending = _sending(config)
        queue = sending.sending_queue if sending else None
        if self._config is None or queue is None:
            return self._config is queue
        if queue.storage is None or self._disk is None:
            return (
                self._disk is None and queue.storage is None and queue.wait_for_result == self._config.wait_for_result
            )
        storage, journal = extensions.get(queue.storage), self._disk.journal
        return isinstance(storage, Storage) and journal is not None and storage.is_place_of(self._owner, journal)

    def change(self, exporter: Exporter, config: Config, host: Host) -> Leaving:
        """Go on with other settings and an exporter that was started, and give what ends now.

        What is held stays where it is, and is delivered by the new exporter.
        """
        sending = _sending(config)
        leaving = Leaving(self.exporter, self._attempts, self._crew)
        self._former = [attempts for attempts in (*self._former, self._attempts) if attempts.working]
        self.exporter = exporter
        self._attempts = Attempts(exporter, sending, self._custody.take_over, self._look_again)
        self._config = queue = sending.sending_queue if sending else None
        if self._queue and queue:
            if self._disk and self._disk.journal:
                _find_storage(host, queue).keep(self._disk.journal, bounds(queue))
            if self._crew:
                self._crew.dismiss()
            self._queue.change(queue)
            self._crew = Crew(self._queue, self._attempts, self._custody, queue)
        return leaving

    def forward(self, successor: Sender) -> None:
        """Take nothing from now on: what comes goes to another sender, and what is held follows at shutdown."""
        self._successor = successor

    async def _hand_over(self, queue: SendingQueue, successor: Sender) -> None:
        """Give what is held to the successor."""
        if self._crew:
            self._crew.dismiss()
            await self._crew.ended()
        async for request in queue.take_rest():
            while request.parts:
                spans = len(request.parts[0])
                try:
                    await _offer(successor, request.parts[0])
                except TooLargeError as error:
                    if not request.halve():
                        request.fail(Reason.TOO_LARGE, error)
                except ConsumeError as error:
                    request.fail(reason_for(error), error)
                else:
                    request.parts.popleft()
                    request.handed_over += spans
            self._custody.settle(request)

    # --- without a queue

    async def _send_now(self, request: Request) -> None:
        """Work on a request until it is finished. Raises its error if all of it failed and nobody holds it."""
        try:
            while (wait := await self._attempts.work(request)) is not None:
                await pause(wait, self._closing)
        except asyncio.CancelledError:
            if request.untouched or request.offered:
                raise
            # The backend has a part of it, so it is too late to refuse the rest.
            self._custody.offer(request)
            self._spawn(self._send_now(request))
            return
        self._custody.settle(request)

    # --- tasks and reports

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def _owner(self) -> str:
        """How storage knows this sender."""
        return f"exporters::{self.settings.id}"

    async def _stop_tasks(self) -> None:
        if self._crew:
            await self._crew.break_off()
        await cancel(self._tasks)

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
            unmarked = "Delivered batches that a crash would deliver again, since the disk took no note of them."
            gauge("spanmill_exporter_queue_unmarked", unmarked, lambda: disk.unmarked)


def sending_references(config: Config) -> list[Reference]:
    """Name the extension that a sender with these settings needs."""
    sending = _sending(config)
    return _storage(sending.sending_queue if sending else None)


def _sending(config: Config) -> SendingConfig | None:
    return config if isinstance(config, SendingConfig) else None


def _storage(queue: QueueConfig | None) -> list[Reference]:
    return [Reference(_STORAGE, queue.storage, Storage)] if queue and queue.storage else []


def _find_storage(host: Host, queue: QueueConfig) -> Storage:
    extension = host.extension(queue.storage or "")
    if not isinstance(extension, Storage):
        raise StartError("is not there, or no storage", path=_STORAGE)
    return extension


async def _offer(successor: Sender, batch: SpanBatch) -> None:
    """Offer a batch until it is taken. Raises `ConsumeError` if it never will be."""
    wait = _FIRST_WAIT
    while True:
        try:
            await successor.consume(batch)
        except RetryableError as error:
            await asyncio.sleep(max(wait, error.retry_after or 0.0))
            wait = min(2 * wait, _LONGEST_WAIT)
        else:
            return
