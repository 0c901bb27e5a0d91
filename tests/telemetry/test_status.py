"""`spanmill status`: the ledger of a running collector, from outside."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from collector.cli import cli
from collector.component import Kind
from collector.errors import PermanentError, TooLargeError
from collector.ledger import ConnectorAccount, Ledger, PipelineAccount, PointsAccount, Reason
from collector.service import Service
from collector.telemetry.status import document, lines
from collector.testing import Feed, SinkExporter, known, make_spans, running

YAML = """
receivers: {feed: }
processors: {filter: {trace_conditions: ['span.name == "span 1"']}}
exporters: {sink: }
service: {pipelines: {traces: {receivers: [feed], processors: [filter], exporters: [sink]}}}
"""
PAGE = (
    "service.telemetry.metrics.level=basic",
    "service.telemetry.metrics.readers=[{pull: {exporter: {prometheus: {host: 127.0.0.1, port: 0}}}}]",
)


@pytest.fixture(autouse=True)
def _components() -> Iterator[None]:
    with known(Kind.RECEIVER, feed=Feed), known(Kind.EXPORTER, sink=SinkExporter):
        yield


def ask(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["status", *arguments])


def ends(service: Service) -> tuple[Feed, SinkExporter]:
    """Where spans come in and go out."""
    feed = service.machine.receivers["feed"]
    sink = service.machine.exporters["sink"].exporter
    assert isinstance(feed, Feed)
    assert isinstance(sink, SinkExporter)
    return feed, sink


async def both_answers(service: Service) -> tuple[Result, Result]:
    """Ask for lines, and for the document."""
    assert service.metrics_page
    address = service.metrics_page.server.address
    text = await asyncio.to_thread(ask, "--endpoint", address)
    return text, await asyncio.to_thread(ask, "--endpoint", address, "--json")


async def test_prints_the_equations_of_a_running_collector() -> None:
    """Everything that was received is somewhere, and every loss has a reason."""
    async with running(YAML, *PAGE) as service:
        feed, sink = ends(service)
        await feed.send(make_spans(5))
        sink.outcomes = [PermanentError("never")]
        with pytest.raises(PermanentError):
            await feed.send(make_spans(2))
        text, data = await both_answers(service)

    assert (text.exit_code, data.exit_code) == (0, 0)
    assert text.stdout.splitlines() == [
        "receivers::feed (test): received 7 = accepted 5 + refused 2",
        "    requests: received 2 = accepted 1 + refused 1",
        "pipelines::traces: taken 5 = filtered 1 + sampled out 0 + failed 0 + held 0 + passed on 4",
        "exporters::sink: offered 4 = delivered 4 + failed 0 + held 0",
    ]
    assert json.loads(data.stdout)["exporters"]["sink"]["delivered"] == 4


async def test_shows_the_last_spans_that_were_too_large() -> None:
    """Which they were and which attribute was it, and nothing of what was in them; twenty at the most."""
    async with running(YAML, *PAGE) as service:
        feed, sink = ends(service)
        sink.outcomes = [TooLargeError("4 MiB at the most")] * 30
        for first in range(10, 40):
            batch = make_spans(1, first=first, attributes={"gen_ai.prompt": "secret" * 1000, "b": 1})
            with pytest.raises(PermanentError):
                await feed.send(batch)
        text, data = await both_answers(service)

    asides = [line for line in text.stdout.splitlines() if "set aside" in line]
    assert len(asides) == 20
    assert asides[-1].partition("Z: ")[2] == (
        f"span {40:016x} of trace {40:032x} ('span 39' of 'test'), {batch.size:,} bytes,"
        " the largest attributes: gen_ai.prompt (6,019 bytes), service.name (23 bytes), b (17 bytes): 4 MiB at the most"
    )
    assert "secret" not in data.stdout
    assert json.loads(data.stdout)["exporters"]["sink"]["set_aside"][-1]["span_id"] == f"{40:016x}"


def test_shows_what_connectors_made_of_spans() -> None:
    """Spans that were counted, or were not and why; and data points that were sent."""
    ledger = Ledger()
    ledger.connectors["span_metrics"] = connector = ConnectorAccount(taken=9, counted=5, unnamed=3)
    connector.failed[Reason.COMPONENT_ERROR] = 1
    ledger.metrics_exporters["otlp"] = PointsAccount(offered=10, delivered=7, superseded=3)

    assert list(lines(document(ledger))) == [
        (
            "connectors::span_metrics: taken 9 = counted 5 + without service.name 3 + without room 0"
            " + failed 1 (1 component_error)"
        ),
        "exporters::otlp: data points of metrics offered 10 = delivered 7 + failed 0 + superseded 3 + held 0",
    ]

    connector.counted, ledger.metrics_exporters["otlp"].delivered = 4, 6
    assert [problem.partition(":")[0] for problem in ledger.problems()] == ["connectors", "exporters"]


def test_names_reasons_and_what_does_not_add_up() -> None:
    """A number without a reason is a bug, and so is an equation that does not hold."""
    ledger = Ledger()
    ledger.pipelines["traces"] = account = PipelineAccount(taken=9, passed_on=1)
    account.failed.update({Reason.QUEUE_FULL: 5, Reason.DAMAGED: 2})

    said = list(lines(document(ledger)))

    assert "failed 7 (5 queue_full, 2 damaged_on_disk)" in said[0]
    assert "do not add up" in said[1]
    assert "took 9 spans, but 8 are accounted for" in said[2]


@pytest.mark.parametrize("endpoint", ["127.0.0.1:1", "nonsense", "localhost:99999999"])
def test_says_when_nobody_answers(endpoint: str) -> None:
    """One line, and 1."""
    result = ask("--endpoint", endpoint)

    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: no collector answers at {endpoint}: ")
