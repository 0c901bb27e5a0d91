"""The settings of `tail_sampling`."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from collector.config.types import Config, Duration, FieldError, NonNegativeInt, PositiveInt, Section
from processors.tail_sampling.policies import Policy


class DecisionCacheConfig(Config):
    """Decisions that are remembered longer than their traces, 104 bytes of memory each."""

    sampled_cache_size: NonNegativeInt = 0
    """How many traces that were sampled; 0 is no cache."""
    non_sampled_cache_size: NonNegativeInt = 0
    """How many traces that were not; 0 is no cache."""


class StressConfig(Config):
    """Decide about new traces by probability alone while spans take nearly `max_bytes`.

    This is what `probabilistic_sampler` does in mode `equalizing`: collectors agree, and the tracestate says how many
    traces a sampled one stands for.
    """

    sampling_percentage: Annotated[float, Meta(gt=0, le=100)]
    """The share of new traces that stays, in percent."""
    activation_percentage: Annotated[float, Meta(gt=0, le=100)] = 90.0
    """Begin when spans take so much of `max_bytes`, in percent."""
    deactivation_percentage: Annotated[float, Meta(ge=0, le=100)] = 75.0
    """End when they take less."""
    minimum_duration: Duration = Duration.parse("10s")
    """How long it lasts at least."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say."""
        if self.deactivation_percentage > self.activation_percentage:
            raise FieldError(
                "deactivation_percentage",
                f"must be at most activation_percentage {self.activation_percentage:g},"
                f" got {self.deactivation_percentage:g}",
            )
        if self.minimum_duration < 0:
            raise FieldError("minimum_duration", f"must be 0 or more, got {self.minimum_duration}")


class TailSamplingConfig(Config):
    """Settings of the `tail_sampling` processor."""

    policies: list[Policy] = []
    """What decides. A trace is sampled if any of them says so, unless one of the type `drop` drops it."""
    decision_wait: Duration = Duration.parse("30s")
    """How long a trace waits for its decision, from its first span."""
    decision_wait_after_root_received: Duration = Duration(0)
    """Decide so long after a span without a parent has come, if that is earlier; 0 does not."""
    decision_wait_after_last_span: Duration = Duration(0)
    """Let a trace wait beyond `decision_wait` while it still grows: until no span has come for so long; 0 does not."""
    max_decision_wait: Duration = Duration.parse("10m")
    """The longest wait of a trace that grows."""
    decide_early: bool = False
    """Decide as soon as no span that may still come can change the decision. Later spans then go the same way."""
    num_traces: PositiveInt = 50_000
    """The most traces in memory. Beyond it, the oldest of those that wait is decided about with what is there of it.
    Decisions without a cache are remembered as long as there is room beside the traces that wait."""
    max_bytes: PositiveInt = 512 << 20
    """The most memory that spans take, and decisions without a cache. Beyond it, decisions are forgotten down to an
    eighth of it, and the oldest traces are decided about with what is there of them."""
    maximum_trace_size_bytes: NonNegativeInt = 0
    """A trace that grows beyond it is not sampled, and its spans go at once; 0 is no bound."""
    block_on_overflow: bool = False
    """Refuse new traces while `num_traces` wait, for the client to send them again, instead of deciding early."""
    decision_cache: DecisionCacheConfig = DecisionCacheConfig()
    """What becomes of spans that come after the decision is known for as long as it is remembered."""
    sample_on_first_match: bool = False
    """Ask no more policies once one has sampled a trace. The decision is the same; later policies count nothing."""
    sampling_strategy: Literal["trace-complete", "span-ingest"] = "trace-complete"
    """`span-ingest` decides about each arrival of spans by itself: what is sampled or dropped then is so for good, and
    what nobody wanted when `decision_wait` is over is not sampled. `decide_early` is as fast, and sees all spans."""
    record_policy: bool = False
    """Write onto the spans of a sampled trace which policy sampled it, `sampling.policy`, and how many traces it stands
    for, `sampling.weight`: one over the probability of being sampled. Rates count as if they let everything pass."""
    stress: Section[StressConfig] = None
    """What to do when the bound is near. Without it, the oldest traces are decided about early."""
    storage: str | None = None
    """The id of a `file_storage` extension: traces that wait when the collector stops are saved there, and wait on when
    it starts again. Without it they are decided about when it stops. A crash loses them either way."""
    drop_pending_traces_on_shutdown: bool = False
    """Lose the traces that wait when the collector stops, instead of deciding about them. They are counted."""
    expected_new_traces_per_sec: Annotated[NonNegativeInt, Meta(description="without effect")] = 0
    """Taken, without effect: nothing has to be made ready."""
    num_shards: Annotated[int, Meta(ge=0, le=256, description="without effect")] = 1
    """Taken, without effect: the receivers' threads look at spans, and no limit is divided."""
    tail_storage: str | None = None
    """Not supported."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say."""
        for name in (
            "decision_wait",
            "decision_wait_after_root_received",
            "decision_wait_after_last_span",
            "max_decision_wait",
        ):
            if (value := getattr(self, name)) < 0:
                raise FieldError(name, f"must be 0 or more, got {value}")
        if self.decision_wait_after_last_span and self.max_decision_wait < self.decision_wait:
            raise FieldError(
                "max_decision_wait",
                f"must be at least decision_wait {self.decision_wait}, got {self.max_decision_wait}",
            )
        if not self.policies:
            raise FieldError("policies", "needs at least one policy: without any, every span would be dropped")
        if self.tail_storage is not None:
            raise FieldError(
                "tail_storage", "not supported: traces wait in memory, and storage saves them at a restart"
            )
        if self.storage is not None and self.drop_pending_traces_on_shutdown:
            raise FieldError("storage", "cannot stand beside drop_pending_traces_on_shutdown: remove one of them")
