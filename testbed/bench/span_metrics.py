"""`span_metrics`: with nothing said, with two dimensions, with exponential histograms, and for calls of models."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial

from collector._kernel import SpanBatch, SpanMetrics
from collector.connectors.span_metrics.config import (
    DimensionConfig,
    ExponentialHistogramConfig,
    GenAiConfig,
    HistogramConfig,
    SpanMetricsConfig,
)
from collector.connectors.span_metrics.kernel import kernel_settings

CONFIGS = {
    "span_metrics": SpanMetricsConfig(),
    "span_metrics, two dimensions": SpanMetricsConfig(
        dimensions=[DimensionConfig(name="http.route"), DimensionConfig(name="http.request.method")]
    ),
    "span_metrics, exponential": SpanMetricsConfig(histogram=HistogramConfig(exponential=ExponentialHistogramConfig())),
    "span_metrics, gen_ai": SpanMetricsConfig(gen_ai=GenAiConfig()),
}


def cases(batch: SpanBatch, calls: SpanBatch) -> Mapping[str, Callable[[], object]]:
    """Give what counts the batch in each way; in the last one also `calls` of models, which have more to count."""
    made = {name: SpanMetrics(kernel_settings(config, "span_metrics", "bench")) for name, config in CONFIGS.items()}
    found: dict[str, Callable[[], object]] = {
        name: partial(metrics.consume, batch, time.time_ns()) for name, metrics in made.items()
    }
    models = SpanMetrics(kernel_settings(CONFIGS["span_metrics, gen_ai"], "span_metrics", "bench"))
    found["span_metrics, gen_ai, calls of models"] = partial(models.consume, calls, time.time_ns())
    return found
