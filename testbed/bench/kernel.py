"""The kernel alone: processor time of one thread per span, next to parsing the same bytes in Python.

Cases take turns, round after round, so that a busy machine slows all of them; what counts is the median.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector._kernel import Program, SpanBatch
from collector.component import Kind
from collector.config.loading import load
from collector.testing import settings
from testbed.bench import costs, redaction, routing, span_metrics, statements
from testbed.bench.payload import calls, request

CHAIN = Path(__file__).with_name("chain.yaml")
SPANS = 512
ROUNDS = 25
TURN = 0.02
"""Seconds of a turn, roughly."""
CALLS = 40
"""How often a turn calls its case at most: one that takes long is called less often."""
YARDSTICK = "protobuf parse in Python"
TEN = "transform with ten statements"
BASE = "transform with one"


@dataclass(frozen=True, slots=True)
class Figure:
    """What a case costs."""

    case: str
    us_per_span: float
    ratio: float
    """To the yardstick."""


def program(ids: Sequence[str]) -> Program:
    """Fuse processors of the chain, as the pipeline would."""
    config = load([str(CHAIN)], [])
    ops = []
    for id in ids:
        part = config.part(Kind.PROCESSOR, id)
        ops += part.component(part.config, settings(id)).ops()
    return Program(ops)


def measure() -> list[Figure]:
    """Measure all cases, the yardstick first."""
    data = request(SPANS)
    batch = SpanBatch.decode(data)
    nothing = program(["filter/nothing"])
    chain = program(["filter", "attributes", "probabilistic_sampler"])
    costing, calls = costs.program(), SpanBatch.decode(costs.calls(SPANS))
    text = batch.to_json()
    # The same text but for the ids, which protobuf's own JSON has in base64.
    protobuf_text = json_format.MessageToJson(ExportTraceServiceRequest.FromString(data), indent=None)
    cases: dict[str, Callable[[], object]] = {
        YARDSTICK: lambda: ExportTraceServiceRequest.FromString(data),
        "validating scan": lambda: SpanBatch.decode(data),
        "pass with nothing to change": lambda: nothing.run(batch),
        "filter + attributes + sampler": lambda: chain.run(batch),
        "gen_ai_cost on other spans": lambda: costing.run(batch),
        "gen_ai_cost on calls of models": lambda: costing.run(calls),
        "JSON to wire bytes": lambda: SpanBatch.from_json(text),
        "wire bytes to JSON": batch.to_json,
        "JSON to wire bytes in Python": lambda: json_format.Parse(
            protobuf_text, ExportTraceServiceRequest()
        ).SerializeToString(),
    }
    medians = _medians(cases)
    return [Figure(name, value, value / medians[YARDSTICK]) for name, value in medians.items()]


def measure_statements() -> list[Figure]:
    """Measure OTTL: a program of ten statements as a whole, and what one of each kind adds to a program."""
    data = request(SPANS)
    batch = SpanBatch.decode(data)
    ten = statements.transform(*statements.TEN)
    base = statements.base()
    programs = {name: statements.with_copies(text) for name, text in statements.STATEMENTS.items()}
    cases: dict[str, Callable[[], object]] = {
        YARDSTICK: lambda: ExportTraceServiceRequest.FromString(data),
        TEN: lambda: ten.run(batch),
        BASE: lambda: base.run(batch),
        **{name: partial(program.run, batch) for name, program in programs.items()},
    }
    medians = _medians(cases)
    each = {name: (medians[name] - medians[BASE]) / statements.COPIES for name in programs}
    shown = {name: medians[name] for name in (YARDSTICK, TEN, BASE)} | each
    return [Figure(name, value, value / medians[YARDSTICK]) for name, value in shown.items()]


def measure_redaction() -> list[Figure]:
    """Measure redaction on spans with ten short attributes, and on prompts of 8 KB."""
    short = SpanBatch.decode(request(SPANS))
    long = SpanBatch.decode(redaction.prompts(SPANS // 8))
    data = request(SPANS)
    programs = redaction.programs()
    spans: dict[str, Callable[[], object]] = {
        YARDSTICK: lambda: ExportTraceServiceRequest.FromString(data),
        **{f"{name}, 10 short attributes": partial(program.run, short) for name, program in programs.items()},
    }
    prompts: dict[str, Callable[[], object]] = {
        f"{name}, 8 KB prompt": partial(program.run, long) for name, program in programs.items()
    }
    medians = _medians(spans) | _medians(prompts, SPANS // 8)
    return [Figure(name, value, value / medians[YARDSTICK]) for name, value in medians.items()]


def measure_routing() -> list[Figure]:
    """Measure how spans are told apart for several backends."""
    data = request(SPANS)
    medians = _medians({YARDSTICK: lambda: ExportTraceServiceRequest.FromString(data), **routing.cases(SPANS)})
    return [Figure(name, value, value / medians[YARDSTICK]) for name, value in medians.items()]


def measure_span_metrics() -> list[Figure]:
    """Measure `span_metrics` on the spans of an HTTP server, and on calls of models."""
    data = request(SPANS)
    batch = SpanBatch.decode(data)
    medians = _medians(
        {
            YARDSTICK: lambda: ExportTraceServiceRequest.FromString(data),
            **span_metrics.cases(batch, SpanBatch.decode(calls(SPANS))),
        }
    )
    return [Figure(name, value, value / medians[YARDSTICK]) for name, value in medians.items()]


def _medians(cases: Mapping[str, Callable[[], object]], spans: int = SPANS) -> dict[str, float]:
    """Microseconds a span of each case."""
    calls = {name: max(1, min(CALLS, int(TURN / _seconds(case, 1)))) for name, case in cases.items()}
    costs: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(ROUNDS):
        for name, case in cases.items():
            costs[name].append(_seconds(case, calls[name]) * 1e6 / spans)
    return {name: statistics.median(values) for name, values in costs.items()}


def _seconds(case: Callable[[], object], calls: int) -> float:
    """What one call takes, on average."""
    began = time.thread_time_ns()
    for _ in range(calls):
        case()
    return (time.thread_time_ns() - began) / 1e9 / calls


def table(figures: Sequence[Figure], title: str = "kernel, 512 spans") -> str:
    """Write the figures for people."""
    lines = [f"{title:38} {'µs/span':>8} {'ratio':>7}"]
    lines += [f"{figure.case:38} {figure.us_per_span:8.3f} {figure.ratio:7.2f}" for figure in figures]
    return "\n".join(lines)


def as_json(figures: Sequence[Figure]) -> list[dict[str, object]]:
    """Write the figures for machines."""
    return [asdict(figure) for figure in figures]
