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
from typing import Annotated

from msgspec import Meta

from collector._kernel import Bell, Hold, StageCounts
from collector.component import Consumer, Host, Processor, Settings
from collector.config.types import Config, Duration, FieldError, NonNegativeInt, PositiveInt, UInt32
from collector.errors import RetryableError
from collector.handing_on import HandOn
from collector.ledger import ProcessorAccount
from collector.offload import Stage
from collector.spans import SpanBatch
from collector.telemetry.metrics import Histogram, MetricKind, Sample

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
        self._hand_on = HandOn(
            self, settings.account, settings.logger, leaving=self._hold.leaving, passed=self._observe
        )
        self._account.held = lambda: self._hold.spans + self._hand_on.spans
        self._timer: asyncio.TimerHandle | None = None
        self._sizes = Histogram(_SIZES)
        self._bytes = Histogram(_BYTES)
        self._by_timeout = 0
        self._register(settings)

    async def start(self, host: Host) -> None:
        """Begin to hand on."""
        asyncio.get_running_loop().add_reader(self._bell.fileno(), self._hear)
        self._hand_on.start()

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
        return self._hand_on.take_back()

    def stage(self) -> Stage:
        """Give the hold, which takes spans as `consume` does, and rings when there is something to collect."""
        return Stage(self._hold, self._book)

    def _book(self, counts: StageCounts) -> None:
        self._account.taken += counts.taken

    async def shutdown(self) -> None:
        """Hand on everything that is held. When it is cancelled, what is left is booked as lost."""
        self._by_timeout += self._hold.close()
        self._collect()
        if self._timer:
            self._timer.cancel()
            self._timer = None
        try:
            await self._hand_on.finish()
        finally:
            asyncio.get_running_loop().remove_reader(self._bell.fileno())

    def _hear(self) -> None:
        """Collect what the hold has cut, or set the timer for what it has begun to hold: it has rung."""
        self._bell.clear()
        self._collect()

    def _collect(self) -> None:
        """Let the batches leave that are cut, and have the timer ring when the next one gets too old."""
        while (batch := self._hold.next()) is not None:
            self._hand_on.put(batch)
        # A timer that rings early costs less than one set anew.
        if self._timer is None and (due_at := self._hold.watch()) is not None:
            self._timer = asyncio.get_running_loop().call_at(due_at, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._by_timeout += self._hold.cut(asyncio.get_running_loop().time())
        self._collect()

    def _observe(self, batch: SpanBatch) -> None:
        self._sizes.observe(len(batch))
        self._bytes.observe(batch.size)

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
