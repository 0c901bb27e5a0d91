"""`probabilistic_sampler`: keep a fixed share of traces.

All spans of a trace share its fate, since the decision depends on the trace id and the seed alone; collectors with the
same seed, the Go collector among them, decide alike. A span attribute `sampling.priority` overrules it: positive
numbers keep the span, zero drops it. Place it before `batch`.

Where services sample already, or several collectors one behind the other, `mode: equalizing` brings all of them to one
share, and `mode: proportional` keeps a part of what each has left. Both write into the tracestate of a span with which
probability it was kept, so that whatever counts spans later can tell how many it stands for.

    processors:
      probabilistic_sampler:
        sampling_percentage: 15
        hash_seed: 22
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import Meta

from collector._kernel import Op, OpCounts
from collector.component import Settings, SpanOp
from collector.config.types import Config, FieldError, Notice, UInt32
from collector.ledger import ProcessorAccount
from collector.telemetry.metrics import MetricKind, Sample

SMALLEST_PROBABILITY = 2.0**-56
"""What 56 bits of randomness can express."""

LOGS_ONLY = Notice("has no effect on traces")


class ProbabilisticSamplerConfig(Config):
    """Settings of the `probabilistic_sampler` processor."""

    sampling_percentage: float = 0.0
    """Share of traces to keep, in percent. 15 keeps about 15 of every 100 traces, 100 or more keeps all. In mode
    `hash_seed` the share is rounded down to a multiple of 1/16384."""

    hash_seed: UInt32 = 0
    """Collectors that share a seed keep the same traces. Give a second stage behind this one another seed. For mode
    `hash_seed`, the others need none."""

    mode: Literal["", "hash_seed", "proportional", "equalizing"] = ""
    """How to decide. `hash_seed`, the default, by a hash of the trace id, for spans that nobody has sampled before. The
    others go by the randomness and the threshold in the W3C tracestate (`ot=rv:…;th:…`), or by the end of the trace id:
    `proportional` keeps the share of what arrives, `equalizing` the share of what there was before anybody sampled."""

    fail_closed: bool = True
    """Whether spans are dropped that cannot be decided about: no trace id, a tracestate that cannot be read, or a
    threshold in it that contradicts its randomness; in mode `hash_seed` also if somebody else sampled already."""

    sampling_precision: Annotated[int, Meta(ge=1, le=14)] = 4
    """Hex digits of the threshold that is written, in the modes `proportional` and `equalizing`, those in front not
    counted that are all `f` or all `0`. More make the share more exact and the tracestate longer."""
    attribute_source: Annotated[Literal["traceID", "record"], LOGS_ONLY] = "traceID"
    """Taken, and without effect on traces."""
    from_attribute: Annotated[str, LOGS_ONLY] = ""
    """Taken, and without effect on traces."""
    sampling_priority: Annotated[str, LOGS_ONLY] = ""
    """Taken, and without effect on traces: there the attribute is always `sampling.priority`."""

    def __post_init__(self) -> None:
        percentage = self.sampling_percentage
        if math.isnan(percentage) or percentage < 0:
            raise FieldError("sampling_percentage", f"must be a percentage from 0, got {percentage}")
        if 0 < percentage / 100 < SMALLEST_PROBABILITY:
            raise FieldError("sampling_percentage", f"is smaller than any share that can be kept, got {percentage}")


class ProbabilisticSamplerProcessor(SpanOp):
    """Forwards the traces whose id falls below a threshold."""

    config_type = ProbabilisticSamplerConfig
    config: ProbabilisticSamplerConfig
    drop_reason = "sampled_out"

    def __init__(self, config: ProbabilisticSamplerConfig, settings: Settings[ProcessorAccount]) -> None:
        super().__init__(config, settings)
        self._decisions: dict[str, int] = {}
        settings.metrics.register(
            "otelcol_processor_probabilistic_sampler_count_traces_sampled",
            MetricKind.COUNTER,
            "Spans by what was decided about them, and by what decided.",
            self._samples,
        )

    def ops(self) -> list[Op]:
        """One op."""
        settings = {
            "sampling_percentage": self.config.sampling_percentage,
            "hash_seed": self.config.hash_seed,
            "mode": self.config.mode or "hash_seed",
            "sampling_precision": self.config.sampling_precision,
            "fail_closed": self.config.fail_closed,
        }
        return [Op("probabilistic_sampler", settings)]

    def committed(self, counts: list[OpCounts]) -> None:
        """Add up the decisions of a pass."""
        for count in counts:
            for decision, spans in count.tallies.items():
                if spans:
                    self._decisions[decision] = self._decisions.get(decision, 0) + spans

    def _samples(self) -> Iterable[Sample]:
        for decision, spans in self._decisions.items():
            sampled, _, policy = decision.partition("/")
            yield Sample({"processor": self.settings.id, "sampled": sampled, "policy": policy}, spans)
