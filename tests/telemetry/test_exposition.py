"""The metrics page: its text, and the server it stands on."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request

import pytest

from collector.errors import StartError
from collector.ledger import ExporterAccount, Ledger, Reason
from collector.service import Service
from collector.telemetry.exposition import exposition, page
from collector.telemetry.metrics import Histogram, MetricKind, Metrics, Sample
from collector.telemetry.pipeline_metrics import register_ledger
from collector.testing import Feed, configure, make_spans, running

YAML = """
receivers: {feed: }
exporters: {sink: }
service: {pipelines: {traces: {receivers: [feed], exporters: [sink]}}}
"""


def page_on(port: int) -> tuple[str, str]:
    reader = f"[{{pull: {{exporter: {{prometheus: {{port: {port}}}}}}}}}]"
    return "service.telemetry.metrics.level=basic", f"service.telemetry.metrics.readers={reader}"


def fetch(url: str, data: bytes | None = None) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, data, timeout=5) as answer:  # noqa: S310  our own page
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_writes_counters_and_gauges() -> None:
    """One header a metric, then a line for each series; labels are escaped."""
    metrics = Metrics()
    metrics.register("spans", MetricKind.COUNTER, "All\nspans.", lambda: [Sample({"id": 'a"b\\c\n'}, 3)])
    metrics.register("spans", MetricKind.COUNTER, "All\nspans.", lambda: [Sample({}, 2**60)])
    metrics.register("share", MetricKind.GAUGE, "A share.", lambda: [Sample({}, 0.25)])

    assert exposition(metrics) == (
        "# HELP share A share.\n# TYPE share gauge\nshare 0.25\n"
        "# HELP spans All\\nspans.\n# TYPE spans counter\n"
        'spans{id="a\\"b\\\\c\\n"} 3\nspans 1152921504606846976\n'
    )


def test_writes_histograms_cumulatively() -> None:
    """A bucket counts all that is below its bound."""
    sizes = Histogram([10, 100])
    for value in (1, 10, 50, 1000):
        sizes.observe(value)
    metrics = Metrics()
    metrics.register("size", MetricKind.HISTOGRAM, "Sizes.", lambda: [({"p": "batch"}, sizes)])

    assert exposition(metrics).splitlines()[2:] == [
        'size_bucket{p="batch",le="10"} 2',
        'size_bucket{p="batch",le="100"} 3',
        'size_bucket{p="batch",le="+Inf"} 4',
        'size_sum{p="batch"} 1061',
        'size_count{p="batch"} 4',
    ]


def test_a_metric_that_cannot_be_read_does_not_cost_the_page(caplog: pytest.LogCaptureFixture) -> None:
    """The other metrics are still worth reading."""

    def broken() -> list[Sample]:
        raise ZeroDivisionError

    metrics = Metrics()
    metrics.register("a", MetricKind.GAUGE, "Broken.", broken)
    metrics.register("b", MetricKind.GAUGE, "Fine.", lambda: [Sample({}, 1)])

    assert exposition(metrics).splitlines()[-1] == "b 1"
    assert "cannot read the metric a" in caplog.text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 1e300])
def test_numbers_that_are_no_integers_are_written_too(value: float) -> None:
    """The format has words for them."""
    metrics = Metrics()
    metrics.register("x", MetricKind.GAUGE, "Odd.", lambda: [Sample({}, value)])

    assert float(exposition(metrics).split()[-1]) == pytest.approx(value, nan_ok=True)


def test_failures_are_shown_as_the_go_collector_counts_them() -> None:
    """A partial success was sent, a full queue is no failure to send; our own metric has every reason."""
    ledger, metrics = Ledger(), Metrics()
    account = ledger.exporters["otlp"] = ExporterAccount(offered=20, delivered=5, refused=4)
    account.failed.update({Reason.REJECTED: 1, Reason.QUEUE_FULL: 4, Reason.REFUSED: 8, Reason.SHUTDOWN: 2})
    register_ledger(metrics, ledger)

    lines = exposition(metrics).splitlines()

    assert 'otelcol_exporter_sent_spans{exporter="otlp"} 6' in lines
    assert 'otelcol_exporter_send_failed_spans{exporter="otlp"} 10' in lines
    assert 'otelcol_exporter_enqueue_failed_spans{exporter="otlp"} 4' in lines
    assert 'spanmill_exporter_failed_spans{exporter="otlp",reason="refused_by_backend"} 8' in lines
    assert ledger.problems() == []


async def test_the_page_shows_what_became_of_the_spans() -> None:
    """The names are the Go collector's, so that dashboards work."""
    async with running(YAML, *page_on(0)) as service:
        receiver = service.machine.receivers["feed"]
        assert isinstance(receiver, Feed)
        await receiver.send(make_spans(3))
        assert service.metrics_page is not None
        address = service.metrics_page.server.address

        status, text = await asyncio.to_thread(fetch, f"http://{address}/metrics")
        elsewhere, _ = await asyncio.to_thread(fetch, f"http://{address}/")
        written, _ = await asyncio.to_thread(fetch, f"http://{address}/metrics", b"x")

    assert (status, elsewhere, written) == (200, 404, 405)
    lines = text.splitlines()
    assert 'otelcol_receiver_accepted_spans{receiver="feed",transport="test"} 3' in lines
    assert 'otelcol_exporter_sent_spans{exporter="sink"} 3' in lines
    assert any(line.startswith('target_info{service_name="spanmill"') for line in lines)
    assert any(line.startswith("otelcol_process_memory_rss ") for line in lines)


async def test_a_page_whose_port_is_in_use_is_a_clear_start_error() -> None:
    """A second collector on the host says what it stumbles over."""
    async with running(YAML, *page_on(0)) as service:
        assert service.metrics_page is not None
        address = service.metrics_page.server.address
        second = Service(configure(YAML, *page_on(int(address.rpartition(":")[2]))))

        with pytest.raises(StartError) as caught:
            await second.start()

    assert str(caught.value) == f"service::telemetry::metrics: cannot listen on {address}: address already in use"


async def test_series_that_somebody_else_writes_stand_under_one_head() -> None:
    """Beside those that are read, also where a page is written on another thread; one that fails costs itself only."""
    metrics = Metrics()
    metrics.register("a_total", MetricKind.COUNTER, "Both.", lambda: [Sample({}, 1)])
    metrics.register_written("a_total", MetricKind.COUNTER, "Both.", lambda: 'a_total{x="1"} 2\na_total{x="2"} 3\n')
    metrics.register_written("b_total", MetricKind.COUNTER, "Nothing.", lambda: "")
    metrics.register_written("c_total", MetricKind.COUNTER, "Broken.", lambda: str(1 // 0))

    expected = '# HELP a_total Both.\n# TYPE a_total counter\na_total{x="1"} 2\na_total{x="2"} 3\na_total 1\n'
    assert exposition(metrics) == expected
    assert await page(metrics) == expected
