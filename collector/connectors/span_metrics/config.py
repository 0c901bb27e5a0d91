"""Settings of the `span_metrics` connector, spelt as in the Go collector."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Literal

from msgspec import Meta

from collector.config.types import Config, Duration, FieldError, NonNegativeInt, Notice, PositiveInt, Section

CUMULATIVE = "AGGREGATION_TEMPORALITY_CUMULATIVE"
DELTA = "AGGREGATION_TEMPORALITY_DELTA"

RESERVED = ("service.name", "span.name", "span.kind", "status.code", "collector.instance.id")
"""Attributes that series have without being asked, unless they are excluded."""

_BUCKETS = "2ms 4ms 6ms 8ms 10ms 50ms 100ms 200ms 400ms 800ms 1s 1400ms 2s 5s 10s 15s"
_LARGEST_SIZE = 16_384


class DimensionConfig(Config):
    """An attribute that tells series apart: of the span, or of the resource where the span has none."""

    name: str = ""
    """The attribute."""
    default: str | None = None
    """Stands for it where there is none. Without a default the series does not have the attribute then."""
    glob: str = ""
    """All attributes whose names match, instead of `name`: `*` is anything up to the next dot, `**` anything."""


class ExplicitHistogramConfig(Config):
    """Buckets that are given."""

    buckets: tuple[Duration, ...] = tuple(Duration.parse(text) for text in _BUCKETS.split())
    """The upper bound of each but the last, ascending."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say."""
        for index, (low, high) in enumerate(pairwise(self.buckets), 1):
            if high <= low:
                raise FieldError(f"buckets[{index}]", f"must be more than {low}, got {high}")
        if self.buckets and self.buckets[0] < 0:
            raise FieldError("buckets[0]", f"must be 0 or more, got {self.buckets[0]}")


class ExponentialHistogramConfig(Config):
    """Buckets that grow with the values, of which there are so many."""

    max_size: Annotated[int, Meta(ge=0, le=_LARGEST_SIZE)] = 160
    """How many buckets there are at most; 0 stands for 160."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say."""
        if self.max_size == 1:
            raise FieldError("max_size", "must be at least 2, or 0 for the usual size, got 1")


class HistogramConfig(Config):
    """How durations are measured."""

    disable: bool = False
    """Do not measure them."""
    unit: Literal["ms", "s"] = "ms"
    """The unit of the metric, which is part of its name for Prometheus."""
    explicit: Section[ExplicitHistogramConfig] = None
    """Buckets that are given. This is what there is where nothing is said."""
    exponential: Section[ExponentialHistogramConfig] = None
    """Buckets that grow with the values, instead."""
    dimensions: list[DimensionConfig] = []
    """Dimensions of durations alone, besides those of all."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say."""
        if self.explicit and self.exponential:
            raise FieldError("exponential", "cannot be had beside explicit; remove one of them")


class ExemplarsConfig(Config):
    """Spans that are sent along as examples of what was counted."""

    enabled: bool = False
    """Send them."""
    max_per_data_point: NonNegativeInt = 5
    """How many a data point has at most: the first ones of each interval."""


class EventsConfig(Config):
    """The metric of span events."""

    enabled: bool = False
    """Count them."""
    dimensions: list[DimensionConfig] = []
    """Attributes of events that tell series apart, of the span first and of the resource last."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say."""
        if self.enabled and not self.dimensions:
            raise FieldError("dimensions", "must not be empty when events are counted")


class GenAiConfig(Config):
    """Metrics of calls of language models, by the semantic conventions for generative AI.

    They are made of spans with one of `gen_ai.operation.name`, `gen_ai.provider.name`, `gen_ai.system` and
    `gen_ai.request.model`. Where several attributes are listed, the first one that a span has counts.
    """

    dimensions: list[DimensionConfig] = []
    """Attributes that tell series apart, besides operation, provider and model."""
    input_token_attributes: tuple[str, ...] = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens")
    """Attributes with the number of tokens that were sent."""
    output_token_attributes: tuple[str, ...] = ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens")
    """Attributes with the number of tokens that came back."""
    time_to_first_chunk_attributes: tuple[str, ...] = (
        "gen_ai.response.time_to_first_chunk",
        "gen_ai.server.time_to_first_token",
    )
    """Attributes with the seconds until the first piece of the answer came."""
    first_chunk_events: tuple[str, ...] = (
        "gen_ai.token",
        "llm.content.completion.chunk",
        "First Token Stream Event",
        "ai.stream.firstChunk",
    )
    """Names of span events. Where no attribute says it, the first one tells when the first piece of the answer came."""
    cost_attribute: str = "gen_ai.usage.cost"
    """The attribute with what the call cost."""


class SpanMetricsConfig(Config):
    """Settings of the `span_metrics` connector."""

    dimensions: list[DimensionConfig] = []
    """Attributes that tell series apart, besides `service.name`, `span.name`, `span.kind`, `status.code` and
    `collector.instance.id`."""
    calls_dimensions: list[DimensionConfig] = []
    """Dimensions of the number of spans alone."""
    exclude_dimensions: list[str] = []
    """Which of the five usual attributes series do not have."""
    include_instrumentation_scope: list[str] = []
    """Names of scopes whose spans have series of their own, with the scope's name and version."""
    histogram: HistogramConfig = HistogramConfig()
    """How durations are measured."""
    aggregation_temporality: Literal["AGGREGATION_TEMPORALITY_CUMULATIVE", "AGGREGATION_TEMPORALITY_DELTA"] = (
        "AGGREGATION_TEMPORALITY_CUMULATIVE"
    )
    """Whether metrics say what there was since the start, or since the last time. Deltas are not on the collector's own
    page."""
    metrics_flush_interval: Duration = Duration.parse("60s")
    """How often metrics leave."""
    metrics_expiration: Duration = Duration(0)
    """Forget a resource that had no spans for so long; 0 is never."""
    series_expiration: Duration = Duration(0)
    """Forget a series that had no spans for so long; 0 is never."""
    metric_timestamp_cache_size: int = 1000
    """With deltas: of how many series it is remembered when they left last, so that intervals are without gaps."""
    resource_metrics_cache_size: PositiveInt = 1000
    """How many resources are remembered from one interval to the next.
    The least recently used go, and begin again at 0 when they come back."""
    resource_metrics_key_attributes: list[str] = []
    """Attributes that a resource is known by; all of them where none is named. Name those that outlive a restart, so
    that counters go on."""
    dimensions_cache_size: Annotated[int, Notice("has no effect here, use aggregation_cardinality_limit")] = 0
    """Taken, without effect."""
    namespace: str = "traces.span.metrics"
    """What the names of metrics begin with."""
    exemplars: ExemplarsConfig = ExemplarsConfig()
    """Spans that are sent along."""
    events: EventsConfig = EventsConfig()
    """The metric of span events."""
    aggregation_cardinality_limit: NonNegativeInt = 0
    """How many series a metric has for each resource; what goes beyond is counted in one with
    `otel.metric.overflow=true`. 0 is no limit."""
    add_resource_attributes: Annotated[bool, Notice("has no effect here, resources always have their attributes")] = (
        False
    )
    """Taken, without effect."""
    enable_metrics_sampling_method: bool = False
    """Give series the attribute `sampling.method`: `extrapolated` for spans that stand for several by their tracestate,
    `counted` for others."""
    sampling_weight_attribute: str = ""
    """An attribute of spans that says how many each of them stands for, besides its tracestate: `sampling.weight`
    behind a `tail_sampling` with `record_policy`. Without it no attribute does."""
    max_held_bytes: NonNegativeInt = 256 << 20
    """How much memory all series take, roughly. Beyond it new series are counted as overflow, and spans of new
    resources not at all; 0 is no bound."""
    gen_ai: Section[GenAiConfig] = None
    """Metrics of calls of language models: tokens, durations, time to the first piece of the answer, cost. Off unless
    the section is there."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say."""
        for path, dimensions in (
            ("dimensions", self.dimensions),
            ("calls_dimensions", self.calls_dimensions),
            ("histogram::dimensions", self.histogram.dimensions),
            ("events::dimensions", self.events.dimensions if self.events.enabled else []),
            ("gen_ai::dimensions", self.gen_ai.dimensions if self.gen_ai else []),
        ):
            _check_dimensions(path, dimensions)
        if self.metrics_flush_interval <= 0:
            raise FieldError("metrics_flush_interval", f"must be more than 0, got {self.metrics_flush_interval}")
        for name in ("metrics_expiration", "series_expiration"):
            if getattr(self, name) < 0:
                raise FieldError(name, f"must be 0 or more, got {getattr(self, name)}")
        if self.is_delta and self.metric_timestamp_cache_size <= 0:
            raise FieldError(
                "metric_timestamp_cache_size", f"must be at least 1 with deltas, got {self.metric_timestamp_cache_size}"
            )

    @property
    def is_delta(self) -> bool:
        """Whether metrics say what there was since the last time."""
        return self.aggregation_temporality == DELTA


def _check_dimensions(path: str, dimensions: Sequence[DimensionConfig]) -> None:
    names = set(RESERVED)
    for index, dimension in enumerate(dimensions):
        at = f"{path}[{index}]"
        if dimension.name and dimension.glob:
            raise FieldError(at, "must have a name or a glob, not both")
        if not dimension.name and not dimension.glob:
            raise FieldError(at, "must have a name or a glob")
        if dimension.glob and dimension.default is not None:
            raise FieldError(f"{at}::default", "has no meaning for a glob")
        if dimension.name in names:
            what = "series have it anyway" if dimension.name in RESERVED else "it stands twice"
            raise FieldError(f"{at}::name", f"{dimension.name!r} cannot be a dimension: {what}")
        if dimension.name:
            names.add(dimension.name)
