"""Which traces the Go collector keeps, and which configurations it does not take."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from testbed.corpus.running import METHOD, Backend, GoCollector, backend, free_ports
from testbed.corpus.settings import literal
from testbed.corpus.tail.cases import Case
from testbed.corpus.tail.outcome import keys, spans_of, summary
from testbed.corpus.tail.traffic import TRACES, requests

_TOGETHER = 40
"""Cases in one process."""
_WAIT = "5m"
"""Longer than anything takes: the shutdown decides."""


def kept(program: Path, cases: Sequence[Case]) -> dict[str, dict[str, Any]]:
    """Say what was kept, by the name of the case: see `summary`. Raises `RuntimeError` if a case does not run."""
    traffic = requests()
    found: dict[str, dict[str, Any]] = {}
    with backend() as behind:
        for start in range(0, len(cases), _TOGETHER):
            group = cases[start : start + _TOGETHER]
            behind.arrived.clear()
            (port,) = free_ports(1)
            with GoCollector(program, _configuration(group, port, behind)) as collector:
                if not collector.ready:
                    raise RuntimeError(f"the Go collector does not start: {collector.reason}")
                send(port, traffic)
                if status := collector.stop():
                    raise RuntimeError(f"the Go collector ended with status {status}: {collector.reason}")
            for index, case in enumerate(group):
                found[case.name] = summary(keys(spans_of(_read(behind.arrived.get(str(index), [])))))
    return found


def refused(program: Path, cases: Sequence[Case]) -> dict[str, dict[str, Any]]:
    """Say what becomes of each case alone: `refused` with a text, `crashed` with a text, or nothing, if it runs."""

    def one(case: Case) -> dict[str, Any]:
        with backend() as behind:
            (port,) = free_ports(1)
            with GoCollector(program, _configuration([case], port, behind)) as collector:
                if collector.ready:
                    send(port, requests()[:1])
                    collector.stop()
                panics = [line for line in collector.log if line.startswith("panic:")]
                reason = collector.reason.replace("tail_sampling/0", "tail_sampling")
                if panics:
                    return {"crashed": panics[0]}
                return {} if collector.ready else {"refused": reason}

    with ThreadPoolExecutor(2) as pool:
        return dict(zip((case.name for case in cases), pool.map(one, cases), strict=True))


def output(program: Path, options: Mapping[str, Any], gates: Sequence[str]) -> dict[str, list[Any]]:
    """Give what leaves, as JSON of OTLP, by the number of the trace. Raises `RuntimeError` if it does not run."""
    arguments = [f"--feature-gates=+processor.tailsamplingprocessor.{gate}" for gate in gates]
    with backend() as behind:
        (port,) = free_ports(1)
        configuration = _configuration([Case("", options)], port, behind)
        del configuration["processors"]["batch/0"]
        configuration["service"]["pipelines"]["traces/0"]["processors"] = ["tail_sampling/0"]
        with GoCollector(program, configuration, arguments) as collector:
            if not collector.ready:
                raise RuntimeError(f"the Go collector does not start: {collector.reason}")
            send(port, requests())
            if status := collector.stop():
                raise RuntimeError(f"the Go collector ended with status {status}: {collector.reason}")
    found: dict[str, list[Any]] = {}
    for arrived in _read(behind.arrived.get("0", [])):
        ((number, _), *_) = keys(spans_of([arrived]))
        found.setdefault(f"{number:03}", []).append(MessageToDict(arrived))
    return dict(sorted(found.items()))


def send(port: int, traffic: Iterable[ExportTraceServiceRequest]) -> None:
    """Send requests one after the other. Raises `grpc.RpcError`."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(METHOD)
        for request in traffic:
            call(request.SerializeToString(), timeout=30)


def _read(arrived: Iterable[bytes]) -> Iterator[ExportTraceServiceRequest]:
    return map(ExportTraceServiceRequest.FromString, arrived)


def _configuration(cases: Sequence[Case], port: int, behind: Backend) -> dict[str, Any]:
    processors: dict[str, Any] = {}
    for index, case in enumerate(cases):
        processors[f"tail_sampling/{index}"] = literal({"decision_wait": _WAIT, **case.options})
        processors[f"batch/{index}"] = {"send_batch_size": TRACES * 20, "timeout": "1s"}
    return {
        "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": f"127.0.0.1:{port}"}}}},
        "processors": processors,
        "exporters": {f"otlp_grpc/{index}": behind.exporter(index) for index in range(len(cases))},
        "service": {
            "telemetry": {"metrics": {"level": "none"}, "logs": {"level": "info"}},
            "pipelines": {
                f"traces/{index}": {
                    "receivers": ["otlp"],
                    "processors": [f"tail_sampling/{index}", f"batch/{index}"],
                    "exporters": [f"otlp_grpc/{index}"],
                }
                for index in range(len(cases))
            },
        },
    }
