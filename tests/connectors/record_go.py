"""Record what the Go collector's `spanmetrics` makes of the cases.

    PYTHONPATH=.:tests python tests/connectors/record_go.py

It wants the peer that `python -m testbed peers` builds. Of cumulative metrics the second flush is kept: in the first
one the Go collector says 0 for every new sum.
"""

from __future__ import annotations

import json
import queue
import socket
import subprocess
import tempfile
import time
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
from metrics_requests import series
from span_metrics_cases import CASES, DELTA, request

from testbed.subjects.gocollector import PEER

RECORDED = Path(__file__).parents[1] / "data/span_metrics_0_160.json"
_TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_METRICS = "opentelemetry.proto.collector.metrics.v1.MetricsService"


def main() -> None:
    """Run all cases and write the file."""
    found = {name: record(settings) for name, settings in CASES.items()}
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(points)}" for name, points in found.items())
    RECORDED.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


def record(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Give the series that come back for the spans of the cases."""
    arrived: queue.Queue[bytes] = queue.Queue()

    def take(data: bytes, _: grpc.ServicerContext) -> bytes:
        arrived.put(data)
        return b""

    server = grpc.server(futures.ThreadPoolExecutor(2))
    handler = grpc.unary_unary_rpc_method_handler(take)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_METRICS, {"Export": handler}),))
    backend = server.add_insecure_port("127.0.0.1:0")
    server.start()
    port = _free_port()
    config = {
        "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": f"127.0.0.1:{port}"}}}},
        "connectors": {"spanmetrics": {**settings, "metrics_flush_interval": "400ms"}},
        "exporters": {"otlp": {"endpoint": f"127.0.0.1:{backend}", "tls": {"insecure": True}}},
        "service": {
            "telemetry": {"metrics": {"level": "none"}},
            "pipelines": {
                "traces": {"receivers": ["otlp"], "exporters": ["spanmetrics"]},
                "metrics": {"receivers": ["spanmetrics"], "exporters": ["otlp"]},
            },
        },
    }
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        json.dump(config, file)
        file.flush()
        process = subprocess.Popen([PEER.path(), f"--config={file.name}"], stderr=subprocess.DEVNULL)
        try:
            _send(port)
            first = arrived.get(timeout=10)
            data = first if settings.get("aggregation_temporality") == DELTA else arrived.get(timeout=10)
        finally:
            process.terminate()
            process.wait(10)
            server.stop(None)
    return [each.facts() for each in series(data)]


def _send(port: int) -> None:
    """Send the spans, as soon as somebody listens."""
    for _ in range(100):
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            try:
                channel.unary_unary(_TRACES)(request().SerializeToString(), timeout=5)
            except grpc.RpcError:
                time.sleep(0.1)
            else:
                return
    raise TimeoutError


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
