"""`tail_sampling`: decide about a trace when all of it is there.

Spans wait, by trace, until `decision_wait` is over; then policies look at the whole trace, and it goes on or is
dropped. All spans of a trace have to come to the same collector. Place it behind what needs to know who sent a request,
and before `batch`.

    processors:
      tail_sampling:
        decision_wait: 10s
        num_traces: 100_000
        policies:
          - {name: errors, type: status_code, status_code: {status_codes: [ERROR]}}
          - {name: slow, type: latency, latency: {threshold_ms: 5000}}
          - {name: some, type: probabilistic, probabilistic: {sampling_percentage: 10}}

What waits is bounded by `num_traces` and by `max_bytes`. Where either is reached, the oldest traces are decided about
with what is there of them. Whoever hands spans to it is told that they are taken, so what the next stage refuses for
now is kept and offered again; once half of `max_bytes` waits for the next stage, new spans are refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from collector.component import Consumer, Host, Processor, Reference, Settings
from collector.ledger import ProcessorAccount
from collector.offload import Stage
from collector.spans import SpanBatch
from collector.storage import Storage
from processors.tail_sampling.config import TailSamplingConfig
from processors.tail_sampling.metrics import register
from processors.waiting_traces import WaitingTraces


class TailSamplingProcessor(Processor):
    """Holds traces until the kernel has decided about them."""

    config_type = TailSamplingConfig
    config: TailSamplingConfig
    holds = True

    def __init__(self, config: TailSamplingConfig, settings: Settings[ProcessorAccount], next: Consumer) -> None:
        super().__init__(config, settings, next)
        self._waiting = WaitingTraces(self, settings, _kernel_settings(config))
        self._host: Host | None = None
        self._file: Path | None = None
        register(self._waiting, settings)

    def references(self) -> Iterable[Reference]:
        """Say which extension keeps traces from one run to the next."""
        return [Reference("storage", self.config.storage, Storage)] if self.config.storage else []

    async def start(self, host: Host) -> None:
        """Begin to decide, with what an earlier run has saved."""
        self._host = host
        storage = host.extension(self.config.storage) if self.config.storage else None
        if isinstance(storage, Storage):
            self._file = storage.file(f"processors::{self.settings.pipeline}.{self.settings.id}")
            self._waiting.restore(self._file)
        self._waiting.start()

    async def consume(self, batch: SpanBatch) -> None:
        """Hold the batch. Raises `RetryableError` when there is no room for it."""
        self._waiting.consume(batch)

    def inherit(self, old: TailSamplingProcessor) -> None:
        """Take over what another one holds and remembers. This one's policies decide."""
        self._waiting.inherit(old._waiting)

    def stage(self) -> Stage:
        """Give the part of the kernel that does the same as `consume`."""
        return self._waiting.stage()

    async def shutdown(self) -> None:
        """Decide about everything that waits, or save it for the next run if the collector stops."""
        if self._file and self._host and self._host.is_stopping:
            self._waiting.save(self._file)
        await self._waiting.shutdown(discard=self.config.drop_pending_traces_on_shutdown)


def _kernel_settings(config: TailSamplingConfig) -> dict[str, object]:
    return {
        "decision_wait": float(config.decision_wait),
        "decision_wait_after_root_received": float(config.decision_wait_after_root_received),
        "decision_wait_after_last_span": float(config.decision_wait_after_last_span),
        "max_decision_wait": float(config.max_decision_wait),
        "num_traces": config.num_traces,
        "max_bytes": config.max_bytes,
        "maximum_trace_size_bytes": config.maximum_trace_size_bytes,
        "sampled_cache_size": config.decision_cache.sampled_cache_size,
        "non_sampled_cache_size": config.decision_cache.non_sampled_cache_size,
        "remember": True,
        "block_on_overflow": config.block_on_overflow,
        "span_ingest": config.sampling_strategy == "span-ingest",
        "decide_early": config.decide_early,
        "sample_on_first_match": config.sample_on_first_match,
        "record_policy": config.record_policy,
        "stress": msgspec.to_builtins(config.stress) if config.stress else None,
        "policies": msgspec.to_builtins(config.policies),
    }
