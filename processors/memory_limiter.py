"""`memory_limiter`: refuse spans before the process runs out of memory.

Above the soft limit it gives memory back to the system, and if that does not help, refuses. Clients are told to try
again, so nothing is lost. Place it first: it can only refuse what nobody has taken yet.

    processors:
      memory_limiter:
        check_interval: 1s
        limit_percentage: 80
        spike_limit_percentage: 20

The limits are for the resident memory of the process. The soft limit lies below the hard one by the spike limit, a
fifth of it by default. Memory is looked at every `check_interval`, and earlier when a spike's worth of spans came in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from collector import memory
from collector._kernel import Bell, Gate, StageCounts
from collector.component import Consumer, Host, Processor, Settings
from collector.config.types import Config, Duration, FieldError, UInt32
from collector.errors import RetryableError
from collector.ledger import ProcessorAccount
from collector.offload import Stage
from collector.spans import SpanBatch
from collector.telemetry.metrics import MetricKind, Sample

_MIB = 1 << 20

_EFFECTIVE = 0.05
"""Trimming that gives back less than this share of the memory was not worth its time."""


class MemoryLimiterConfig(Config):
    """Settings of the `memory_limiter` processor."""

    check_interval: Duration = Duration(0)
    """How often memory is looked at. Has to be set; 1s does well."""
    limit_mib: UInt32 = 0
    """The hard limit in MiB; 0 leaves it to `limit_percentage`."""
    spike_limit_mib: UInt32 = 0
    """How far below the hard limit the soft one lies, in MiB; 0 is a fifth of the hard limit."""
    limit_percentage: UInt32 = 0
    """The hard limit as a share of the memory of the container or machine, if `limit_mib` is not set."""
    spike_limit_percentage: UInt32 = 0
    """How far below the hard limit the soft one lies, as a share of the same memory; 0 is a fifth of the hard limit."""
    min_gc_interval_when_soft_limited: Duration = Duration.parse("10s")
    """The least time between two attempts to give memory back, above the soft limit."""
    min_gc_interval_when_hard_limited: Duration = Duration(0)
    """The least time between two attempts to give memory back, above the hard limit."""
    max_gc_interval_when_soft_limited: Duration = Duration.parse("30s")
    """What that time may grow to while attempts bring nothing, above the soft limit; 0 lets it not grow."""
    max_gc_interval_when_hard_limited: Duration = Duration.parse("30s")
    """What that time may grow to while attempts bring nothing, above the hard limit; 0 lets it not grow."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say."""
        if self.check_interval <= 0:
            raise FieldError("check_interval", "must be greater than 0, such as 1s")
        self._check_limits()
        for level in ("soft", "hard"):
            least, most = f"min_gc_interval_when_{level}_limited", f"max_gc_interval_when_{level}_limited"
            for field in (least, most):
                if getattr(self, field) < 0:
                    raise FieldError(field, f"must be 0 or more, got {getattr(self, field)}")
            if 0 < getattr(self, most) < getattr(self, least):
                raise FieldError(most, f"must be at least {least} {getattr(self, least)}, or 0")
        if self.min_gc_interval_when_soft_limited < self.min_gc_interval_when_hard_limited:
            raise FieldError(
                "min_gc_interval_when_soft_limited",
                f"must be at least min_gc_interval_when_hard_limited {self.min_gc_interval_when_hard_limited}",
            )
        if 0 < self.max_gc_interval_when_soft_limited < self.max_gc_interval_when_hard_limited:
            raise FieldError(
                "max_gc_interval_when_soft_limited",
                f"must be at least max_gc_interval_when_hard_limited {self.max_gc_interval_when_hard_limited}, or 0",
            )

    def _check_limits(self) -> None:
        if not self.limit_mib and not self.limit_percentage:
            raise FieldError("limit_mib", "set limit_mib or limit_percentage")
        for field in ("limit_percentage", "spike_limit_percentage"):
            if getattr(self, field) > 100:
                raise FieldError(field, f"must be from 1 to 100, got {getattr(self, field)}")
        for unit in ("mib", "percentage"):
            limit, spike = getattr(self, f"limit_{unit}"), getattr(self, f"spike_limit_{unit}")
            if limit and spike >= limit:
                raise FieldError(f"spike_limit_{unit}", f"must be smaller than limit_{unit} {limit}, got {spike}")


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes of memory."""

    hard: int
    spike: int

    @property
    def soft(self) -> int:
        """Above this, spans are refused."""
        return self.hard - self.spike

    @classmethod
    def of(cls, config: MemoryLimiterConfig, total: int) -> Limits:
        """Work out the limits on a machine or in a container with `total` bytes."""
        if config.limit_mib:
            hard, spike = config.limit_mib * _MIB, config.spike_limit_mib * _MIB
        else:
            hard, spike = total * config.limit_percentage // 100, total * config.spike_limit_percentage // 100
        return cls(hard, spike or hard // 5)


class Limiter:
    """Decides when to trim and when to refuse. It is told the memory in use and the time."""

    def __init__(self, config: MemoryLimiterConfig, limits: Limits) -> None:
        self.limits = limits
        self.refusing = False
        self._config = config
        self._trimmed_at = float("-inf")
        self._gap = 0.0
        """Grows while trimming brings nothing."""

    def wants_trim(self, used: int, now: float) -> bool:
        """Say whether it is time to give memory back."""
        if used <= self.limits.soft:
            self._gap = 0.0
            return False
        least, _ = self._intervals(used)
        return now - self._trimmed_at >= max(least, self._gap)

    def trimmed(self, before: int, after: int, now: float) -> None:
        """Hear what an attempt to give memory back has brought."""
        self._trimmed_at = now
        if after <= self.limits.soft or before - after >= _EFFECTIVE * before:
            self._gap = 0.0
            return
        least, most = self._intervals(after)
        self._gap = min(most, 2 * max(self._gap, least, 0.95 * self._config.check_interval))

    def judge(self, used: int) -> bool:
        """Decide whether to refuse. True if that is a change."""
        before, self.refusing = self.refusing, used > self.limits.soft
        return self.refusing is not before

    def _intervals(self, used: int) -> tuple[float, float]:
        config = self._config
        if used > self.limits.hard:
            return config.min_gc_interval_when_hard_limited, config.max_gc_interval_when_hard_limited
        return config.min_gc_interval_when_soft_limited, config.max_gc_interval_when_soft_limited


class MemoryLimiterProcessor(Processor):
    """Measures, and refuses what the limiter says."""

    config_type = MemoryLimiterConfig

    def __init__(
        self,
        config: MemoryLimiterConfig,
        settings: Settings[ProcessorAccount],
        next: Consumer,
        measure: Callable[[], int] = memory.rss,
        trim: Callable[[], None] = memory.trim,
    ) -> None:
        super().__init__(config, settings, next)
        self._limiter = Limiter(config, Limits.of(config, memory.total()))
        self._bell = Bell()
        self._measure = measure
        self._trim = trim
        self._interval = float(config.check_interval)
        limits = self._limiter.limits
        self._gate = Gate(self._bell, soft=limits.soft, spike=limits.spike, retry_after=self._interval)
        """What batches pass, and the decision as the kernel knows it."""
        self._account = settings.account
        self._accepted = 0
        self._refused = 0
        self._task: asyncio.Task[None] | None = None
        labels = {"processor": settings.id, "pipeline": settings.pipeline}
        settings.metrics.register(
            "otelcol_processor_memory_limiter_accepted_spans",
            MetricKind.COUNTER,
            "Spans that were let through.",
            lambda: [Sample(labels, self._accepted)],
        )
        settings.metrics.register(
            "otelcol_processor_memory_limiter_refused_spans",
            MetricKind.COUNTER,
            "Spans that were refused for want of memory.",
            lambda: [Sample(labels, self._refused)],
        )

    async def start(self, host: Host) -> None:
        """Begin to look at memory."""
        limits = self._limiter.limits
        self.settings.logger.info(
            "memory limits", extra={"hard_limit_mib": limits.hard // _MIB, "soft_limit_mib": limits.soft // _MIB}
        )
        self.check()
        loop = asyncio.get_running_loop()
        loop.add_reader(self._bell.fileno(), self._hear)
        self._task = loop.create_task(self._watch())

    async def consume(self, batch: SpanBatch) -> None:
        """Let the batch through. Raises `RetryableError` while memory is short."""
        if self._gate.is_due:
            # More came in than the spike limit allows for: do not wait for the next regular look.
            self.check()
        if self._gate.is_closed:
            self._refused += len(batch)
            raise RetryableError("data refused due to high memory usage", retry_after=self._interval)
        self._gate.let_through(batch.pinned)
        await self.next.consume(batch)
        self._passed(len(batch))

    def stage(self) -> Stage:
        """Give the gate, which refuses as `consume` does."""
        return Stage(self._gate, self._book)

    async def shutdown(self) -> None:
        """Stop looking."""
        if self._task:
            asyncio.get_running_loop().remove_reader(self._bell.fileno())
            self._task.cancel()
            self._task = None

    def check(self) -> None:
        """Look at memory, give some back if that is due, and decide."""
        now = asyncio.get_running_loop().time()
        used = self._measure()
        if self._limiter.wants_trim(used, now):
            before = used
            self._trim()
            used = self._measure()
            self._limiter.trimmed(before, used, now)
        changed = self._limiter.judge(used)
        self._gate.looked(self._limiter.refusing)
        if changed:
            state = {"cur_mem_mib": used // _MIB}
            if self._limiter.refusing:
                self.settings.logger.warning("memory is above the soft limit, spans are refused", extra=state)
            else:
                self.settings.logger.info("memory is back within its limits, spans are accepted", extra=state)

    def _hear(self) -> None:
        """Look at memory: the gate has closed by itself."""
        self._bell.clear()
        self.check()

    def _passed(self, spans: int) -> None:
        self._accepted += spans
        self._account.taken += spans
        self._account.passed_on += spans

    def _book(self, counts: StageCounts) -> None:
        self._passed(counts.taken)
        self._refused += counts.refused

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            self.check()
