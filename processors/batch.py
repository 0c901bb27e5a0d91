"""`batch`: gather spans into batches that are worth sending.

A batch leaves when it has `send_batch_size` spans, when it would not fit into one message any more
(`send_batch_max_bytes`), or when its first span is `timeout` old. Batches leave one at a time, in order. Place it last,
behind everything that drops spans.

    processors:
      batch:
        timeout: 200ms
        send_batch_size: 8192

Whoever hands spans to it is told that they are taken, so it does not let go of them: what the next stage refuses for
now is kept and offered again, and once `max_held_bytes` are held, new spans are refused. A batch that is larger than
that alone is taken when nothing else is held, for it would never find room.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Annotated

from msgspec import Meta

from collector._kernel import Bell, Hold, StageCounts
from collector.component import Consumer, Host, Processor, Settings
from collector.config.types import Config, Duration, FieldError, NonNegativeInt, PositiveInt, UInt32
from collector.errors import ConsumeError, RetryableError, TooLargeError
from collector.ledger import ProcessorAccount, Reason, reason_for
from collector.offload import Stage
from collector.set_aside import set_aside
from collector.spans import SpanBatch
from collector.telemetry.metrics import Histogram, MetricKind, Sample
from collector.telemetry.occasional import Occasional

_FIRST_WAIT, _LONGEST_WAIT = 0.05, 1.0
"""Seconds between offers of a batch that the next stage refuses. Refusing costs it next to nothing."""

_LAST_MOMENT = 1.0
"""Seconds that the next stage gets to end an offer that is cancelled."""

_SIZES = (10, 25, 50, 75, 100, 250, 500, 750, *range(1000, 10_001, 1000), 20_000, 30_000, 50_000, 100_000)
_BYTES = tuple(2**power for power in range(7, 25))


class BatchConfig(Config):
    """Settings of the `batch` processor."""

    timeout: Duration = Duration.parse("200ms")
    """How old the first span of a batch may get; 0 sends every arrival at once."""
    send_batch_size: UInt32 = 8192
    """Spans that make a batch leave. It may become larger; 0 sends every arrival at once."""
    send_batch_max_size: UInt32 = 0
    """The most spans in a batch that leaves; 0 is no limit."""
    send_batch_max_bytes: NonNegativeInt = 3584 * 1024
    """The most bytes in a batch that leaves, unless it is a single span; 0 is no limit. The default keeps a batch below
    the 4 MiB that a gRPC server takes in one message."""
    max_held_bytes: PositiveInt = 64 << 20
    """The most memory that is held. Beyond it spans are refused."""
    metadata_keys: list[str] = []
    """Not supported yet: a batch of its own for each combination of these headers."""
    metadata_cardinality_limit: Annotated[UInt32, Meta(description="without effect")] = 1000
    """The most combinations of `metadata_keys`."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say."""
        if self.timeout < 0:
            raise FieldError("timeout", f"must be 0 or more, got {self.timeout}")
        if 0 < self.send_batch_max_size < self.send_batch_size:
            raise FieldError(
                "send_batch_max_size",
                f"must be at least send_batch_size {self.send_batch_size}, or 0, got {self.send_batch_max_size}",
            )
        if self.metadata_keys:
            raise FieldError("metadata_keys", "not supported yet: remove this line to batch all requests together")


class BatchProcessor(Processor):
    """Hands on what its hold, which decides, has cut."""

    config_type = BatchConfig
    holds = True

    def __init__(self, config: BatchConfig, settings: Settings[ProcessorAccount], next: Consumer) -> None:
        super().__init__(config, settings, next)
        self._bell = Bell()
        self._hold = Hold(
            self._bell,
            send_batch_size=config.send_batch_size,
            send_batch_max_size=config.send_batch_max_size,
            send_batch_max_bytes=config.send_batch_max_bytes,
            timeout=float(config.timeout),
            max_held_bytes=config.max_held_bytes,
        )
        self._account = settings.account
        self._account.held = lambda: self._hold.spans + self._leaving_spans
        self._leaving: deque[SpanBatch] = deque()
        """Batches that have left the hold. The first one stays until the next stage has it."""
        self._leaving_spans = 0
        self._offering = False
        """Whether the next stage has been asked to take the first of them."""
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._worker: asyncio.Task[None] | None = None
        self._closing = False
        self._stopping = False
        self._losses = Occasional()
        self._delays = Occasional()
        self._sizes = Histogram(_SIZES)
        self._bytes = Histogram(_BYTES)
        self._by_timeout = 0
        self._register(settings)

    async def start(self, host: Host) -> None:
        """Begin to hand on."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._bell.fileno(), self._hear)
        self._worker = loop.create_task(self._hand_on())

    async def consume(self, batch: SpanBatch) -> None:
        """Hold the batch. Raises `RetryableError` when there is no room for it."""
        if not len(batch):
            return
        if (refusal := self._hold.offer(batch, asyncio.get_running_loop().time())) is not None:
            raise RetryableError(refusal)
        self._account.taken += len(batch)
        self._collect()

    def inherit(self, old: BatchProcessor) -> None:
        """Take over what another one holds, but for the batch that its next stage is about to take."""
        for batch in old._give_up():
            self._hold.take_over(batch, asyncio.get_running_loop().time())
            self._account.taken += len(batch)
        self._collect()

    def _give_up(self) -> list[SpanBatch]:
        self._by_timeout += self._hold.close()
        self._collect()
        first = 1 if self._offering else 0
        batches = list(self._leaving)[first:]
        for batch in batches:
            self._leaving.pop()
            self._leaving_spans -= len(batch)
            self._hold.leaving(-batch.pinned)
            self._account.taken -= len(batch)
        return batches

    def stage(self) -> Stage:
        """Give the hold, which takes spans as `consume` does, and rings when there is something to collect."""
        return Stage(self._hold, self._book)

    def _book(self, counts: StageCounts) -> None:
        self._account.taken += counts.taken

    async def shutdown(self) -> None:
        """Hand on everything that is held. When it is cancelled, what is left is booked as lost."""
        self._closing = True
        self._by_timeout += self._hold.close()
        self._collect()
        if self._timer:
            self._timer.cancel()
            self._timer = None
        self._wake.set()
        try:
            if self._worker:
                await asyncio.wait([self._worker])
        finally:
            try:
                await self._stop()
            finally:
                while self._leaving:
                    self._lose(self._leaving[0], Reason.SHUTDOWN, "the collector stopped")

    async def _stop(self) -> None:
        if self._worker:
            asyncio.get_running_loop().remove_reader(self._bell.fileno())
            if not self._worker.done():
                # Who is cancelled in the middle of taking a batch may have it all the same: then there is no next one.
                self._stopping = True
                self._worker.cancel()
                await asyncio.wait([self._worker], timeout=_LAST_MOMENT)

    def _hear(self) -> None:
        """Collect what the hold has cut, or set the timer for what it has begun to hold: it has rung."""
        self._bell.clear()
        self._collect()

    def _collect(self) -> None:
        """Let the batches leave that are cut, and have the timer ring when the next one gets too old."""
        while (batch := self._hold.next()) is not None:
            self._leaving.append(batch)
            self._leaving_spans += len(batch)
            self._wake.set()
        # A timer that rings early costs less than one set anew.
        if self._timer is None and (due_at := self._hold.watch()) is not None:
            self._timer = asyncio.get_running_loop().call_at(due_at, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._by_timeout += self._hold.cut(asyncio.get_running_loop().time())
        self._collect()

    async def _hand_on(self) -> None:
        """Offer the first batch to the next stage until it has it, then the second, to the end."""
        wait = _FIRST_WAIT
        while not self._stopping and (self._leaving or not self._closing):
            if not self._leaving:
                self._wake.clear()
                await self._wake.wait()
                continue
            batch = self._leaving[0]
            try:
                await self._offer(batch)
            except RetryableError as error:
                if (note := self._delays.note()) is not None:
                    self.settings.logger.warning(f"the next stage refuses, the batch is kept: {error}{note}")
                await asyncio.sleep(max(wait, error.retry_after or 0.0))
                wait = min(wait * 2, _LONGEST_WAIT)
            except TooLargeError as error:
                self._halve(batch, error)
            except ConsumeError as error:
                self._lose(batch, reason_for(error), str(error))
            except Exception as error:
                self.settings.logger.exception("a bug in the next stage")
                self._lose(batch, Reason.COMPONENT_ERROR, f"{type(error).__name__}: {error}")
            else:
                wait = _FIRST_WAIT
                self._remove(batch)
                self._account.passed_on += len(batch)
                self._sizes.observe(len(batch))
                self._bytes.observe(batch.size)

    async def _offer(self, batch: SpanBatch) -> None:
        self._offering = True
        try:
            await self.next.consume(batch)
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
            self._leaving.appendleft(half)
            self._leaving_spans += len(half)
            self._hold.leaving(half.pinned)

    def _remove(self, batch: SpanBatch) -> None:
        self._leaving.popleft()
        self._leaving_spans -= len(batch)
        self._hold.leaving(-batch.pinned)

    def _lose(self, batch: SpanBatch, reason: Reason, why: str) -> None:
        self._remove(batch)
        self._account.failed[reason] += len(batch)
        if (note := self._losses.note()) is not None:
            self.settings.logger.error(f"{len(batch)} spans lost ({reason.replace('_', ' ')}): {why}{note}")

    def _register(self, settings: Settings[ProcessorAccount]) -> None:
        labels = {"processor": settings.id, "pipeline": settings.pipeline}
        register = settings.metrics.register
        prefix = "otelcol_processor_batch"
        register(
            f"{prefix}_batch_send_size",
            MetricKind.HISTOGRAM,
            "Spans in the batches that left.",
            lambda: [(labels, self._sizes)],
        )
        register(
            f"{prefix}_batch_send_size_bytes",
            MetricKind.HISTOGRAM,
            "Bytes in the batches that left.",
            lambda: [(labels, self._bytes)],
        )
        register(
            f"{prefix}_batch_size_trigger_send",
            MetricKind.COUNTER,
            "Batches that left because of their size.",
            lambda: [Sample(labels, self._hold.cut_by_size)],
        )
        register(
            f"{prefix}_timeout_trigger_send",
            MetricKind.COUNTER,
            "Batches that left because of their age, or at the end.",
            lambda: [Sample(labels, self._by_timeout)],
        )
