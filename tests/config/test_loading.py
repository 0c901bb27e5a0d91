"""From files to a configuration: merging, ids, references, other signals, and one report of all that is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.component import Kind
from collector.config.loading import load
from collector.config.types import Config, Duration
from collector.errors import ConfigError
from collector.testing import Feed, SinkExporter, known


class HoldConfig(Config):
    timeout: Duration = Duration.parse("200ms")
    endpoint: str = ""


class Hold:
    config_type = HoldConfig


@pytest.fixture(autouse=True)
def components() -> Iterator[None]:
    """Configurations know `feed`, `hold` and `sink`, besides what the distribution has."""
    with (
        known(Kind.RECEIVER, feed=Feed),
        known(Kind.PROCESSOR, hold=Hold),
        known(Kind.EXPORTER, sink=SinkExporter),
        known(Kind.EXTENSION, helper=Hold),
    ):
        yield


BASE = """
receivers:
  feed:
processors:
  hold:
  hold/2: {timeout: 5s}
exporters:
  sink:
service:
  pipelines:
    traces:
      receivers: [feed]
      processors: [hold]
      exporters: [sink]
"""


def report(yaml: str, *more: str, overrides: tuple[str, ...] = ()) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load([f"yaml:{yaml}", *more], overrides, environ={})
    return str(caught.value).splitlines()


def test_a_configuration_has_its_components_decoded() -> None:
    """Used or not; a bare key is a component with all defaults."""
    config = load([f"yaml:{BASE}"])

    assert list(config.parts[Kind.PROCESSOR]) == ["hold", "hold/2"]
    part = config.part(Kind.PROCESSOR, "hold/2")
    assert part.component is Hold
    assert part.config == HoldConfig(timeout=Duration(5))
    assert config.part(Kind.PROCESSOR, "hold").config == HoldConfig()
    assert config.pipelines["traces"].processors == ("hold",)
    assert config.notices == ()


def test_later_sources_are_laid_over_earlier_ones(tmp_path: Path) -> None:
    """Maps merge, lists and scalars replace, and `--set` comes last."""
    base, more = tmp_path / "base.yaml", tmp_path / "more.yaml"
    base.write_text(BASE)
    more.write_text("processors::hold/2::endpoint: x\nservice: {pipelines: {traces: {processors: [hold/2]}}}\n")

    config = load([str(base), f"file:{more}", "yaml:processors::hold::timeout: 2s"], ["processors.hold.endpoint=y"])

    assert config.part(Kind.PROCESSOR, "hold/2").config == HoldConfig(timeout=Duration(5), endpoint="x")
    assert config.part(Kind.PROCESSOR, "hold").config == HoldConfig(timeout=Duration(2), endpoint="y")
    assert config.pipelines["traces"].processors == ("hold/2",)


def test_an_empty_section_erases_the_earlier_one_with_a_notice() -> None:
    """As in the Go collector, where hardly anybody means it."""
    config = load([f"yaml:{BASE}", "yaml:extensions::helper:\n", "yaml:extensions:"])

    assert not config.parts[Kind.EXTENSION]
    assert config.notices == (
        (
            "yaml:extensions extensions: is empty and erases what earlier files say there; write 'extensions: {}'"
            " to add nothing"
        ),
    )


@pytest.mark.parametrize(
    ("sources", "overrides", "message"),
    [
        ([], [], "no configuration given: use --config FILE"),
        (["nix.yaml"], [], "cannot read nix.yaml: no such file or directory"),
        (["yaml:"], [], "yaml: the configuration is empty"),
        (["yaml:[a]"], [], "yaml:[a] must be a map of sections, got a list"),
        (["yaml:just text"], [], "yaml:just text must be a map of sections, got 'just text'"),
        (["env:NIX"], [], "--config env:NIX: the environment variable NIX is not set"),
        (
            ["https://x/y.yaml"],
            [],
            "--config https://x/y.yaml: configurations are not fetched from the network; give a file",
        ),
        (["vault:x"], [], "--config vault:x: unknown scheme 'vault'; there are file, env and yaml"),
        (["yaml:a: 1"], ["a.b"], "--set a.b: must be KEY=VALUE, such as processors.batch.timeout=2s"),
        (["nix.yaml", "yaml:{"], [], "cannot read nix.yaml: no such file or directory\nyaml:{ not valid YAML"),
    ],
)
def test_a_source_that_cannot_be_read_is_reported(sources: list[str], overrides: list[str], message: str) -> None:
    """All of them together, before anything else."""
    with pytest.raises(ConfigError) as caught:
        load(sources, overrides, environ={})

    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("more", "lines"),
    [
        (
            "yaml:processors::hold::timeout: 5",
            ["processors::hold::timeout: must be a duration such as 200ms or 5s, got 5"],
        ),
        ("yaml:procesors::hold: 5", ["procesors: unknown section; did you mean 'processors'?"]),
        ("yaml:service::pipelins: {}", ["service::pipelins: unknown key; did you mean 'pipelines'?"]),
        ("yaml:processors::hold::tiemout: 5s", ["processors::hold::tiemout: unknown key; did you mean 'timeout'?"]),
        ("yaml:exporters::sinc: {}", ["exporters::sinc: unknown type 'sinc'; did you mean 'sink'?"]),
        (
            "yaml:connectors::count: {}",
            ["connectors::count: unknown type 'count'; there are span_metrics, spanmetrics"],
        ),
        ("yaml:receivers: {}", []),
        (
            "yaml:receivers:",
            [
                "receivers: at least one receiver must be configured",
                "service::pipelines::traces: references receiver 'feed' which is not configured",
            ],
        ),
        ("yaml:service::pipelines:", ["service::pipelines: there must be at least one pipeline of traces"]),
        (
            "yaml:service::pipelines::traces: {receivers: [], exporters: []}",
            [
                "service::pipelines::traces: must have at least one receiver",
                "service::pipelines::traces: must have at least one exporter",
            ],
        ),
        (
            "yaml:service::pipelines::traces::processors: [hold, hold/3, hold]",
            [
                "service::pipelines::traces: references processor 'hold' more than once",
                (
                    "service::pipelines::traces: references processor 'hold/3' which is not configured;"
                    " did you mean 'hold/2'?"
                ),
            ],
        ),
        (
            "yaml:service::pipelines::traces::receivers: ${env:R}",
            ["service::pipelines::traces: must have at least one receiver; ${env:R} is not set"],
        ),
        (
            "yaml:service::extensions: [helper]",
            ["service::extensions: references extension 'helper' which is not configured"],
        ),
        (
            "yaml:service::pipelines::spans: {}",
            ["service::pipelines::spans: unknown signal 'spans'; there is traces"],
        ),
        (
            "yaml:service::pipelines::metrics/x: {receivers: [prometheus]}",
            [
                (
                    "service::pipelines::metrics/x: only traces are processed here, and metrics that connectors such as"
                    " span_metrics make of them; remove the pipeline or run with --ignore-other-signals"
                )
            ],
        ),
        ("yaml:processors::hold/: {}", ["processors::hold/: the part after '/' must not be empty in 'hold/'"]),
        ("yaml:processors::/a: {}", ["processors::/a: the part before '/' must not be empty in '/a'"]),
        ("yaml:processors::2a: {}", None),
        ("yaml:processors::hold/ 2: {}", ["processors::hold/2: stands twice once blanks are taken away"]),
        ("yaml:service::telemetry::logs::level: loud", None),
        ("yaml:service::telemetry::metrics::readers: []", None),
        ("yaml:service::telemetry::metrics::address: here", None),
        ("yaml:exporters: [sink]", None),
    ],
)
def test_what_does_not_fit_together_is_reported(more: str, lines: list[str] | None) -> None:
    """One line for each problem, with the source that is to blame. `None`: one line, whatever it says."""
    if lines == []:
        load([f"yaml:{BASE}", more])
        return
    found = report(BASE, more)

    if lines is None:
        assert len(found) == 1
    else:
        assert len(found) == len(lines)
        assert all(any(line.endswith(f" {expected}") for line in found) for expected in lines)


def test_all_problems_of_all_files_come_together(tmp_path: Path) -> None:
    """Each with its file and line."""
    base, more = tmp_path / "a.yaml", tmp_path / "b.yaml"
    base.write_text(BASE.replace("timeout: 5s", "timeout: 5"))
    more.write_text("service:\n  pipelines:\n    traces:\n      exporters: [sinq]\n")

    with pytest.raises(ConfigError) as caught:
        load([str(base), str(more)])

    assert str(caught.value).splitlines() == [
        f"{base}:6 processors::hold/2::timeout: must be a duration such as 200ms or 5s, got 5",
        (
            f"{more}:4 service::pipelines::traces: references exporter 'sinq' which is not configured;"
            " did you mean 'sink'?"
        ),
    ]


def test_pipelines_of_other_signals_can_be_left_out() -> None:
    """With a notice each; components that only they use may be of types nobody knows here."""
    other = "receivers::prometheus: {}\nservice::pipelines::metrics: {receivers: [prometheus], exporters: [sink]}\n"

    config = load([f"yaml:{BASE}", f"yaml:{other}"], ignore_other_signals=True)

    assert list(config.pipelines) == ["traces"]
    assert config.notices == (
        "yaml:2 service::pipelines::metrics: left out, only traces are processed here",
        "yaml:1 receivers::prometheus: left out, only pipelines of other signals use it",
    )


def test_a_component_that_cannot_be_imported_is_one_message() -> None:
    """A broken package is named, and nothing else breaks."""
    from collector import distribution  # noqa: PLC0415

    with known(Kind.PROCESSOR):
        distribution.references(Kind.PROCESSOR)["gone"] = "no_such_package:Gone"
        lines = report(BASE, "yaml:processors::gone: {}")

    assert lines == [
        (
            "yaml:processors::gone processors::gone: the component cannot be loaded from no_such_package:Gone:"
            " No module named 'no_such_package'"
        )
    ]


def test_what_is_found_wrong_later_gets_its_line_too() -> None:
    """What components say when they are built is explained with the same words."""
    config = load([f"yaml:{BASE}", "yaml:\nprocessors::hold::endpoint: ${env:E}"], environ={"E": "s3cret-value"})

    assert config.explain("processors::hold::endpoint: cannot use 's3cret-value'\nfree text") == (
        "yaml:2 processors::hold::endpoint: cannot use ${env:E}\nfree text"
    )


@pytest.mark.parametrize(
    ("telemetry", "page"),
    [
        ("{}", ("localhost", 8888)),
        ("{metrics: {level: None}}", None),
        ("{metrics: {address: '0.0.0.0:9999'}}", ("0.0.0.0", 9999)),
        ("{metrics: {address: '[::1]:9999'}}", ("::1", 9999)),
        ("{metrics: {readers: [{pull: {exporter: {prometheus: {host: h, port: 1}}}}]}}", ("h", 1)),
        ("{metrics: {readers: [{periodic: {exporter: {otlp: {}}}}]}}", None),
    ],
)
def test_the_metrics_page_is_where_telemetry_says(telemetry: str, page: tuple[str, int] | None) -> None:
    """In the Go collector's newer words and in its older ones."""
    config = load([f"yaml:{BASE}", f"yaml:service::telemetry: {telemetry}"])

    found = config.telemetry.metrics.page
    assert (found and (found.host, found.port)) == page


def test_the_resource_may_be_a_map_or_declarative() -> None:
    """Both forms of the Go collector."""
    declarative = "{attributes: [{name: service.name, value: x}]}"

    for resource in ("{service.name: x}", declarative):
        config = load([f"yaml:{BASE}", f"yaml:service::telemetry::resource: {resource}"])
        assert config.telemetry.resource == {"service.name": "x"}
