"""The Go collector with one pipeline for each of many cases, and what comes out of them.

Queues and retries are off, so a request is answered when its spans are with the backend, or refused with what went
wrong.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from testbed.corpus.cases import Case
from testbed.corpus.notation import changes, to_request
from testbed.subjects import gocollector

_METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_READY = "Everything is ready"
_TOGETHER = 40
"""Cases in one process."""

Outcome = dict[str, Any]
"""`changes` of the span, or why there are none: `refused` at start, `error` for the request, `broken` spans, or
`crashed`."""


def judge(cases: Sequence[Case]) -> Iterator[tuple[Case, Outcome]]:
    """Run cases through the Go collector. Raises `AbsentError` if it is not built."""
    program = gocollector.PEER.path()
    with _backend() as backend:
        for start in range(0, len(cases), _TOGETHER):
            yield from _together(program, cases[start : start + _TOGETHER], backend)


def _together(program: Path, cases: Sequence[Case], backend: _Backend) -> Iterator[tuple[Case, Outcome]]:
    """Run cases in one process, or, where it does not start or does not live, in two."""
    outcomes, refusal = _run(program, cases, backend)
    if refusal is None:
        yield from zip(cases, outcomes, strict=True)
    elif len(cases) == 1:
        yield cases[0], refusal
    else:
        middle = len(cases) // 2
        yield from _together(program, cases[:middle], backend)
        yield from _together(program, cases[middle:], backend)


def _run(program: Path, cases: Sequence[Case], backend: _Backend) -> tuple[list[Outcome], Outcome | None]:
    ports = _free_ports(len(cases))
    configuration = _configuration(cases, ports, backend.port)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.yaml"
        path.write_text(json.dumps(configuration), encoding="utf-8")  # JSON is YAML
        log = Path(folder) / "log"
        with log.open("wb") as stderr:
            process = subprocess.Popen([program, f"--config={path}"], stderr=stderr)
        try:
            if not _is_ready(process, log):
                return [], {"refused": _reason(log.read_text(encoding="utf-8", errors="replace").splitlines())}
            outcomes = []
            for index, (case, port) in enumerate(zip(cases, ports, strict=True)):
                outcomes.append(backend.send(index, case, port))
                if process.poll() is not None:
                    return [], {"crashed": True}
            return outcomes, None
        finally:
            process.kill()
            process.wait(timeout=20)


def _is_ready(process: subprocess.Popen[bytes], log: Path) -> bool:
    """Wait until the collector runs, or has ended."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        if _READY.encode() in log.read_bytes():
            return True
        time.sleep(0.02)
    return False


def _reason(log: Sequence[str]) -> str:
    """What the collector says last, without what changes from run to run."""
    text = " ".join(line.strip() for line in log if line.startswith(("Error:", "error ", "'", "invalid")))
    text = text or (log[-1].strip() if log else "")
    return text.removeprefix("Error: ")[:400]


def _configuration(cases: Sequence[Case], ports: Sequence[int], backend: int) -> dict[str, Any]:
    receivers, processors, exporters, pipelines = {}, {}, {}, {}
    for index, (case, port) in enumerate(zip(cases, ports, strict=True)):
        receivers[f"otlp/{index}"] = {"protocols": {"grpc": {"endpoint": f"127.0.0.1:{port}"}}}
        exporters[f"otlp/{index}"] = {
            "endpoint": f"127.0.0.1:{backend}",
            "tls": {"insecure": True},
            "compression": "none",
            "headers": {"x-case": str(index)},
            "sending_queue": {"enabled": False},
            "retry_on_failure": {"enabled": False},
        }
        names = []
        for number, entry in enumerate(case.processors):
            ((type_, settings),) = entry.items()
            names.append(f"{type_}/{index}-{number}")
            # A dollar sign stands for itself in a case.
            processors[names[-1]] = json.loads(json.dumps(settings).replace("$", "$$"))
        pipelines[f"traces/{index}"] = {
            "receivers": [f"otlp/{index}"],
            "processors": names,
            "exporters": [f"otlp/{index}"],
        }
    telemetry = {"metrics": {"level": "none"}, "logs": {"level": "info"}}
    return {
        "receivers": receivers,
        "processors": processors,
        "exporters": exporters,
        "service": {"telemetry": telemetry, "pipelines": pipelines},
    }


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


class _Backend:
    """Keeps what arrives, under the number of its case."""

    def __init__(self) -> None:
        self.port = 0
        self.arrived: dict[str, list[bytes]] = {}

    def take(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        """Take one request."""
        number = dict(context.invocation_metadata())["x-case"]
        self.arrived.setdefault(str(number), []).append(request)
        return b""

    def send(self, index: int, case: Case, port: int) -> Outcome:
        """Send the span of a case, and say what became of it."""
        self.arrived.pop(str(index), None)
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = channel.unary_unary(_METHOD)
            try:
                call(to_request(case.span).SerializeToString(), timeout=5)
            except grpc.RpcError as error:
                return {"error": str(error.details())[:400]}
        arrived = ExportTraceServiceRequest()
        for request in self.arrived.get(str(index), []):
            try:
                arrived.MergeFromString(request)
            except DecodeError:
                # It sends text that is no UTF-8, which no strict parser takes.
                return {"broken": True}
        return {"changes": changes(case.span, arrived)}


@contextlib.contextmanager
def _backend() -> Iterator[_Backend]:
    backend = _Backend()
    options = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1)]
    server = grpc.server(ThreadPoolExecutor(4), options=options)
    handlers = {"Export": grpc.unary_unary_rpc_method_handler(backend.take)}
    service = "opentelemetry.proto.collector.trace.v1.TraceService"
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    backend.port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield backend
    finally:
        server.stop(None).wait()
