"""A client that sends ten times what there is room for takes nothing from one that sends little."""

from __future__ import annotations

import threading
import time
from concurrent import futures
from pathlib import Path

import grpc
import pytest
from durable_queues import EXPORT
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from collector.testing import make_request
from testbed.backend import Backend
from testbed.process import CollectorProcess

CONFIGURATION = """
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:0"}}}}, fair_share: {{{fair_share}}}}}
exporters:
  otlp:
    endpoint: "{backend}"
    tls: {{insecure: true}}
    sending_queue: {{sizer: items, queue_size: 4000, num_consumers: 1}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [otlp]}}}}
"""
_RATE = 10_000
"""Spans a second that the backend takes."""


class Slow(Backend):
    """Takes its time for each span."""

    def Export(  # noqa: N802  the name of the RPC
        self, request: ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> ExportTraceServiceResponse:
        spans = sum(len(scope.spans) for group in request.resource_spans for scope in group.scope_spans)
        time.sleep(spans / _RATE)
        return super().Export(request, context)


def flood(channel: grpc.Channel, stop: threading.Event) -> set[grpc.StatusCode]:
    """Have 20 requests of 50 spans under way all the time, whatever the answers are, and give those."""
    call = channel.unary_unary(EXPORT)
    request = make_request(50, resource={"service.name": "noisy"}).SerializeToString()
    codes: set[grpc.StatusCode] = set()

    def send() -> None:
        while not stop.is_set():
            answer = call.future(request, timeout=10)
            codes.add(answer.code())
            if answer.code() is not grpc.StatusCode.OK:
                stop.wait(0.002)

    with futures.ThreadPoolExecutor(20) as threads:
        for future in [threads.submit(send) for _ in range(20)]:
            future.result()
    return codes


def accepted(channel: grpc.Channel, requests: int) -> float:
    """Send 50 spans twenty times a second, and give the share of requests that was accepted at once."""
    call = channel.unary_unary(EXPORT)
    request = make_request(50, resource={"service.name": "modest"}).SerializeToString()
    taken, due = 0, time.monotonic()
    for _ in range(requests):
        due += 0.05
        time.sleep(max(0.0, due - time.monotonic()))
        taken += call.future(request, timeout=10).code() is grpc.StatusCode.OK
    return taken / requests


def beside_a_flood(path: Path, fair_share: str, *, one_connection: bool = False) -> tuple[float, set[grpc.StatusCode]]:
    """Give the share of a modest client's requests that was accepted, and what the noisy one heard."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    with Slow() as backend:
        path.write_text(CONFIGURATION.format(fair_share=fair_share, backend=backend.address), encoding="utf-8")
        with (
            CollectorProcess(["--config", str(path)]) as collector,
            grpc.insecure_channel(collector.address(), options) as noisy,
            grpc.insecure_channel(collector.address(), options) as other,
            futures.ThreadPoolExecutor(1) as thread,
        ):
            stop = threading.Event()
            flooding = thread.submit(flood, noisy, stop)
            modest = noisy if one_connection else other
            try:
                accepted(modest, 20)
                share = accepted(modest, 80)
            finally:
                stop.set()
            return share, flooding.result()


def test_without_fair_shares_the_loud_one_wins(tmp_path: Path) -> None:
    """Which is what the other tests are about."""
    share, codes = beside_a_flood(tmp_path / "collector.yaml", "enabled: false")
    assert share < 0.5
    assert codes == {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}


@pytest.mark.parametrize("by", ["connection", "service.name"])
def test_who_sends_little_is_served(tmp_path: Path, by: str) -> None:
    """And the other one is told when to come back."""
    share, codes = beside_a_flood(tmp_path / "collector.yaml", f"by: {by}", one_connection=by == "service.name")
    assert share > 0.8
    assert grpc.StatusCode.RESOURCE_EXHAUSTED in codes
    assert codes <= {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}
