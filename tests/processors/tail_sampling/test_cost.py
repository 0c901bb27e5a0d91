"""From tokens to the decision about a trace: `gen_ai_cost` writes what a call cost, and policies add it up."""

from __future__ import annotations

from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector.spans import SpanBatch
from collector.telemetry.exposition import exposition
from collector.testing import key_values, running, spans_in, until

YAML = """
receivers: {feed: }
processors:
  gen_ai_cost: {prices: {gpt-4o: {input: 2.5, output: 10}}}
  tail_sampling:
    decision_wait: 0
    policies:
      - {name: expensive, type: trace_sum, trace_sum: {key: gen_ai.usage.cost, min_value: 0.05}}
      - {name: long, type: trace_max, trace_max: {key: gen_ai.usage.output_tokens, min_value: 4000}}
      - {name: chatty, type: trace_count, trace_count: {key: gen_ai.usage.cost, min_value: 5}}
connectors: {span_metrics: {gen_ai: }}
exporters: {sink: }
service:
  pipelines:
    traces/all: {receivers: [feed], processors: [gen_ai_cost], exporters: [span_metrics]}
    traces: {receivers: [feed], processors: [gen_ai_cost, tail_sampling], exporters: [sink]}
"""


def calls(traces: dict[str, list[tuple[int, int]]]) -> SpanBatch:
    """Traces by name, with the tokens of each of their calls."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.extend(key_values({"service.name": "agent"}))
    scope = group.scope_spans.add()
    for number, (name, tokens) in enumerate(traces.items(), 1):
        for index, (input, output) in enumerate(tokens):
            scope.spans.add(
                trace_id=number.to_bytes(16, "big"),
                span_id=(100 * number + index).to_bytes(8, "big"),
                name=name,
                attributes=key_values(
                    {
                        "gen_ai.operation.name": "chat",
                        "gen_ai.provider.name": "openai",
                        "gen_ai.request.model": "gpt-4o",
                        "gen_ai.usage.input_tokens": input,
                        "gen_ai.usage.output_tokens": output,
                    }
                ),
            )
    return SpanBatch.decode(request.SerializeToString())


async def test_traces_are_kept_by_what_they_cost_and_counted_before() -> None:
    """No single call is expensive, and the trace is; the metrics know the cost of those that were dropped as well."""
    async with running(YAML) as service:
        feed: Any = service.machine.receivers["feed"]
        sink: Any = service.machine.exporters["sink"].exporter
        await feed.send(
            calls(
                {
                    "cheap": [(1000, 100)],
                    "expensive": [(8000, 1000), (8000, 1000)],
                    "long": [(10, 4500)],
                    "chatty": [(10, 10)] * 5,
                }
            )
        )
        await until(lambda: len(spans_in(*sink.batches)) == 8)
        assert {span.name for span in spans_in(*sink.batches)} == {"expensive", "long", "chatty"}
        page = exposition(service.metrics)

    [cost] = [line for line in page.splitlines() if ("cost" in line and "_sum{" in line) or "cost_total{" in line]
    # 0.0035 + 2 x 0.03 + 0.045025 + 5 x 0.000125
    assert abs(float(cost.rpartition(" ")[2]) - 0.10915) < 1e-9
