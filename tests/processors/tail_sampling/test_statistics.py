"""Shares of traces, and what the weights of sampled ones add up to. Bounds are five standard deviations."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from random import Random
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from yaml_sections import section

from collector._kernel import SpanMetrics
from collector.connectors.span_metrics.config import SpanMetricsConfig
from collector.connectors.span_metrics.kernel import kernel_settings
from collector.spans import SpanBatch
from collector.testing import Sink, settings, spans_in
from processors.tail_sampling import TailSamplingConfig, TailSamplingProcessor

TRACES = 200_000
IN_A_REQUEST = 2000


def ids(seed: int = 1) -> list[bytes]:
    random = Random(seed)
    return [random.randbytes(16) for _ in range(TRACES)]


def requests(traces: Iterable[bytes], failed: frozenset[bytes] = frozenset()) -> Iterator[SpanBatch]:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.add(key="service.name").value.string_value = "shop"
    scope = group.scope_spans.add()
    for trace in traces:
        span = scope.spans.add(trace_id=trace, span_id=b"spanspan")
        if trace in failed:
            span.status.code = 2  # type: ignore[assignment]  # an enum is a number on the wire
        if len(scope.spans) == IN_A_REQUEST:
            yield SpanBatch.decode(request.SerializeToString())
            del scope.spans[:]
    yield SpanBatch.decode(request.SerializeToString())


def sampled(policies: str, batches: Iterable[SpanBatch], more: str = "") -> list[Span]:
    """The spans that leave once everything is decided about."""
    return spans_in(*left(policies, batches, more))


def left(policies: str, batches: Iterable[SpanBatch], more: str = "") -> list[SpanBatch]:
    text = f"{{num_traces: 1_000_000, max_bytes: 1_000_000_000, policies: [{policies}]{more}}}"
    traces = TailSamplingProcessor(section(TailSamplingConfig, text), settings(), Sink())._waiting.traces
    for batch in batches:
        assert traces.offer(batch, 0.0) is None
    while traces.decide_all(1.0):
        pass
    leaving = []
    while (batch := traces.next()) is not None:
        leaving.append(batch)
    return leaving


def share(percentage: float, name: str = "p", salt: str = "") -> str:
    settings = f"{{sampling_percentage: {percentage}, hash_salt: '{salt}'}}"
    return f"{{name: {name}, type: probabilistic, probabilistic: {settings}}}"


def within(count: float, expected: float, variance: float) -> bool:
    return abs(count - expected) <= 5 * math.sqrt(variance)


@pytest.mark.parametrize("percentage", [0.1, 1, 10, 33.3, 50, 99])
def test_the_share_is_what_was_asked_for(percentage: float) -> None:
    """Of 200,000 traces as many stay as their binomial distribution allows."""
    p = percentage / 100
    kept = len(sampled(share(percentage), requests(ids())))
    assert within(kept, TRACES * p, TRACES * p * (1 - p))


def test_collectors_with_the_same_salt_agree_and_others_are_independent() -> None:
    """A smaller share is part of a larger one with the same salt, and falls evenly into that of another salt."""
    traces = ids()

    def kept(percentage: float, salt: str = "") -> set[bytes]:
        return {span.trace_id for span in sampled(share(percentage, salt=salt), requests(traces))}

    tenth, half = kept(10), kept(50)
    assert tenth == kept(10) < half
    both = len(half & kept(50, "another"))
    assert within(both, TRACES / 4, TRACES * 3 / 16)


def test_stages_one_behind_the_other_multiply() -> None:
    """A second tier with a salt of its own keeps its share of what the first has kept."""
    first = [span.trace_id for span in sampled(share(50), requests(ids()))]
    second = len(sampled(share(20, salt="second"), requests(first)))
    assert within(second, len(first) * 0.2, len(first) * 0.16)


def test_weights_are_unbiased_estimates_of_what_there_was() -> None:
    """All traces, and each kind of them, whatever other policies keep."""
    traces = ids()
    failed = frozenset(traces[: TRACES // 100])
    policies = ", ".join(
        [
            "{name: errors, type: status_code, status_code: {status_codes: [ERROR]}}",
            share(5, "some"),
            share(10, "more", salt="another"),
        ]
    )
    weights: dict[str, float] = {"failed": 0.0, "others": 0.0}
    for span in sampled(policies, requests(traces, failed), ", record_policy: true"):
        attributes: dict[str, Any] = {item.key: item.value for item in span.attributes}
        kind = "failed" if span.trace_id in failed else "others"
        weights[kind] += attributes["sampling.weight"].double_value
        assert (attributes["sampling.policy"].string_value == "errors") == (kind == "failed")

    p = 1 - 0.95 * 0.9
    others = TRACES - len(failed)
    assert weights["failed"] == len(failed)
    assert within(weights["others"], others, others * (1 - p) / p)


def test_metrics_behind_the_sampler_count_what_there_was_before_it() -> None:
    """`span_metrics` takes the weights, so that the number of calls is that of all spans."""
    percentage = 20
    settings_ = SpanMetricsConfig(sampling_weight_attribute="sampling.weight")
    metrics = SpanMetrics(kernel_settings(settings_, "span_metrics", ""))
    for batch in left(share(percentage), requests(ids()), ", record_policy: true"):
        metrics.consume(batch, 1)

    [line] = metrics.exposition(0).splitlines()
    p = percentage / 100
    assert within(int(line.rpartition(" ")[2]), TRACES, TRACES * (1 - p) / p)
