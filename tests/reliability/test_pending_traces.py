"""Traces that wait for their decision while the collector is stopped and started again, under load."""

from __future__ import annotations

import threading
from pathlib import Path

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from testbed.backend import Backend
from testbed.process import CollectorProcess

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

CONFIGURATION = """
extensions:
  file_storage: {{directory: {directory}}}
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:0"}}}}}}
processors:
  tail_sampling:
    decision_wait: {wait}
    storage: file_storage
    policies: [{{name: errors, type: status_code, status_code: {{status_codes: [ERROR]}}}}]
exporters:
  otlp: {{endpoint: "{backend}", tls: {{insecure: true}}, sending_queue: {{block_on_overflow: true}}}}
service:
  extensions: [file_storage]
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{traces: {{receivers: [otlp], processors: [tail_sampling], exporters: [otlp]}}}}
"""
TRACES = 400
RUNS = 4


def part(run: int) -> list[bytes]:
    """The spans of all traces that come in a run. A trace in four has an error, in any one of the runs."""
    requests = []
    for first in range(0, TRACES, 10):
        request = ExportTraceServiceRequest()
        scope = request.resource_spans.add().scope_spans.add()
        for trace in range(first, first + 10):
            span = scope.spans.add(name=str(run))
            span.trace_id = (trace + 1).to_bytes(16, "big")
            span.span_id = (trace * RUNS + run + 1).to_bytes(8, "big")
            failed = trace % 4 == 0 and trace // 4 % RUNS == run
            span.status.code = Status.STATUS_CODE_ERROR if failed else Status.STATUS_CODE_UNSET
        requests.append(request.SerializeToString())
    return requests


def send(address: str, requests: list[bytes]) -> None:
    with grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        call = channel.unary_unary(EXPORT)
        for request in requests:
            call(request, timeout=10)


def test_every_pending_trace_is_decided_about_as_if_nothing_had_happened(backend: Backend, tmp_path: Path) -> None:
    """A trace whose spans came in four runs of the collector leaves as a whole, or not at all."""
    storage = tmp_path / "storage"
    storage.mkdir()
    path = tmp_path / "collector.yaml"
    for run in range(RUNS):
        text = CONFIGURATION.format(directory=storage, wait="1h", backend=backend.address)
        path.write_text(text, encoding="utf-8")
        with CollectorProcess(["--config", str(path)]) as collector:
            requests = part(run)
            address = collector.address()
            threads = [threading.Thread(target=send, args=(address, requests[start::4])) for start in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(30)
            if run == RUNS - 1:
                path.write_text(text.replace("1h", "0"), encoding="utf-8")
                collector.reload()
                backend.wait(lambda spans: len(spans) >= TRACES)
            assert collector.stop() == 0

    arrived = backend.spans
    assert len(arrived) == len({span.id for span in arrived}) == TRACES
    assert {int(span.id, 16) - 1 for span in arrived} == {
        trace * RUNS + run for trace in range(0, TRACES, 4) for run in range(RUNS)
    }
