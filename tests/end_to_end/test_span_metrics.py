"""Metrics of spans from the real process: OTLP in, a page for Prometheus and OTLP out."""

from __future__ import annotations

import gzip
import json
import queue
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest
from http_backend import HttpBackend, http_backend
from metrics_requests import Series, series

from collector.testing import make_request
from testbed.process import METRICS, CollectorProcess

TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
SERVICE = "opentelemetry.proto.collector.metrics.v1.MetricsService"
NAME = "traces_span_metrics_calls_total"


class GrpcBackend:
    """Takes metrics over gRPC, after it has refused some requests."""

    def __init__(self, refusals: int = 0) -> None:
        self.arrived: queue.Queue[bytes] = queue.Queue()
        self.refusals = refusals
        self._server = grpc.server(futures.ThreadPoolExecutor(2))
        handler = grpc.unary_unary_rpc_method_handler(self._export)
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Export": handler}),))
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def _export(self, data: bytes, context: grpc.ServicerContext) -> bytes:
        if self.refusals:
            self.refusals -= 1
            context.abort(grpc.StatusCode.UNAVAILABLE, "not yet")
        self.arrived.put(data)
        return b""

    def stop(self) -> None:
        self._server.stop(None).wait()


@pytest.fixture
def backend() -> Iterator[GrpcBackend]:
    running = GrpcBackend(refusals=2)
    yield running
    running.stop()


@pytest.fixture
def web() -> Iterator[HttpBackend]:
    with http_backend() as running:
        yield running


BOTH_WAYS = ("otlp", "otlphttp", "otlphttp/whole")


def configuration(
    directory: Path, backend: GrpcBackend, web: HttpBackend, exporters: Sequence[str] = BOTH_WAYS, **connector: Any
) -> Path:
    """Write a configuration whose metrics go to these exporters."""
    retry = {"initial_interval": "10ms", "max_interval": "20ms"}
    settings = {
        "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": "127.0.0.1:0"}}}},
        "processors": {"batch": {"timeout": "5ms"}, "memory_limiter": {"check_interval": "1s", "limit_mib": 400}},
        "connectors": {"spanmetrics": {"metrics_flush_interval": "1h", **connector}},
        "exporters": {
            "nop": None,
            "otlp": {"endpoint": backend.address, "tls": {"insecure": True}, "retry_on_failure": retry},
            "otlp/grpcio": {"endpoint": backend.address, "tls": {"insecure": True}, "engine": "grpcio"},
            "otlphttp": {"endpoint": web.url, "compression": "none"},
            "otlphttp/whole": {"metrics_endpoint": f"{web.url}/other/path", "encoding": "json"},
        },
        "service": {
            "telemetry": {
                "metrics": {"readers": [{"pull": {"exporter": {"prometheus": {"host": "127.0.0.1", "port": 0}}}}]}
            },
            "pipelines": {
                "traces": {"receivers": ["otlp"], "processors": ["batch"], "exporters": ["spanmetrics", "nop"]},
                "metrics": {
                    "receivers": ["spanmetrics"],
                    "processors": ["memory_limiter", "batch"],
                    "exporters": exporters,
                },
            },
        },
    }
    path = directory / "collector.yaml"
    path.write_text(json.dumps(settings), encoding="utf-8")
    return path


def send(collector: CollectorProcess, spans: int) -> None:
    with grpc.insecure_channel(collector.address()) as channel:
        channel.unary_unary(TRACES)(make_request(spans).SerializeToString(), timeout=20)


def page(collector: CollectorProcess) -> str:
    with urllib.request.urlopen(f"http://{collector.address(METRICS)}/metrics", timeout=20) as answer:
        text: str = answer.read().decode()
        return text


def calls(text: str) -> list[float]:
    return [float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(f"{NAME}{{")]


def counted(found: list[Series]) -> float:
    return sum(one.value for one in found if one.metric == "traces.span.metrics.calls")


def wait_for(collector: CollectorProcess, expected: list[float]) -> str:
    """Ask for the page until the batch has been counted."""
    text = ""
    for _ in range(500):
        text = page(collector)
        if calls(text) == expected:
            return text
    raise AssertionError(text)


def test_the_last_interval_leaves_at_sigterm_both_ways(tmp_path: Path, backend: GrpcBackend, web: HttpBackend) -> None:
    """It is delivered over gRPC, although the backend was busy, and over HTTP to the usual path and to another one."""
    with CollectorProcess(["--config", str(configuration(tmp_path, backend, web))]) as collector:
        backend.refusals = 0
        send(collector, 3)
        send(collector, 2)
        text = wait_for(collector, [2, 2, 1])
        assert backend.arrived.empty()
        status = collector.stop()

    assert status == 0
    assert f"# TYPE {NAME} counter" in text
    assert 'traces_span_metrics_duration_milliseconds_bucket{job="test"' in text
    assert counted(series(backend.arrived.get(timeout=10))) == 5
    bodies = {
        request.path: gzip.decompress(request.body) if "content-encoding" in request.headers else request.body
        for request in web.requests
    }
    assert {path: counted(series(body)) for path, body in bodies.items()} == {"/v1/metrics": 5, "/other/path": 5}
    assert {request.headers["content-type"] for request in web.requests} == {"application/x-protobuf"}
    assert any("connectors::spanmetrics: was shown 5 spans, counted 5" in line for line in collector.log)


def test_grpcio_sends_metrics_as_well(tmp_path: Path, backend: GrpcBackend, web: HttpBackend) -> None:
    """The other engine delivers the same."""
    backend.refusals = 0
    with CollectorProcess(["--config", str(configuration(tmp_path, backend, web, ["otlp/grpcio"]))]) as collector:
        send(collector, 3)
        wait_for(collector, [1, 1, 1])
        collector.stop()

    assert counted(series(*_all(backend))) == 3


def test_intervals_leave_by_themselves_and_are_sent_again(
    tmp_path: Path, backend: GrpcBackend, web: HttpBackend
) -> None:
    """A backend that is busy at first gets them, compressed, with exemplars and metrics of models."""
    path = configuration(
        tmp_path, backend, web, metrics_flush_interval="50ms", exemplars={"enabled": True}, gen_ai={"enabled": True}
    )
    request = make_request(1, attributes={"gen_ai.request.model": "atlas", "gen_ai.usage.output_tokens": 12})
    with CollectorProcess(["--config", str(path)]) as collector:
        with grpc.insecure_channel(collector.address()) as channel:
            channel.unary_unary(TRACES)(request.SerializeToString(), timeout=20)
        found = series(backend.arrived.get(timeout=20))

    assert backend.refusals == 0
    assert counted(found) == 1
    [tokens] = [one for one in found if one.metric == "gen_ai.client.token.usage"]
    assert (tokens.sum, tokens.attributes["gen_ai.request.model"]) == (12, "atlas")


def test_a_reload_keeps_the_series(tmp_path: Path, backend: GrpcBackend, web: HttpBackend) -> None:
    """Counts go on after SIGHUP where the connector is the same, whatever else has changed."""
    path = configuration(tmp_path, backend, web)
    backend.refusals = 0
    with CollectorProcess(["--config", str(path)]) as collector:
        send(collector, 2)
        wait_for(collector, [1, 1])
        path.write_text(path.read_text(encoding="utf-8").replace("5ms", "6ms"), encoding="utf-8")
        collector.reload()
        send(collector, 1)
        wait_for(collector, [2, 1])
        assert backend.arrived.empty()
        collector.stop()

    assert counted(series(*_all(backend))) == 3


def _all(backend: GrpcBackend) -> list[bytes]:
    return [backend.arrived.get() for _ in range(backend.arrived.qsize())]
