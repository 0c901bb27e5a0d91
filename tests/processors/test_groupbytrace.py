"""Traces that leave as a whole."""

from __future__ import annotations

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from yaml_sections import section

from collector.config.types import Duration
from collector.errors import ConfigError
from collector.spans import SpanBatch
from collector.telemetry.metrics import Metrics
from collector.testing import Sink, StubHost, decode, settings, until
from processors.groupbytrace import GroupbytraceConfig, GroupbytraceProcessor

LATER = Duration(3600)


def spans(service: str, *traces: int) -> SpanBatch:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add(schema_url="https://schema")
    group.resource.attributes.add(key="service.name").value.string_value = service
    scope = group.scope_spans.add()
    scope.scope.name = "scope"
    for trace in traces:
        scope.spans.add(trace_id=trace.to_bytes(16, "big"), span_id=b"spanspan", name=service)
    return SpanBatch.decode(request.SerializeToString())


def grouped(sink: Sink) -> list[list[int]]:
    """The traces of the spans, one list for each `ResourceSpans` that left."""
    return [
        [span.trace_id[15] for scope in group.scope_spans for span in scope.spans]
        for batch in sink.batches
        for group in decode(batch).resource_spans
    ]


async def started(config: GroupbytraceConfig, sink: Sink, metrics: Metrics | None = None) -> GroupbytraceProcessor:
    processor = GroupbytraceProcessor(config, settings(metrics=metrics), sink)
    await processor.start(StubHost())
    return processor


async def test_spans_of_a_trace_leave_side_by_side() -> None:
    """Resources and scopes stand around the spans of each trace, schema URLs included."""
    sink = Sink()
    processor = await started(GroupbytraceConfig(wait_duration=Duration(0.05)), sink)
    await processor.consume(spans("a", 1, 2, 1))
    await processor.consume(spans("b", 2))
    await processor.consume(spans("a", 1))
    await until(lambda: len(sink) == 5)

    assert grouped(sink) == [[1, 1, 1], [2], [2]]
    assert all(group.schema_url for batch in sink.batches for group in decode(batch).resource_spans)
    await processor.shutdown()


async def test_what_comes_later_waits_anew() -> None:
    """A trace that has left is not remembered."""
    sink = Sink()
    processor = await started(GroupbytraceConfig(wait_duration=Duration(0)), sink)
    await processor.consume(spans("a", 1))
    await until(lambda: len(sink) == 1)
    await processor.consume(spans("a", 1))
    assert processor.settings.account.held() == 1
    await until(lambda: len(sink) == 2)
    await processor.shutdown()


async def test_the_oldest_leave_early_where_there_are_too_many() -> None:
    """The Go collector loses them."""
    sink = Sink()
    metrics = Metrics()
    processor = await started(GroupbytraceConfig(wait_duration=LATER, num_traces=2), sink, metrics)
    await processor.consume(spans("a", 1, 2, 3))
    await until(lambda: len(sink) == 1)

    assert grouped(sink) == [[1]]
    values = {metric.name: next(iter(metric.reads[0]())).value for metric in metrics}  # type: ignore[union-attr]
    prefix = "otelcol_processor_groupbytrace_"
    assert values[f"{prefix}traces_evicted"] == 1
    assert values[f"{prefix}num_traces_in_memory"] == 2
    assert values[f"{prefix}conf_num_traces"] == 2
    await processor.shutdown()
    assert len(sink) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{wait_duration: -1s}", "t:1 wait_duration: must be 0 or more, got -1s"),
        ("{discard_orphans: true}", "t:1 discard_orphans: not supported"),
        ("{store_on_disk: true}", "t:1 store_on_disk: not supported"),
        ("{num_traces: 0}", "t:1 num_traces: must be"),
    ],
)
def test_refuses_what_cannot_be(text: str, message: str) -> None:
    """The report says where, what, and what would be right."""
    with pytest.raises(ConfigError) as caught:
        section(GroupbytraceConfig, text)

    assert message in str(caught.value)
