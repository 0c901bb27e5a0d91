"""Metrics of spans: exponential histograms, spans that stand for several, calls of models, deltas."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from metrics_requests import CUMULATIVE, DELTA, Series, series
from opentelemetry.context import Context
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    ExponentialHistogramDataPoint,
    InMemoryMetricReader,
)
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from otlp_strategies import key_values as key_values_of
from otlp_strategies import requests

from collector._kernel import Op, OptionError, Program, SpanMetrics
from collector.spans import SpanBatch, receive
from collector.testing import Attribute, key_values, make_request

START = 1_700_000_000_000_000_000
GEN_AI = {
    "input_tokens": ["gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"],
    "output_tokens": ["gen_ai.usage.output_tokens"],
    "time_to_first_chunk": ["gen_ai.response.time_to_first_chunk"],
    "first_chunk_events": ["gen_ai.token"],
    "cost": "gen_ai.usage.cost",
}


def metrics(**settings: Any) -> SpanMetrics:
    return SpanMetrics({"namespace": "", "instance": "", "resources": 10, **settings})


def flushed(subject: SpanMetrics, now: int = 2) -> list[Series]:
    return series(*(data for data, _ in subject.flush(now, 1 << 22)))


def batch(spans: Iterable[Span]) -> SpanBatch:
    request: ExportTraceServiceRequest = make_request(1)
    scope = request.resource_spans[0].scope_spans[0]
    del scope.spans[:]
    scope.spans.extend(spans)
    return receive(request.SerializeToString())


def lasting(nanoseconds: int, **more: Any) -> Span:
    return Span(trace_id=bytes(range(16)), span_id=bytes(8), start_time_unix_nano=START,
                end_time_unix_nano=START + nanoseconds, **more)  # fmt: skip


# --- exponential histograms

durations = st.lists(
    st.integers(0, 10**6) | st.integers(0, 10**14) | st.sampled_from([0, 1, 10**9, 2**20 * 10**9, 2**30]),
    min_size=1,
    max_size=60,
)


@given(durations, st.sampled_from([2, 3, 4, 20, 160]))
def test_exponential_histograms_are_those_of_the_sdk(nanoseconds: list[int], max_size: int) -> None:
    """The same scale, offset and buckets as OpenTelemetry's own aggregation finds."""
    subject = metrics(histogram={"unit": "s", "buckets": {"exponential": max_size}})
    subject.consume(batch(lasting(each) for each in nanoseconds), 1)
    [ours] = [one for one in flushed(subject) if one.metric == "duration"]

    theirs = by_the_sdk([each / 1e9 for each in nanoseconds], max_size)

    assert (ours.count, ours.zeros, ours.min, ours.max) == (theirs.count, theirs.zero_count, theirs.min, theirs.max)
    assert math.isclose(ours.sum, theirs.sum, rel_tol=1e-9)
    buckets = list(theirs.positive.bucket_counts)
    while buckets and not buckets[-1]:  # theirs may have some without a value at the end
        buckets.pop()
    if buckets:
        assert (ours.scale, ours.offset, ours.buckets) == (theirs.scale, theirs.positive.offset, buckets)
    else:
        assert ours.buckets == []
    assert len(ours.buckets) <= max_size


def by_the_sdk(values: list[float], max_size: int) -> ExponentialHistogramDataPoint:
    view = View(instrument_name="*", aggregation=ExponentialBucketHistogramAggregation(max_size=max_size))
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], views=[view], shutdown_on_exit=False)
    histogram = provider.get_meter("test").create_histogram("x")
    for value in values:
        histogram.record(value, context=Context())
    data = reader.get_metrics_data()
    assert data is not None
    [point] = data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
    provider.shutdown()
    assert isinstance(point, ExponentialHistogramDataPoint)
    return point


# --- spans that stand for several


@pytest.mark.parametrize("percentage", [5, 30, 62.5])
def test_counts_before_and_after_consistent_sampling_agree(percentage: float) -> None:
    """Behind a sampler the count is that of all spans, within five standard deviations, and so is the sum."""
    n = 40_000
    whole = make_request(n)
    for index, span in enumerate(whole.resource_spans[0].scope_spans[0].spans):
        span.name = "one"
        span.trace_id = ((index * 0x9E3779B97F4A7C15 + 7) * 0xBF58476D1CE4E5B9 % 2**128).to_bytes(16, "big")
    settings = {"sampling_percentage": percentage, "mode": "equalizing", "fail_closed": True}
    sampled = Program([Op("probabilistic_sampler", settings)]).run(receive(whole.SerializeToString())).batch
    subject = metrics(histogram={"unit": "ms", "buckets": {"explicit": [1]}}, sampling_method=True)

    subject.consume(sampled, 1)

    [calls, duration] = flushed(subject)
    share = percentage / 100
    deviation = math.sqrt(n * (1 - share) / share)
    assert abs(calls.value - n) < 5 * deviation
    assert len(sampled) < 1.2 * share * n
    assert calls.value == duration.count
    assert math.isclose(duration.sum, duration.count * 1.0, rel_tol=1e-9)
    assert calls.attributes["sampling.method"] == "extrapolated"


def test_what_is_not_sampled_counts_as_itself() -> None:
    """Without a threshold a span is one, whatever else its tracestate says."""
    subject = metrics(sampling_method=True)

    subject.consume(batch([lasting(1, trace_state="ot=rv:9b8233f7e3a151"), lasting(1, trace_state="a=b")]), 1)

    [calls] = flushed(subject)
    assert calls.value == 2
    assert calls.attributes["sampling.method"] == "counted"


# --- calls of models


def call(attributes: dict[str, Attribute], nanoseconds: int = 2 * 10**9, **more: Any) -> Span:
    return lasting(nanoseconds, attributes=key_values(attributes), **more)


def of_calls(*spans: Span, **settings: Any) -> dict[tuple[str, str], Series]:
    """Series of calls by metric and type of token."""
    subject = metrics(gen_ai={**GEN_AI, **settings})
    subject.consume(batch(spans), 1)
    found = [one for one in flushed(subject) if one.metric.startswith("gen_ai")]
    assert len({(one.metric, one.attributes.get("gen_ai.token.type", "")) for one in found}) == len(found)
    return {(one.metric, one.attributes.get("gen_ai.token.type", "")): one for one in found}


CALL: dict[str, Attribute] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "atlas",
    "gen_ai.request.model": "atlas-large",
}


def test_a_call_of_a_model_tells_what_it_used() -> None:
    """Tokens by type, duration, time to the first piece and cost, by operation, provider and model."""
    used: dict[str, Attribute] = {
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 20,
        "gen_ai.response.time_to_first_chunk": 0.25,
        "gen_ai.usage.cost": 0.5,
    }
    found = of_calls(call(CALL | used), call(CALL | used))

    assert found["gen_ai.client.token.usage", "input"].sum == 200
    assert found["gen_ai.client.token.usage", "output"].sum == 40
    assert found["gen_ai.client.token.usage", "output"].unit == "{token}"
    assert found["gen_ai.client.operation.duration", ""].sum == 4
    assert found["gen_ai.client.operation.time_to_first_chunk", ""].sum == 0.5
    assert found["gen_ai.client.cost", ""].value == 1
    for one in found.values():
        attributes = {name: value for name, value in one.attributes.items() if name.startswith("gen_ai.")}
        attributes.pop("gen_ai.token.type", None)
        assert attributes == CALL


def test_older_names_and_events_are_understood() -> None:
    """`gen_ai.system` is the provider, `prompt_tokens` are input, and the first event tells of the first piece."""
    events = [
        Span.Event(name=name, time_unix_nano=START + at)
        for name, at in (("other", 1), ("gen_ai.token", 3 * 10**8), ("gen_ai.token", 10**9))
    ]
    old: dict[str, Attribute] = {"gen_ai.system": "heron", "gen_ai.usage.prompt_tokens": 7, "error.type": "timeout"}
    found = of_calls(call(old, events=events))

    assert found["gen_ai.client.token.usage", "input"].sum == 7
    assert found["gen_ai.client.token.usage", "input"].attributes["gen_ai.provider.name"] == "heron"
    assert found["gen_ai.client.operation.time_to_first_chunk", ""].sum == pytest.approx(0.3)
    assert found["gen_ai.client.operation.duration", ""].attributes["error.type"] == "timeout"


@pytest.mark.parametrize("value", [-1, "12", float("nan"), float("inf"), True])
def test_what_is_no_number_is_not_counted(value: Attribute) -> None:
    """A wrong number of tokens or cost leaves the sums as they are."""
    found = of_calls(call(CALL | {"gen_ai.usage.input_tokens": value, "gen_ai.usage.cost": value}))

    assert found.keys() == {("gen_ai.client.operation.duration", "")}


def test_other_spans_are_no_calls() -> None:
    """A span without attributes of a model makes no metrics of models."""
    assert of_calls(call({"http.route": "/", "gen_ai.usage.input_tokens": 5})) == {}


# --- the page

LINE = re.compile(
    r'[a-zA-Z_:][a-zA-Z0-9_:]*(?:\{(?P<labels>(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*",?)*)\})?'
    r" (?:\d+(?:\.\d+)?(?:e[+-]\d+)?|\+Inf)"
)
NAME = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="(?:[^"\\]|\\.)*"')


@given(requests(key_values_of(["a.b", "a_b", "le", "job", "1", ""]), key_values_of(["service.name", "a b", "le", ""])))
def test_every_line_of_the_page_can_be_read(request: ExportTraceServiceRequest) -> None:
    """Whatever attributes are called and hold: names are valid, labels stand once, and so do series."""
    names = [{"name": name} for name in ("a.b", "a_b", "le", "job", "1", "missing")]
    buckets = {"unit": "s", "buckets": {"explicit": [0.5, 1.0]}}
    subject = metrics(namespace="some space", dimensions=names, histogram=buckets, gen_ai=GEN_AI)
    subject.consume(receive(request.SerializeToString()), 1)

    texts = [subject.exposition(number) for number in range(len(subject.families()))]
    lines = [line for text in texts for line in text.split("\n") if line]
    found = [line.rpartition(" ")[0] for line in lines]
    assert len(found) == len(set(found))
    for line in lines:
        match = LINE.fullmatch(line)
        assert match, line
        labels = NAME.findall(match["labels"] or "")
        assert len(labels) == len(set(labels)), line


# --- intervals


def test_deltas_add_up_and_follow_each_other() -> None:
    """The sum of all deltas is the cumulative count, and each begins where the last one ended."""
    delta, whole = metrics(delta=True, start_times=10), metrics()
    found = []
    for now in range(10, 60, 10):
        for subject in (delta, whole):
            subject.consume(batch([lasting(1)] * now), now)
        found += flushed(delta, now + 5)

    [total] = flushed(whole, 99)
    assert sum(one.value for one in found) == total.value == 150
    assert (total.temporality, total.start) == (CUMULATIVE, 10)
    assert {one.temporality for one in found} == {DELTA}
    assert found[0].start == 10
    assert all(after.start == before.time for before, after in pairwise(found))


def test_exemplars_are_those_of_the_interval() -> None:
    """They are real spans of it, no more than there may be, and gone with the flush."""
    subject = metrics(exemplars=3, histogram={"unit": "ms", "buckets": {"explicit": [1]}})
    subject.consume(batch([lasting(10**6)] * 5), 1)

    for one in flushed(subject):
        assert one.exemplars == [(bytes(range(16)).hex(), bytes(8).hex(), 1.0)] * 3
    assert all(not one.exemplars for one in flushed(subject))


def test_settings_that_cannot_be_say_where() -> None:
    """A glob that is none comes back with its path."""
    with pytest.raises(OptionError) as caught:
        metrics(dimensions=[{"glob": "["}])

    assert caught.value.args[0] == "dimensions[0]::glob"
