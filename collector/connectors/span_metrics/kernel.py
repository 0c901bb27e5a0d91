"""The settings as the kernel wants them: `kernel/src/metrics/settings.rs`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from collector.connectors.span_metrics.config import (
    DimensionConfig,
    ExplicitHistogramConfig,
    GenAiConfig,
    HistogramConfig,
    SpanMetricsConfig,
)

_USUAL_SIZE = 160


def kernel_settings(config: SpanMetricsConfig, id: str, instance: str) -> dict[str, Any]:
    """Say what the connector of this id counts, in the collector of this instance."""
    return {
        "namespace": config.namespace,
        "instance": instance,
        # Two connectors may have metrics of the same names, on one page.
        "label": id if "/" in id else "",
        "dimensions": _dimensions(config.dimensions),
        "calls_dimensions": _dimensions(config.calls_dimensions),
        "event_dimensions": _dimensions(config.events.dimensions) if config.events.enabled else None,
        "exclude_dimensions": config.exclude_dimensions,
        "scopes": config.include_instrumentation_scope,
        "histogram": None if config.histogram.disable else _histogram(config.histogram),
        "delta": config.is_delta,
        "metrics_expiration": float(config.metrics_expiration),
        "series_expiration": float(config.series_expiration),
        "start_times": max(0, config.metric_timestamp_cache_size),
        "resources": config.resource_metrics_cache_size,
        "resource_key": config.resource_metrics_key_attributes,
        "exemplars": config.exemplars.max_per_data_point if config.exemplars.enabled else 0,
        "cardinality": config.aggregation_cardinality_limit,
        "max_bytes": config.max_held_bytes,
        "sampling_method": config.enable_metrics_sampling_method,
        "weight_attribute": config.sampling_weight_attribute,
        "gen_ai": _gen_ai(config.gen_ai) if config.gen_ai else None,
    }


def _histogram(config: HistogramConfig) -> dict[str, Any]:
    explicit = config.explicit or ExplicitHistogramConfig()
    buckets = (
        {"exponential": config.exponential.max_size or _USUAL_SIZE}
        if config.exponential
        else {"explicit": [float(bound) for bound in explicit.buckets]}
    )
    return {"unit": config.unit, "buckets": buckets, "dimensions": _dimensions(config.dimensions)}


def _gen_ai(config: GenAiConfig) -> dict[str, Any]:
    return {
        "dimensions": _dimensions(config.dimensions),
        "input_tokens": list(config.input_token_attributes),
        "output_tokens": list(config.output_token_attributes),
        "time_to_first_chunk": list(config.time_to_first_chunk_attributes),
        "first_chunk_events": list(config.first_chunk_events),
        "cost": config.cost_attribute,
    }


def _dimensions(dimensions: Sequence[DimensionConfig]) -> list[dict[str, Any]]:
    return [{"name": each.name, "default": each.default, "glob": each.glob} for each in dimensions]
