"""How the real process starts, waits for a backend, and ends."""

import re
import socket
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from click.testing import CliRunner

from collector.cli import cli
from testbed.backend import Backend
from testbed.demo.application import Application
from testbed.process import HTTP_RECEIVER, RECEIVER, CollectorProcess

Arguments = Callable[..., list[str]]


def _send(collector: CollectorProcess, rounds: int = 2, protocol: Literal["grpc", "http"] = "grpc") -> set[str]:
    """Send some traffic, and give the ids of the spans that shall arrive when nothing is sampled out."""
    address = collector.address(HTTP_RECEIVER if protocol == "http" else RECEIVER)
    application = Application(f"http://{address}", "test", seed=3, protocol=protocol)
    for _ in range(rounds):
        application.round()
    application.close()
    spans = application.sent.spans
    return {f"{span.context.span_id:016x}" for span in spans if span.instrumentation_scope.name != "health checks"}


ALL = {"processors__probabilistic_sampler__sampling_percentage": "100"}


def test_drains_what_it_holds_when_it_is_asked_to_end(shipped: Arguments, tmp_path: Path, backend: Backend) -> None:
    """Spans that wait in a batch for an hour leave at SIGTERM, and the exit status is 0."""
    with CollectorProcess(shipped(tmp_path, backend.address, processors__batch__timeout="1h", **ALL)) as collector:
        sent = _send(collector)
        assert not backend.spans
        status = collector.stop()

    assert status == 0
    assert {span.id for span in backend.spans} == sent
    assert any("Shutdown complete" in line for line in collector.log)


def test_takes_from_both_exporters_of_the_sdk(shipped: Arguments, tmp_path: Path, backend: Backend) -> None:
    """Spans that an SDK sends over gRPC and over HTTP arrive side by side, each by its id and as it was."""
    with CollectorProcess(shipped(tmp_path, backend.address, **ALL)) as collector:
        grpc = _send(collector)
        http = _send(collector, protocol="http")
        arrived = {span.id: span for span in backend.wait(lambda spans: {span.id for span in spans} >= grpc | http)}

    assert grpc
    assert http
    assert arrived.keys() == grpc | http
    assert not grpc & http
    assert {span.scope for id, span in arrived.items() if id in http} == {
        span.scope for id, span in arrived.items() if id in grpc
    }


def test_waits_for_a_backend_that_comes_later(shipped: Arguments, tmp_path: Path) -> None:
    """What was taken while the backend was away is delivered when it comes, and the outage is reported once."""
    path = str(tmp_path / "backend.sock")
    retry = {"exporters__otlp_grpc__retry_on_failure__initial_interval": "100ms"}
    with CollectorProcess(shipped(tmp_path, f"unix://{path}", **retry, **ALL)) as collector:
        sent = _send(collector) | _send(collector)
        outage = collector.wait_for("WARN")
        with Backend(path) as backend:
            arrived = {span.id for span in backend.wait(lambda spans: {span.id for span in spans} >= sent)}

    assert arrived == sent
    assert "otlp_grpc" in outage
    assert len([line for line in collector.log if "WARN" in line and "otlp_grpc" in line]) == 1


def test_a_dead_exporter_takes_nothing_from_the_others(shipped: Arguments, tmp_path: Path) -> None:
    """With a backend that is away and a tiny queue before it, the file gets every span and the client no error."""
    away = {"exporters__otlp_grpc__sending_queue__queue_size": "1", "processors__batch__timeout": "1ms", **ALL}
    collector = CollectorProcess([*shipped(tmp_path, "unix:///nowhere.sock", **away), "--shutdown-timeout", "2s"])
    with collector:
        sent = _send(collector, rounds=5)

    text = (tmp_path / "spans.jsonl").read_text(encoding="utf-8")
    assert all(id in text for id in sent)
    assert not any("Traceback" in line for line in collector.log)


def test_answers_health_checks_while_it_runs(shipped: Arguments, tmp_path: Path, backend: Backend) -> None:
    """The health page says 200 as soon as the collector is ready."""
    with (
        CollectorProcess(shipped(tmp_path, backend.address)) as collector,
        urllib.request.urlopen(f"http://{collector.address('health check')}/") as answer,
    ):
        assert answer.status == 200
        assert b"Server available" in answer.read()


def _fails(arguments: list[str]) -> str:
    """Run a collector that cannot start, and give what it wrote."""
    collector = CollectorProcess(arguments)
    collector.start()
    status = collector.wait()
    text = "\n".join(collector.log)
    assert status == 1, text
    assert "Traceback" not in text
    return text


def test_a_port_in_use_is_one_sentence(shipped: Arguments, tmp_path: Path, backend: Backend) -> None:
    """The collector names the option and the address, and exits with 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        text = _fails(shipped(tmp_path, backend.address, receivers__otlp__protocols__grpc__endpoint=address))

    [line] = [line for line in text.splitlines() if address in line]
    assert "receivers::otlp::protocols::grpc::endpoint" in line


def test_all_that_is_wrong_with_a_configuration_is_one_report(shipped: Arguments, tmp_path: Path) -> None:
    """A misspelt key, a wrong type, a component that is not there: each is a line with its place."""
    path = tmp_path / "wrong.yaml"
    path.write_text("""
receivers:
  otlp:
    protocols:
      grpc:
        endpoint: localhost:0
  prometheus:
processors:
  batch:
    send_batch_sise: 10
    timeout: 5
exporters:
  nop:
service:
  pipelines:
    traces: {receivers: [otlp], processors: [batch], exporters: [nop, other]}
""")

    text = _fails(["--config", str(path)])

    for place in (
        r"wrong.yaml:\d+ receivers::prometheus: unknown type",
        r"wrong.yaml:\d+ processors::batch::send_batch_sise: unknown key; did you mean 'send_batch_size'",
        r"wrong.yaml:\d+ processors::batch::timeout: must be a duration such as",
        r"service::pipelines::traces.*references exporter 'other' which is not configured",
    ):
        assert re.search(place, text), text


@pytest.mark.parametrize("name", ["collector.yaml", "testbed/bench/chain.yaml"])
def test_validates_what_is_shipped(name: str) -> None:
    """The configurations in the repository are right."""
    result = CliRunner().invoke(cli, ["validate", "--config", str(Path(__file__).parents[2] / name)])

    assert result.exit_code == 0, result.output
