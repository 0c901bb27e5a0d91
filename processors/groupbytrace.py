"""`groupbytrace`: bring the spans of a trace together.

A trace leaves as a whole, `wait_duration` after its first span has come. Spans that come later begin to wait anew, and
leave as another batch. Nothing is dropped. `tail_sampling` groups by itself, and needs none of this before it.

    processors:
      groupbytrace:
        wait_duration: 10s
        num_traces: 100_000

What is held is bounded by `num_traces` and by `max_bytes`. Where either is reached, the oldest traces leave before
their time, which is counted. The spans of a trace have to come to the same collector.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from msgspec import Meta

from collector.component import Consumer, Host, Processor, Settings
from collector.config.types import Config, Duration, FieldError, PositiveInt, UInt32
from collector.ledger import ProcessorAccount
from collector.offload import Stage
from collector.spans import SpanBatch
from collector.telemetry.metrics import MetricKind, Sample
from processors.waiting_traces import WaitingTraces


class GroupbytraceConfig(Config):
    """Settings of the `groupbytrace` processor."""

    wait_duration: Duration = Duration.parse("1s")
    """How long a trace waits, from its first span."""
    num_traces: PositiveInt = 1_000_000
    """The most traces that wait. Beyond it the oldest one leaves early."""
    max_bytes: PositiveInt = 512 << 20
    """The most memory that spans take. Beyond it the oldest traces leave early."""
    num_workers: Annotated[UInt32, Meta(description="without effect")] = 1
    """Taken, without effect: the receivers' threads do the work."""
    discard_orphans: bool = False
    """Not supported, as in the Go collector."""
    store_on_disk: bool = False
    """Not supported, as in the Go collector."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say."""
        if self.wait_duration < 0:
            raise FieldError("wait_duration", f"must be 0 or more, got {self.wait_duration}")
        if self.discard_orphans:
            raise FieldError("discard_orphans", "not supported: remove this line, spans without a parent are kept")
        if self.store_on_disk:
            raise FieldError("store_on_disk", "not supported: remove this line, traces wait in memory")


class GroupbytraceProcessor(Processor):
    """Holds traces until they have waited."""

    config_type = GroupbytraceConfig
    holds = True

    def __init__(self, config: GroupbytraceConfig, settings: Settings[ProcessorAccount], next: Consumer) -> None:
        super().__init__(config, settings, next)
        self._waiting = WaitingTraces(
            self,
            settings,
            {
                "decision_wait": float(config.wait_duration),
                "num_traces": config.num_traces,
                "max_bytes": config.max_bytes,
                "remember": False,
                "policies": [{"name": "all", "type": "always_sample"}],
            },
        )
        self._register(settings, config)

    async def start(self, host: Host) -> None:
        """Begin to let traces go."""
        self._waiting.start()

    async def consume(self, batch: SpanBatch) -> None:
        """Hold the batch. Raises `RetryableError` when there is no room for it."""
        self._waiting.consume(batch)

    def inherit(self, old: GroupbytraceProcessor) -> None:
        """Take over what another one holds."""
        self._waiting.inherit(old._waiting)

    def stage(self) -> Stage:
        """Give the part of the kernel that does the same as `consume`."""
        return self._waiting.stage()

    async def shutdown(self) -> None:
        """Let all traces go."""
        await self._waiting.shutdown()

    def _register(self, settings: Settings[ProcessorAccount], config: GroupbytraceConfig) -> None:
        labels = {"processor": settings.id, "pipeline": settings.pipeline}
        traces, account = self._waiting.traces, settings.account

        def register(name: str, kind: MetricKind, help: str, read: Callable[[], int]) -> None:
            settings.metrics.register(
                f"otelcol_processor_groupbytrace_{name}", kind, help, lambda: [Sample(labels, read())]
            )

        register("conf_num_traces", MetricKind.GAUGE, "The setting num_traces.", lambda: config.num_traces)
        register("num_traces_in_memory", MetricKind.GAUGE, "Traces that wait.", lambda: traces.traces)
        register("spans_released", MetricKind.COUNTER, "Spans that the next stage took.", lambda: account.passed_on)
        register("traces_released", MetricKind.COUNTER, "Traces that were let go.", lambda: traces.counts().sampled)
        register(
            "traces_evicted",
            MetricKind.COUNTER,
            "Traces that left before their time, since there were too many or they took too much memory.",
            lambda: sum(traces.counts().early[:2]),
        )
