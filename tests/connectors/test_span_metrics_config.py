"""Settings of `span_metrics`, and pipelines that have it: what is taken, and what is said about the rest."""

from __future__ import annotations

import pytest

from collector.component import Kind
from collector.config.loading import load
from collector.config.model import CollectorConfig
from collector.connectors.span_metrics.config import SpanMetricsConfig
from collector.connectors.span_metrics.kernel import kernel_settings
from collector.errors import ConfigError
from collector.pipeline import build
from collector.testing import Feed, SinkExporter, known

YAML = """
receivers: {feed: }
processors: {batch: , filter: {}, memory_limiter: {check_interval: 1s, limit_mib: 100}}
connectors: {span_metrics: }
exporters: {sink: , nop: , otlp: {endpoint: "backend:4317"}}
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    traces: {receivers: [feed], exporters: [sink, span_metrics]}
    metrics: {receivers: [span_metrics], exporters: [nop]}
"""


def read(*more: str, ignore: bool = False) -> CollectorConfig:
    """Decode and build. Raises `ConfigError`."""
    with known(Kind.RECEIVER, feed=Feed), known(Kind.EXPORTER, sink=SinkExporter):
        config = load([f"yaml:{YAML}", *more], ignore_other_signals=ignore)
    build(config)
    return config


def problems(*more: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(*more)
    return [line.partition(" ")[2] if line.startswith("yaml:") else line for line in str(caught.value).splitlines()]


def test_defaults_are_those_of_the_go_collector() -> None:
    """What is not said has the values that its users know, and the kernel takes them."""
    config = read().part(Kind.CONNECTOR, "span_metrics").config

    assert isinstance(config, SpanMetricsConfig)
    settings = kernel_settings(config, "span_metrics", "me")
    assert settings["namespace"] == "traces.span.metrics"
    assert settings["histogram"]["unit"] == "ms"
    assert settings["histogram"]["buckets"]["explicit"][:2] == [0.002, 0.004]
    assert len(settings["histogram"]["buckets"]["explicit"]) == 16
    assert (config.metrics_flush_interval, settings["delta"], settings["resources"]) == (60, False, 1000)
    assert (settings["exemplars"], settings["cardinality"], settings["gen_ai"]) == (0, 0, None)


SECTION = "connectors::span_metrics"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("{dimensions: [{}]}", "dimensions[0]: must have a name or a glob"),
        ("{dimensions: [{name: a, glob: b}]}", "dimensions[0]: must have a name or a glob, not both"),
        ("{dimensions: [{glob: b, default: c}]}", "dimensions[0]::default: has no meaning for a glob"),
        (
            "{dimensions: [{name: a}, {name: a}]}",
            "dimensions[1]::name: 'a' cannot be a dimension: it stands twice",
        ),
        (
            "{calls_dimensions: [{name: span.kind}]}",
            "calls_dimensions[0]::name: 'span.kind' cannot be a dimension: series have it anyway",
        ),
        (
            "{histogram: {dimensions: [{name: collector.instance.id}]}}",
            "histogram::dimensions[0]::name: 'collector.instance.id' cannot be a dimension: series have it anyway",
        ),
        ("{dimensions: [{glob: '['}]}", "dimensions[0]::glob: is no glob: a '[' is not closed"),
        (
            "{dimensions: [{glob: 'span.*'}]}",
            'dimensions[0]::glob: matches "span.name", which series have anyway',
        ),
        ("{events: {enabled: true}}", "events::dimensions: must not be empty when events are counted"),
        (
            "{histogram: {explicit: {}, exponential: {}}}",
            "histogram::exponential: cannot be had beside explicit; remove one of them",
        ),
        ("{histogram: {unit: min}}", "histogram::unit: must be one of ms, s, got 'min'"),
        (
            "{histogram: {explicit: {buckets: [2ms, 1ms]}}}",
            "histogram::explicit::buckets[1]: must be more than 2ms, got 1ms",
        ),
        (
            "{histogram: {exponential: {max_size: 1}}}",
            "histogram::exponential::max_size: must be at least 2, or 0 for the usual size, got 1",
        ),
        (
            "{histogram: {exponential: {max_size: 20000}}}",
            "histogram::exponential::max_size: must be from 0 to 16384, got 20000",
        ),
        ("{metrics_flush_interval: 0}", "metrics_flush_interval: must be more than 0, got 0s"),
        ("{metrics_flush_interval: 5}", "metrics_flush_interval: must be a duration such as 200ms or 5s, got 5"),
        ("{metrics_expiration: -1s}", "metrics_expiration: must be 0 or more, got -1s"),
        ("{series_expiration: -1s}", "series_expiration: must be 0 or more, got -1s"),
        ("{resource_metrics_cache_size: 0}", "resource_metrics_cache_size: must be at least 1, got 0"),
        ("{aggregation_cardinality_limit: -1}", "aggregation_cardinality_limit: must be at least 0, got -1"),
        ("{exemplars: {max_per_data_point: -1}}", "exemplars::max_per_data_point: must be at least 0, got -1"),
        (
            "{aggregation_temporality: AGGREGATION_TEMPORALITY_DELTA, metric_timestamp_cache_size: 0}",
            "metric_timestamp_cache_size: must be at least 1 with deltas, got 0",
        ),
        (
            "{aggregation_temporality: delta}",
            (
                "aggregation_temporality: must be one of AGGREGATION_TEMPORALITY_CUMULATIVE,"
                " AGGREGATION_TEMPORALITY_DELTA, got 'delta'"
            ),
        ),
        (
            "{gen_ai: {dimensions: [{name: span.name}]}}",
            "gen_ai::dimensions[0]::name: 'span.name' cannot be a dimension: series have it anyway",
        ),
        ("{gen_ai: {costs: x}}", None),
    ],
)
def test_what_cannot_be_set_is_said(settings: str, message: str | None) -> None:
    """One line with the path of the option. `None`: one line, whatever it says."""
    found = problems(f"yaml:{SECTION}: {settings}")

    assert found == [f"{SECTION}::{message}"] if message else len(found) == 1


@pytest.mark.parametrize(
    "settings",
    [
        "{histogram: {exponential: }}",
        "{histogram: {explicit: {buckets: []}}}",
        "{histogram: {explicit: {enabled: false}, exponential: {max_size: 0}}}",
        "{gen_ai: }",
        "{gen_ai: {enabled: true, dimensions: [{name: tenant}]}}",
        "{dimensions: [{name: a, default: ''}, {glob: 'http.**'}], exclude_dimensions: [span.kind, unknown]}",
        "{dimensions_cache_size: 5, add_resource_attributes: true}",
    ],
)
def test_what_can_be_set_is_taken(settings: str) -> None:
    """Sections switch on by standing there, options without effect are taken."""
    read(f"yaml:{SECTION}: {settings}")


PIPELINES = "service::pipelines"


@pytest.mark.parametrize(
    ("more", "lines"),
    [
        (
            f"{PIPELINES}::metrics: {{receivers: [feed, span_metrics], exporters: [nop]}}",
            [
                (
                    "metrics: receiver 'feed' cannot be here:"
                    " only metrics that connectors such as span_metrics make of spans are processed here"
                )
            ],
        ),
        (
            f"{PIPELINES}::metrics: {{receivers: [span_metrics], exporters: [sink]}}",
            ["metrics: exporter 'sink' cannot be here: it sends traces only; otlp_grpc and otlp_http send metrics"],
        ),
        (
            f"{PIPELINES}::metrics: {{receivers: [span_metrics], exporters: [nope]}}",
            ["metrics: references exporter 'nope' which is not configured; did you mean 'nop'?"],
        ),
        (
            f"{PIPELINES}::metrics: {{receivers: [span_metrics], exporters: []}}",
            ["metrics: must have at least one exporter"],
        ),
        (
            f"{PIPELINES}::metrics: {{receivers: [span_metrics], processors: [filter], exporters: [nop]}}",
            [
                (
                    "metrics: processor 'filter' cannot be here:"
                    " metrics go from connectors to exporters as they are; change the spans before they are counted"
                )
            ],
        ),
        (
            f"{PIPELINES}::metrics: {{receivers: [span_metrics], exporters: [span_metrics]}}",
            ["metrics: exporter 'span_metrics' cannot be here: connectors make metrics of spans, not of metrics"],
        ),
        (
            f"{PIPELINES}::traces: {{receivers: [feed, span_metrics], exporters: [span_metrics]}}",
            [
                (
                    "traces: references connector 'span_metrics' as a receiver:"
                    " it makes metrics, which begin pipelines of metrics"
                )
            ],
        ),
        (
            f"{PIPELINES}::traces: {{receivers: [feed], exporters: [sink]}}",
            [
                (
                    "metrics: references connector 'span_metrics',"
                    " which is no exporter of a pipeline of traces: it sees no spans"
                )
            ],
        ),
        (
            f"{PIPELINES}::traces: {{receivers: [feed], processors: [span_metrics], exporters: [sink, span_metrics]}}",
            ["traces: references processor 'span_metrics' which is not configured"],
        ),
    ],
)
def test_pipelines_that_cannot_be_are_refused(more: str, lines: list[str]) -> None:
    """One line for each problem: what stands where it cannot, and what would be possible."""
    assert problems(f"yaml:{more}") == [f"{PIPELINES}::{line}" for line in lines]


def test_an_id_means_one_thing() -> None:
    """An exporter and a connector of the same id are refused: nobody could say which a pipeline means."""
    with known(Kind.EXPORTER, span_metrics=SinkExporter):
        found = problems("yaml:connectors::span_metrics/2: {}", "yaml:exporters::span_metrics/2: {}")

    assert found == ["connectors::span_metrics/2: there is exporter 'span_metrics/2' as well"]


def test_deltas_want_a_pipeline() -> None:
    """Deltas that nobody would see are refused."""
    found = problems(
        "yaml:connectors::span_metrics/2: {aggregation_temporality: AGGREGATION_TEMPORALITY_DELTA}",
        f"yaml:{PIPELINES}::traces: {{receivers: [feed], exporters: [span_metrics, span_metrics/2]}}",
    )

    assert len(found) == 1
    assert found[0].startswith("connectors::span_metrics/2::aggregation_temporality: must be ")


@pytest.mark.parametrize(
    "traces", ["{receivers: [feed], exporters: [span_metrics]}", "{receivers: [feed], exporters: [span_metrics, sink]}"]
)
def test_a_connector_may_be_the_only_exporter_and_have_no_pipeline(traces: str) -> None:
    """Its metrics are then on the collector's own page."""
    text = YAML.replace("    metrics: {receivers: [span_metrics], exporters: [nop]}\n", "")
    with known(Kind.RECEIVER, feed=Feed), known(Kind.EXPORTER, sink=SinkExporter):
        config = load([f"yaml:{text}", f"yaml:{PIPELINES}::traces: {traces}"])

    machine = build(config)

    assert list(machine.connectors) == ["span_metrics"]
    assert machine.metrics_exporters == {}


def test_processors_that_have_nothing_to_do_are_taken_with_a_notice() -> None:
    """`batch` and `memory_limiter` stand in pipelines of metrics of many configurations."""
    config = read(f"yaml:{PIPELINES}::metrics::processors: [memory_limiter, batch]")

    assert [notice.partition("metrics: ")[2] for notice in config.notices] == [
        f"{name} has nothing to do here, metrics leave once in an interval" for name in ("memory_limiter", "batch")
    ]


def test_what_cannot_be_is_left_out_where_that_is_wanted() -> None:
    """With `--ignore-other-signals` the rest of a pipeline works, and each part that is missing has a notice."""
    config = read(
        "yaml:receivers::prometheus: {}",
        "yaml:exporters::prometheus: {endpoint: 'localhost:8889'}",
        f"yaml:{PIPELINES}::metrics: {{receivers: [prometheus, span_metrics], exporters: [otlp, prometheus]}}",
        ignore=True,
    )

    assert config.metrics_pipelines["metrics"].receivers == ("span_metrics",)
    assert config.metrics_pipelines["metrics"].exporters == ("otlp",)
    assert len([notice for notice in config.notices if "'prometheus' is left out" in notice]) == 2


def test_a_pipeline_without_an_exporter_that_can_is_left_out_where_that_is_wanted() -> None:
    """The metrics are on the page all the same."""
    config = read(
        "yaml:exporters::prometheus: {endpoint: 'localhost:8889'}",
        f"yaml:{PIPELINES}::metrics: {{receivers: [span_metrics], exporters: [prometheus]}}",
        ignore=True,
    )

    assert config.metrics_pipelines == {}
    assert any("none of its exporters can send metrics" in notice for notice in config.notices)
