"""The whole process: gRPC in, the chain, batch, gRPC out, with clients and backend in processes of their own.

What is measured is processor time of the collector, user and system, from the first request until the backend has
everything. What arrives is compared with what should: the number of spans, and what one request looks like.

Beside it stands what the backend pays, a bare grpcio server that only counts the spans of the same requests: what the
transport costs on this machine, on this day.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import psutil
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector._kernel import SpanBatch
from testbed.bench.kernel import CHAIN, program
from testbed.bench.load import Load
from testbed.bench.payload import request
from testbed.bench.sink import Stats, stats
from testbed.process import CollectorProcess

SIZES = (512, 100, 10)
"""Spans per request."""


@dataclass(frozen=True, slots=True)
class Figure:
    """What the process costs at one size of requests."""

    spans_per_request: int
    us_per_span: float
    us_per_request: float
    bare_us_per_request: float
    """What a server costs that only counts."""
    spans_per_second: float
    rss_mib: float


class WrongResultError(Exception):
    """Something else arrived than what should."""


@contextlib.contextmanager
def _sink() -> Iterator[tuple[str, psutil.Process]]:
    with subprocess.Popen(
        [sys.executable, "-m", "testbed.bench.sink"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        if not process.stdin or not process.stdout:
            raise RuntimeError("no pipes")
        yield process.stdout.readline().strip(), psutil.Process(process.pid)
        process.stdin.close()


def _load(address: str, spans: int, seconds: float) -> Load:
    command = [sys.executable, "-m", "testbed.bench.load", address, str(spans), str(seconds)]
    load: Load = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return load


def measure(seconds: float, sizes: Sequence[int] = SIZES) -> list[Figure]:
    """Measure at each size of requests, with a fresh collector. Raises `WrongResultError`."""
    return [_measure(spans, seconds) for spans in sizes]


def _measure(spans: int, seconds: float) -> Figure:
    kept = len(program(["filter", "attributes", "probabilistic_sampler"]).run(SpanBatch.decode(request(spans))).batch)
    with _sink() as (sink, _):
        arguments = ["--config", str(CHAIN), "--set", f"exporters.otlp_grpc.endpoint={sink}"]
        with CollectorProcess(arguments) as collector:
            address = collector.address()
            warm = _load(address, spans, 1.0)
            expected = warm["taken"] * kept
            _arrived(sink, expected)
            before = _cpu(collector.usage)
            load = _load(address, spans, seconds)
            arrived = _arrived(sink, expected + load["taken"] * kept)
            cost = _cpu(collector.usage) - before
            rss = collector.usage.memory_info().rss
    _check(arrived)
    if load["refused"]:
        raise WrongResultError(f"{load['refused']} of {load['taken'] + load['refused']} requests were refused")
    return Figure(
        spans_per_request=spans,
        us_per_span=1e6 * cost / load["taken"] / spans,
        us_per_request=1e6 * cost / load["taken"],
        bare_us_per_request=_bare(spans, seconds),
        spans_per_second=load["taken"] * spans / load["seconds"],
        rss_mib=rss / (1 << 20),
    )


def _bare(spans: int, seconds: float) -> float:
    """What a server pays for a request, in microseconds, that only counts its spans."""
    with _sink() as (address, server):
        _load(address, spans, 1.0)
        before = _cpu(server)
        load = _load(address, spans, seconds)
        return 1e6 * (_cpu(server) - before) / load["taken"]


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _arrived(sink: str, spans: int) -> Stats:
    """Wait until the backend has so many spans."""
    deadline = time.monotonic() + 15
    while (now := stats(sink))["spans"] < spans and time.monotonic() < deadline:
        time.sleep(0.05)
    if now["spans"] != spans:
        raise WrongResultError(f"the backend has {now['spans']} spans, and should have {spans}")
    return now


def _check(arrived: Stats) -> None:
    """Look into the first request that the backend got."""
    message = ExportTraceServiceRequest.FromString(bytes.fromhex(arrived["first"]))
    for group in message.resource_spans:
        for scope in group.scope_spans:
            for span in scope.spans:
                attributes = {item.key: item.value.string_value for item in span.attributes}
                if (
                    attributes["http.route"] == "/healthz"
                    or "http.request.header.authorization" in attributes
                    or len(attributes["user.email"]) != 64
                    or attributes["deployment.environment.name"] != "production"
                    or attributes["app.tenant"] != "masked"
                ):
                    raise WrongResultError(f"this span should not have arrived: {span}")


def table(figures: Sequence[Figure]) -> str:
    """Write the figures for people."""
    lines = [
        f"{'whole process, spans a request':34} {'µs/span':>8} {'µs/req':>8} {'bare':>6} {'spans/s':>9} {'RSS MiB':>8}"
    ]
    lines += [
        f"{figure.spans_per_request:<34} {figure.us_per_span:8.2f} {figure.us_per_request:8.0f}"
        f" {figure.bare_us_per_request:6.0f} {figure.spans_per_second:9,.0f} {figure.rss_mib:8.0f}"
        for figure in figures
    ]
    return "\n".join(lines)


def as_json(figures: Sequence[Figure]) -> list[dict[str, object]]:
    """Write the figures for machines."""
    return [asdict(figure) for figure in figures]
