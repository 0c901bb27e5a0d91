"""What leaves the Go collector, and when: steps of sending and waiting, each in a process of its own."""

from __future__ import annotations

import hashlib
import re
import subprocess
import time
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from testbed.corpus.running import Backend, GoCollector, backend, free_ports
from testbed.corpus.settings import literal
from testbed.corpus.tail.cases import FOLDER
from testbed.corpus.tail.decisions import send
from testbed.corpus.tail.outcome import spans_of

_AT_ONCE = 4
"""Processes. They wait nearly all of the time."""
_RUNS = 3
_PREFIX = "otelcol_processor_tail_sampling_"
_OF_THE_CLOCK = ("sampling_decision_timer_latency", "sampling_policy_execution_time_sum")
"""Metrics that say how long something took, or how many ticks there were: only their labels are recorded."""


@dataclass(frozen=True, slots=True)
class Story:
    """A configuration, and what is sent to it when."""

    name: str
    options: Mapping[str, Any]
    steps: Sequence[Mapping[str, Any]]
    count: bool
    component: str


def load() -> list[Story]:
    """Read timed.yaml."""
    document = yaml.safe_load((FOLDER / "timed.yaml").read_text(encoding="utf-8"))
    defaults = {"count": False, "component": "tail_sampling"}
    return [Story(**{**defaults, **entry}) for entry in document]


def request(step: Sequence[str] | Mapping[str, int]) -> ExportTraceServiceRequest:
    """Make what a step sends."""
    made = ExportTraceServiceRequest()
    for spans in _traces(step) if isinstance(step, Mapping) else ([text] for text in step):
        group = made.resource_spans.add().scope_spans.add()
        group.spans.extend(map(_span, spans))
    return made


def _traces(bulk: Mapping[str, int]) -> Iterator[list[str]]:
    for number in range(bulk["first"], bulk["first"] + bulk["traces"]):
        error = "!" if "every" in bulk and number % bulk["every"] == 0 else ""
        yield [f"{number}/{index}{'' if index else 'r'}{error}" for index in range(bulk["spans"])]


def _span(text: str) -> Span:
    trace, _, rest = text.partition("/")
    halves = (f"left {trace}", f"right {trace.rstrip(chr(39))}")
    left, right = (hashlib.sha256(half.encode()).digest()[:8] for half in halves)
    span = Span(trace_id=left + right, span_id=hashlib.sha256(text.encode()).digest()[:8], name=text.rstrip("r!"))
    span.start_time_unix_nano, span.end_time_unix_nano = 1_700_000_000_000_000_000, 1_700_000_000_001_000_000
    if "r" not in rest:
        span.parent_span_id = bytes(range(8))
    if "!" in rest:
        span.status.code = 2  # type: ignore[assignment]  # an enum is a number on the wire
    return span


def play(program: Path, stories: Sequence[Story]) -> dict[str, dict[str, Any]]:
    """Say what left, by the name of the story. What differs from run to run has ranges, or is marked."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        runs = list(pool.map(lambda story: _play(program, story), [story for story in stories for _ in range(_RUNS)]))
    found = {}
    for index, story in enumerate(stories):
        mine = runs[index * _RUNS : (index + 1) * _RUNS]
        found[story.name] = _counts(story, mine) if story.count else _agreed(mine)
    return found


def _agreed(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What all runs have in common, and marked what they have not."""
    first = runs[0]
    series = {key for run in runs for key in run["metrics"]}
    same = {key for key in series if all(run["metrics"].get(key) == first["metrics"].get(key) for run in runs)}
    agreed = {**first, "metrics": {key: first["metrics"][key] for key in sorted(same)}}
    if series - same:
        agreed["metrics_at_random"] = sorted(series - same)
    if others := [run["left"] for run in runs[1:] if run["left"] != first["left"]]:
        agreed["at_random"] = others
    return agreed


def _counts(story: Story, runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """For each part and each thing sent, traces and spans, the least and the most."""
    bulks = [step["send"] for step in story.steps if "send" in step]
    left = []
    for part in zip(*(run["left"] for run in runs), strict=True):
        counts = []
        for bulk in bulks:
            numbers = range(bulk["first"], bulk["first"] + bulk["traces"])
            found = [[number for text in spans if (number := int(text.partition("/")[0])) in numbers] for spans in part]
            traces, spans = [len(set(numbers)) for numbers in found], [len(numbers) for numbers in found]
            counts.append({"traces": [min(traces), max(traces)], "spans": [min(spans), max(spans)]})
        left.append(counts)
    return {"left": left}


def _play(program: Path, story: Story) -> dict[str, Any]:
    with backend() as behind:
        port, page = free_ports(2)
        left: list[list[str]] = []
        with GoCollector(program, _configuration(story, port, page, behind)) as collector:
            if not collector.ready:
                raise RuntimeError(f"the Go collector does not start: {collector.reason}")
            for step in story.steps:
                if "send" in step:
                    send(port, [request(step["send"])])
                else:
                    time.sleep(step["wait"])
                    left.append(_taken(behind))
            metrics = _metrics(page)
            outcome: dict[str, Any] = {"left": left, "metrics": metrics}
            try:
                if status := collector.stop(15):
                    raise RuntimeError(f"the Go collector ended with status {status}: {collector.reason}")
            except subprocess.TimeoutExpired:
                outcome["shutdown"] = "hangs"
            left.append(_taken(behind))
            warnings = sorted(
                {found[1] for line in collector.log if (found := re.search(r"\t(?:warn|error)\t\S+\t([^\t{]+)", line))}
            )
        return outcome | ({"warnings": warnings} if warnings else {})


def _taken(behind: Backend) -> list[str]:
    """The spans that arrived since the last time."""
    arrived, behind.arrived["0"] = behind.arrived.get("0", []), []
    return sorted(span.name for span in spans_of(map(ExportTraceServiceRequest.FromString, arrived)))


def _metrics(port: int) -> dict[str, float | None]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return dict(_samples(answer.read().decode().splitlines()))


def _samples(lines: Iterable[str]) -> Iterator[tuple[str, float | None]]:
    for line in lines:
        if not line.startswith(_PREFIX):
            continue
        series, _, value = line.removeprefix(_PREFIX).rpartition(" ")
        name, _, labels = series.partition("{")
        if name.endswith(("_bucket", "_sum")) and "time_sum" not in name:
            continue
        named = re.findall(r'(\w+)="([^"]*)"', labels)
        kept = ",".join(f'{key}="{value}"' for key, value in named if not key.startswith(("otel_", "service_")))
        timed = any(part in name for part in _OF_THE_CLOCK)
        yield f"{name}{{{kept}}}", None if timed else float(value)


def _configuration(story: Story, port: int, page: int, behind: Backend) -> dict[str, Any]:
    reader = {"pull": {"exporter": {"prometheus": {"host": "127.0.0.1", "port": page}}}}
    pipeline = {"receivers": ["otlp"], "processors": [story.component, "batch"], "exporters": ["otlp_grpc"]}
    return {
        "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": f"127.0.0.1:{port}"}}}},
        "processors": {story.component: literal(story.options), "batch": {"timeout": "10ms", "send_batch_size": 10000}},
        "exporters": {"otlp_grpc": behind.exporter(0)},
        "service": {
            "telemetry": {"metrics": {"level": "detailed", "readers": [reader]}, "logs": {"level": "info"}},
            "pipelines": {"traces": pipeline},
        },
    }
