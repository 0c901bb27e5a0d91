"""The Go collector with one pipeline for each of many cases, and what comes out of them.

Queues and retries are off, so a request is answered when its spans are with the backend, or refused with what went
wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from testbed.corpus.cases import Case
from testbed.corpus.notation import changes, to_request
from testbed.corpus.running import METHOD, Backend, GoCollector, backend, free_ports
from testbed.corpus.settings import literal
from testbed.subjects import gocollector

_TOGETHER = 40
"""Cases in one process."""

Outcome = dict[str, Any]
"""`changes` of the span, or why there are none: `refused` at start, `error` for the request, `broken` spans, or
`crashed`."""


def judge(cases: Sequence[Case]) -> Iterator[tuple[Case, Outcome]]:
    """Run cases through the Go collector. Raises `AbsentError` if it is not built."""
    program = gocollector.PEER.path()
    with backend() as behind:
        for start in range(0, len(cases), _TOGETHER):
            yield from _together(program, cases[start : start + _TOGETHER], behind)


def _together(program: Path, cases: Sequence[Case], behind: Backend) -> Iterator[tuple[Case, Outcome]]:
    """Run cases in one process, or, where it does not start or does not live, in two."""
    outcomes, refusal = _run(program, cases, behind)
    if refusal is None:
        yield from zip(cases, outcomes, strict=True)
    elif len(cases) == 1:
        yield cases[0], refusal
    else:
        middle = len(cases) // 2
        yield from _together(program, cases[:middle], behind)
        yield from _together(program, cases[middle:], behind)


def _run(program: Path, cases: Sequence[Case], behind: Backend) -> tuple[list[Outcome], Outcome | None]:
    ports = free_ports(len(cases))
    with GoCollector(program, _configuration(cases, ports, behind)) as collector:
        if not collector.ready:
            return [], {"refused": collector.reason}
        outcomes = []
        for index, (case, port) in enumerate(zip(cases, ports, strict=True)):
            outcomes.append(_send(collector, behind, index, case, port))
            if not collector.running:
                return [], {"crashed": True}
        return outcomes, None


def _configuration(cases: Sequence[Case], ports: Sequence[int], behind: Backend) -> dict[str, Any]:
    receivers, processors, exporters, pipelines = {}, {}, {}, {}
    for index, (case, port) in enumerate(zip(cases, ports, strict=True)):
        receivers[f"otlp/{index}"] = {"protocols": {"grpc": {"endpoint": f"127.0.0.1:{port}"}}}
        exporters[f"otlp/{index}"] = behind.exporter(index)
        names = []
        for number, entry in enumerate(case.processors):
            ((type_, settings),) = entry.items()
            names.append(f"{type_}/{index}-{number}")
            processors[names[-1]] = literal(settings)
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


def _send(collector: GoCollector, behind: Backend, index: int, case: Case, port: int) -> Outcome:
    """Send the span of a case, and say what became of it."""
    behind.arrived.pop(str(index), None)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(METHOD)
        try:
            call(to_request(case.span).SerializeToString(), timeout=5)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                collector.wait(1)  # the connection goes first, and then the process
            return {"error": str(error.details())[:400]}
    arrived = ExportTraceServiceRequest()
    for request in behind.arrived.get(str(index), []):
        try:
            arrived.MergeFromString(request)
        except DecodeError:
            # It sends text that is no UTF-8, which no strict parser takes.
            return {"broken": True}
    return {"changes": changes(case.span, arrived)}
