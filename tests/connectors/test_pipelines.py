"""`span_metrics` in a running collector: what it sees, what leaves it, and what stays at a reload."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from metrics_requests import Series, series

from collector.component import Connector, Delivery, Kind, MetricsExporter
from collector.config.types import Config
from collector.errors import PermanentError, RetryableError
from collector.flush import MetricsRequest
from collector.ledger import Reason
from collector.service import Service
from collector.spans import SpanBatch
from collector.telemetry.exposition import exposition
from collector.testing import SinkExporter, configure, known, make_spans, running, until

YAML = """
receivers: {feed: }
processors: {batch: {timeout: 10ms}}
connectors: {span_metrics: {metrics_flush_interval: 1h, namespace: ''}}
exporters: {sink: , store: }
service:
  pipelines:
    traces: {receivers: [feed], exporters: [sink, span_metrics]}
    metrics: {receivers: [span_metrics], exporters: [store]}
"""
ALONE = YAML.replace("exporters: [sink, span_metrics]", "exporters: [span_metrics]")
BATCHED = YAML.replace("exporters: [sink", "processors: [batch], exporters: [sink")
DELTA = YAML.replace("namespace", "aggregation_temporality: AGGREGATION_TEMPORALITY_DELTA, namespace")


class StoreConfig(Config):
    """Settings of `store`."""

    to: str = "a"
    """Which backend."""


class StoreMetrics(MetricsExporter):
    """Keeps metrics."""

    config_type = StoreConfig
    arrived: list[tuple[str, bytes]] = []

    async def export(self, request: MetricsRequest) -> Delivery:
        self.arrived.append((self.config.to, request.data))
        return Delivery()


class Store(SinkExporter):
    """Can send metrics."""

    config_type = StoreConfig
    metrics_exporter = StoreMetrics


class Broken(Connector):
    """Has a bug."""

    config_type = Config

    def consume(self, batch: SpanBatch) -> None:
        raise ZeroDivisionError


@pytest.fixture(autouse=True)
def _store() -> Iterator[None]:
    StoreMetrics.arrived.clear()
    with known(Kind.EXPORTER, store=Store), known(Kind.CONNECTOR, broken=Broken):
        yield


async def send(service: Service, spans: int, first: int = 0) -> None:
    feed: Any = service.machine.receivers["feed"]
    await feed.send(make_spans(spans, first=first))


def sink(service: Service) -> SinkExporter:
    exporter = service.machine.exporters["sink"].exporter
    assert isinstance(exporter, SinkExporter)
    return exporter


def lines(service: Service, name: str) -> list[str]:
    return [line for line in exposition(service.metrics).splitlines() if line.startswith(name)]


def values(service: Service, name: str) -> dict[str, float]:
    """The series of a metric on the page by the names of their spans."""
    found = [line.rpartition(" ") for line in lines(service, name + "{")]
    return {labels.partition('span_name="')[2].partition('"')[0]: float(value) for labels, _, value in found}


def arrived(backend: str = "a") -> list[Series]:
    return series(*(data for to, data in StoreMetrics.arrived if to == backend))


@pytest.mark.parametrize("yaml", [YAML, ALONE, BATCHED])
async def test_what_was_taken_is_counted_and_leaves_with_the_shutdown(yaml: str) -> None:
    """Whether exporters or a batch stand beside: the page has it, and the last interval is not lost."""
    async with running(yaml) as service:
        await send(service, 3)
        await send(service, 2)
        await until(lambda: values(service, "calls_total") == {"span 0": 2, "span 1": 2, "span 2": 1})
        service.ledger.refresh()
        account = service.ledger.connectors["span_metrics"]
        assert (account.taken, account.counted) == (5, 5)

    assert {one.attributes["span.name"]: one.value for one in arrived() if one.metric == "calls"} == {
        "span 0": 2,
        "span 1": 2,
        "span 2": 1,
    }
    assert {one.count for one in arrived() if one.metric == "duration"} == {1, 2}
    assert service.ledger.metrics_exporters["store"].delivered == 6


@pytest.mark.parametrize("error", [RetryableError("full"), PermanentError("never")])
async def test_what_is_refused_is_not_counted(error: Exception) -> None:
    """A request that comes again because the exporter refused it counts once."""
    async with running(YAML) as service:
        sink(service).outcomes = [error]
        with pytest.raises(type(error)):
            await send(service, 3)
        assert values(service, "calls_total") == {}

        await send(service, 3)
        assert values(service, "calls_total") == {"span 0": 1, "span 1": 1, "span 2": 1}


async def test_a_bug_in_a_connector_takes_nothing_from_exporters() -> None:
    """Its spans are booked as lost there, and nowhere else."""
    yaml = YAML.replace("connectors: {", "connectors: {broken: , ").replace("[sink, ", "[sink, broken, ")
    async with running(yaml) as service:
        await send(service, 3)

        assert len(sink(service).batches[0]) == 3
        assert service.ledger.connectors["broken"].failed == {Reason.COMPONENT_ERROR: 3}
        assert values(service, "calls_total").keys() == {"span 0", "span 1", "span 2"}


async def test_intervals_end_by_themselves() -> None:
    """Metrics leave after `metrics_flush_interval`, and again after the next one."""
    async with running(YAML.replace("1h", "20ms")) as service:
        await send(service, 1)
        await until(lambda: len(StoreMetrics.arrived) >= 2)

    assert {one.value for one in arrived() if one.metric == "calls"} == {1}


async def test_deltas_leave_once_and_are_not_on_the_page() -> None:
    """Each span is in one flush."""
    async with running(DELTA.replace("1h", "20ms")) as service:
        for number in range(1, 4):
            await send(service, 2)
            await until(lambda number=number: sum(o.value for o in arrived() if o.metric == "calls") == 2 * number)
        assert lines(service, "calls_total") == []


async def test_a_connector_that_is_the_same_stays_with_its_series() -> None:
    """A reload that changes something else changes no count, and metrics go where they went."""
    async with running(YAML) as service:
        await send(service, 2)
        before = service.machine.connectors["span_metrics"]

        await service.reload(configure(BATCHED))
        await send(service, 1)
        await until(lambda: values(service, "calls_total") == {"span 0": 2, "span 1": 1})

        assert service.machine.connectors["span_metrics"] is before
        service.ledger.refresh()
        assert service.ledger.connectors["span_metrics"].counted == 3
    assert {one.value for one in arrived() if one.metric == "calls"} == {1, 2}


async def test_a_connector_that_changes_says_first_what_it_has_counted() -> None:
    """The old one flushes, the new one begins at 0; figures of the ledger go on."""
    async with running(YAML) as service:
        await send(service, 2)

        await service.reload(configure(YAML.replace("namespace: ''", "namespace: new")))
        assert {one.metric for one in arrived()} == {"calls", "duration"}
        await send(service, 1)

        assert values(service, "calls_total") == {}
        assert values(service, "new_calls_total") == {"span 0": 1}
        service.ledger.refresh()
        assert service.ledger.connectors["span_metrics"].counted == 3


async def test_metrics_go_to_another_exporter_after_a_reload() -> None:
    """A connector that stays is wired anew; what its former exporter had is there."""
    async with running(YAML) as service:
        await send(service, 2)
        await service.reload(configure(YAML.replace("store: }", "store: {to: b}}")))
        await send(service, 2)

    assert {one.value for one in arrived("b") if one.metric == "calls"} == {2}
    assert arrived("a") == []


async def test_a_connector_that_is_gone_leaves_what_it_has() -> None:
    """Without the pipelines nothing is counted any more, and the last interval was sent."""
    without = YAML.replace(", span_metrics]", "]").replace(
        "    metrics: {receivers: [span_metrics], exporters: [store]}\n", ""
    )
    async with running(YAML) as service:
        await send(service, 2)
        await service.reload(configure(without))

        assert {one.value for one in arrived() if one.metric == "calls"} == {1}
        await send(service, 2)
        assert lines(service, "calls_total") == []


async def test_connectors_of_one_page_can_be_told_apart() -> None:
    """The one with a name has it in a label, so that no series is there twice."""
    yaml = YAML.replace("connectors: {", "connectors: {span_metrics/second: {namespace: ''}, ").replace(
        "[sink, ", "[sink, span_metrics/second, "
    )
    async with running(yaml) as service:
        await send(service, 1)

        found = lines(service, "calls_total{")
        page = exposition(service.metrics).splitlines()
    assert len(found) == len(set(found)) == 2
    assert sum('connector="span_metrics/second"' in line for line in found) == 1
    assert sum(line.startswith("# TYPE calls_total ") for line in page) == 1


async def test_the_collector_is_told_apart_from_others() -> None:
    """Series have the id that the collector's own metrics have."""
    async with running(YAML, "service.telemetry.resource={service.instance.id: one}") as service:
        await send(service, 1)
        assert 'collector_instance_id="one"' in lines(service, "calls_total{")[0]

    async with running(YAML) as service:
        await send(service, 1)
        id = lines(service, "calls_total{")[0].partition('collector_instance_id="')[2].partition('"')[0]
        assert len(id) == 36
        assert any(f'service_instance_id="{id}"' in line for line in lines(service, "target_info"))


async def test_a_cancelled_caller_has_given_all_or_nothing() -> None:
    """What a client that went away had handed over is counted once, or not at all."""
    async with running(ALONE) as service:
        for steps in range(5):
            feed: Any = service.machine.receivers["feed"]
            task = asyncio.ensure_future(feed.send(make_spans(3)))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        service.ledger.refresh()
        assert service.ledger.connectors["span_metrics"].counted == feed.account.accepted
