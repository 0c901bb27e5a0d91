"""The command line: exit codes, where reports go, and that nothing starts with a wrong configuration."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from collector import service
from collector.cli import cli
from collector.component import Kind
from collector.config.model import CollectorConfig
from collector.testing import Feed, SinkExporter, known

GOOD = """
receivers: {feed: {}}
exporters: {sink: {}}
service: {pipelines: {traces: {receivers: [feed], exporters: [sink]}}}
"""


@pytest.fixture(autouse=True)
def components() -> Iterator[None]:
    with known(Kind.RECEIVER, feed=Feed), known(Kind.EXPORTER, sink=SinkExporter):
        yield


def spanmill(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def process(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "collector", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_right_configuration_validates_without_a_word() -> None:
    """Silence and 0."""
    result = spanmill("validate", "--config", f"yaml:{GOOD}")

    assert (result.exit_code, result.output) == (0, "")


@pytest.mark.parametrize("command", ["validate", "run"])
def test_a_wrong_configuration_starts_nothing(command: str, tmp_path: Path) -> None:
    """The whole report on stderr, 1, and no traceback."""
    file = tmp_path / "collector.yaml"
    file.write_text(GOOD + "processors: {batsh: {}}\n")

    result = spanmill(command, "--config", str(file), "--set", "exporters.sink.nonsense=1")

    assert result.exit_code == 1
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert lines[0] == "Error: the configuration is wrong"
    assert lines[1].startswith("--set exporters.sink.nonsense exporters::sink::nonsense: unknown key")
    assert lines[2].startswith(f"{file}:5 processors::batsh: unknown type 'batsh'")
    assert len(lines) == 3


def test_what_the_kernel_refuses_is_reported_with_its_line(tmp_path: Path) -> None:
    """A condition that does not parse is found when the graph is built, without starting it."""
    file = tmp_path / "collector.yaml"
    file.write_text(
        "processors:\n  filter:\n    trace_conditions:\n      - name == 'x\n"
        + GOOD.replace("receivers: [feed]", "processors: [filter], receivers: [feed]")
    )

    result = spanmill("validate", "--config", str(file))

    assert result.exit_code == 1
    assert f"{file}:4 processors::filter::trace_conditions[0]: " in result.stderr


def test_notices_are_shown_by_validate() -> None:
    """They do not make a configuration wrong."""
    result = spanmill("validate", "--config", f"yaml:{GOOD}", "--set", "service.telemetry.logs.development=true")

    assert result.exit_code == 0
    assert result.stderr.startswith("notice: --set service.telemetry.logs.development service::telemetry::logs::")


def test_run_hands_over_the_configuration_and_exits_as_the_service_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Options arrive, and the status is the service's."""
    seen: list[tuple[CollectorConfig, service.Read, float]] = []

    def run(config: CollectorConfig, read: service.Read, *, shutdown_timeout: float) -> int:
        seen.append((config, read, shutdown_timeout))
        return 1

    monkeypatch.setattr(service, "run", run)
    metrics = "yaml:service::pipelines::metrics: {}"
    result = spanmill(
        "run", "--config", f"yaml:{GOOD}", "--config", metrics, "--ignore-other-signals", "--shutdown-timeout", "1m"
    )

    assert result.exit_code == 1
    [(config, read, shutdown_timeout)] = seen
    assert list(config.pipelines) == list(read().pipelines) == ["traces"]
    assert shutdown_timeout == 60


def test_components_are_listed_as_yaml() -> None:
    """Each kind with its types and the modules they come from."""
    listed = yaml.safe_load(spanmill("components").output)

    assert listed["buildinfo"]["command"] == "spanmill"
    assert {"name": "otlp", "module": "collector.receivers.otlp"} in listed["receivers"]
    assert {kind.section for kind in Kind} < set(listed)


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["--version"], 0, "spanmill, version "),
        (["--help"], 0, "Usage: "),
        (["run"], 1, "no configuration given: use --config FILE"),
        (["rnu"], 1, "No such command"),
        (["run", "--nonsense"], 1, "No such option"),
        (["run", "--shutdown-timeout", "5"], 1, "must be a duration such as 200ms or 5s, got '5'"),
    ],
)
def test_a_process_exits_with_0_or_1(arguments: list[str], status: int, text: str) -> None:
    """Wrong usage is 1, too, as with the Go collector."""
    done = process(*arguments)

    assert done.returncode == status
    assert text in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_help_does_not_wait_for_what_it_does_not_need() -> None:
    """Neither gRPC nor the kernel is imported to read a command line."""
    code = "import sys, collector.cli; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert not {"grpc", "msgspec", "yaml", "google", "opentelemetry"} & set(done.stdout.split())


def test_the_manual_shows_a_configuration_that_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first block of the page on configuration."""
    manual = Path(__file__).parents[1] / "docs" / "configuration.md"
    example = manual.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    monkeypatch.setenv("BACKEND", "backend:4317")
    monkeypatch.setenv("BACKEND_API_KEY", "secret")

    result = spanmill("validate", "--config", f"yaml:{example}")

    assert (result.exit_code, result.output) == (0, "")
