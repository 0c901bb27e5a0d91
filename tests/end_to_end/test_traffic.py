"""The demo sends through the real SDK, `collector.yaml` as shipped works on it, a backend looks at each attribute."""

import hashlib
import json
import re
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from testbed.backend import Arrived, Backend, plain
from testbed.demo.application import Application
from testbed.demo.summary import Written, read
from testbed.demo.traffic import API_KEY, EMAILS, KINDS
from testbed.process import METRICS, CollectorProcess

ROUNDS = 8
HASHED = re.compile(r"(^|[._])e?mail$|^app\.prompt$")
DELETED = re.compile(r"^http\.request\.header\.authorization$|(?i:api[._-]?key)")


@dataclass(frozen=True)
class Run:
    """What was sent, what came out, and what the collector says about it."""

    sent: dict[str, ReadableSpan]
    arrived: dict[str, Arrived]
    written: dict[str, Written]
    metrics: dict[str, float]
    console: list[str]


def _run(directory: Path, arguments: Callable[..., list[str]], **settings: str) -> Run:
    with Backend() as backend:
        collector = CollectorProcess(arguments(directory, backend.address, **settings))
        with collector:
            application = Application(f"http://{collector.address()}", "test", seed=7)
            for _ in range(ROUNDS):
                application.round()
            application.close()
            metrics = _quiet(collector)
        sent = {f"{span.context.span_id:016x}": span for span in application.sent.spans}
        return Run(
            sent=sent,
            arrived={span.id: span for span in backend.spans},
            written={span.span_id: span for span in read(directory / "spans.jsonl", "test")},
            metrics=metrics,
            console=[*collector.log, *collector.console],
        )


def _metrics(collector: CollectorProcess) -> dict[str, float]:
    with urllib.request.urlopen(f"http://{collector.address(METRICS)}/metrics") as page:
        lines = page.read().decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")}


def _quiet(collector: CollectorProcess) -> dict[str, float]:
    """Wait until nothing is held, and give the metrics of that moment."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        metrics = _metrics(collector)
        if not any(value for name, value in metrics.items() if "_held_spans" in name):
            return metrics
        time.sleep(0.05)
    raise TimeoutError("the collector still holds spans")


def _metric(metrics: dict[str, float], *parts: str) -> float:
    """Find the one series that has all parts in its name or labels."""
    [value] = [value for name, value in metrics.items() if all(part in name for part in parts)]
    return value


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory, shipped: Callable[..., list[str]]) -> Run:
    """A run in which no trace is sampled out."""
    return _run(
        tmp_path_factory.mktemp("everything"), shipped, processors__probabilistic_sampler__sampling_percentage="100"
    )


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory, shipped: Callable[..., list[str]]) -> Run:
    """A run of the configuration as it is."""
    return _run(tmp_path_factory.mktemp("half"), shipped)


def _expected(attributes: dict[str, Any]) -> dict[str, Any]:
    """What `collector.yaml` makes of attributes, in four lines."""
    kept = {key: list(value) if isinstance(value, tuple) else value for key, value in attributes.items()}
    kept = {key: value for key, value in kept.items() if not DELETED.search(key)}
    return {
        key: hashlib.sha256(value.encode()).hexdigest() if HASHED.search(key) else value for key, value in kept.items()
    }


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "health checks"])
def test_each_kind_of_traffic_arrives_attribute_by_attribute(everything: Run, kind: str) -> None:
    """Every span of the kind is at the backend, unchanged but for what the configuration hashes and deletes."""
    sent = {id: span for id, span in everything.sent.items() if span.instrumentation_scope.name == kind}
    assert sent

    for id, before in sent.items():
        after = everything.arrived[id]
        assert after.scope == kind
        assert after.span.name == before.name
        assert after.span.trace_id.hex() == f"{before.context.trace_id:032x}"
        assert after.span.parent_span_id.hex() == (f"{before.parent.span_id:016x}" if before.parent else "")
        assert after.span.kind == before.kind.value + 1
        assert after.span.start_time_unix_nano == before.start_time
        assert after.span.end_time_unix_nano == before.end_time
        assert after.span.status.code == before.status.status_code.value
        assert after.span.status.message == (before.status.description or "")
        assert after.attributes == _expected(dict(before.attributes or {}))
        assert after.resource == {**before.resource.attributes, "deployment.environment.name": "development"}
        assert [(event.name, event.time_unix_nano, plain(event.attributes)) for event in after.span.events] == [
            (event.name, event.timestamp, dict(event.attributes or {})) for event in before.events
        ]


def test_the_traffic_is_what_it_says(everything: Run) -> None:
    """Streams have hundreds of events, prompts are 1 to 100 KB, retrievals are trees."""
    spans = everything.sent.values()
    by_kind = {kind: [span for span in spans if span.instrumentation_scope.name == kind] for kind in KINDS}

    assert all(len(span.events) >= 200 for span in by_kind["token streaming"])
    assert all(
        1000 <= len(str((span.attributes or {})["app.prompt"])) <= 100_000 for span in by_kind["prompt templating"]
    )
    assert len(by_kind["retrieval"]) == 7 * ROUNDS
    assert all("gen_ai.request.model" in (span.attributes or {}) for span in by_kind["model gateway"])


def test_health_checks_are_dropped_and_nothing_else_is(everything: Run) -> None:
    """The spans that are missing at the backend are the health checks, all of them."""
    missing = everything.sent.keys() - everything.arrived.keys()

    assert {everything.sent[id].instrumentation_scope.name for id in missing} == {"health checks"}
    assert len(missing) == 2 * ROUNDS
    assert len(everything.arrived) == len(everything.sent) - len(missing)


def test_no_address_and_no_key_leaves_the_house(everything: Run) -> None:
    """Neither the backend nor the file nor the console has an e-mail address or an API key in it."""
    places = {
        "backend": "".join(str(span.attributes) for span in everything.arrived.values()),
        "file": "".join(str(span.attributes) for span in everything.written.values()),
        "console": "\n".join(everything.console),
    }
    for place, text in places.items():
        assert not [secret for secret in (API_KEY, *EMAILS) if secret in text], place


def test_the_file_has_what_the_backend_has(everything: Run) -> None:
    """Two exporters of one pipeline get the same spans."""
    assert everything.written.keys() == everything.arrived.keys()
    for id, span in everything.written.items():
        assert span.attributes == everything.arrived[id].attributes
        assert span.events == len(everything.arrived[id].span.events)


def test_the_console_names_the_spans(everything: Run) -> None:
    """The debug exporter writes a line for each span that left."""
    text = "\n".join(everything.console)

    assert all(span.span.span_id.hex() in text for span in everything.arrived.values())


def test_half_of_the_traces_stay_and_whole_ones(half: Run) -> None:
    """A trace is kept with all its spans or with none, and about half of them are."""
    traces = {f"{span.context.trace_id:032x}" for span in half.sent.values() if "GET /" not in span.name}
    kept = {span.span.trace_id.hex() for span in half.arrived.values()}

    for id, span in half.sent.items():
        if "GET /" not in span.name:
            assert (id in half.arrived) == (f"{span.context.trace_id:032x}" in kept)
    assert 0.2 * len(traces) < len(kept) < 0.8 * len(traces)


@pytest.mark.parametrize("name", ["everything", "half"])
def test_the_ledger_adds_up_on_the_metrics_page(name: str, request: pytest.FixtureRequest) -> None:
    """Received, filtered, sampled out and sent spans are in balance, and agree with what is at the backend."""
    run: Run = request.getfixturevalue(name)
    metrics = run.metrics
    accepted = _metric(metrics, "otelcol_receiver_accepted_spans", 'transport="grpc"')
    filtered = _metric(metrics, "spanmill_processor_filtered_spans", "filter/noise")
    sampled_out = _metric(metrics, "spanmill_processor_sampled_out_spans", "probabilistic_sampler")

    assert accepted == len(run.sent)
    assert _metric(metrics, "otelcol_receiver_refused_spans", 'transport="grpc"') == 0
    assert filtered == 2 * ROUNDS
    assert accepted == filtered + sampled_out + len(run.arrived)
    for exporter in ("debug", "file", "otlp_grpc"):
        assert _metric(metrics, "otelcol_exporter_sent_spans", f'"{exporter}"') == len(run.arrived)
        assert _metric(metrics, "otelcol_exporter_send_failed_spans", f'"{exporter}"') == 0


def test_what_the_file_has_is_otlp_json(everything: Run, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Each line of the file is one JSON object with `resourceSpans` and nothing else."""
    for path in tmp_path_factory.getbasetemp().glob("everything*/spans.jsonl"):
        for line in path.read_text(encoding="utf-8").splitlines():
            assert json.loads(line).keys() == {"resourceSpans"}
