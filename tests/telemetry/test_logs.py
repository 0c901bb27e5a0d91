"""Log lines: how they look, and how equal ones are thinned out."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.component import Kind
from collector.config.model import LogSamplingConfig, LogsConfig
from collector.telemetry.logs import ConsoleFormatter, Sampling, component_logger, configure, log


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Take away what a test configured."""
    root = logging.getLogger()
    before, level, own = list(root.handlers), root.level, log.level
    yield
    for handler in [handler for handler in root.handlers if handler not in before]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)
    log.setLevel(own)


def test_console_lines_are_readable(tmp_path: Path) -> None:
    """Time, level, component, sentence, fields."""
    file = tmp_path / "log"
    configure(LogsConfig(output_paths=(str(file),), initial_fields={"site": "a"}))

    component_logger(Kind.RECEIVER, "otlp/2").warning("Starting %s", "server", extra={"endpoint": "127.0.0.1:1"})

    line = file.read_text()
    assert line[23:] == "Z WARN  receivers::otlp/2: Starting server  site=a  endpoint=127.0.0.1:1\n"


def test_json_lines_have_the_names_of_the_go_collector(tmp_path: Path) -> None:
    """Whoever parses its logs parses ours."""
    file = tmp_path / "log"
    configure(LogsConfig(output_paths=(str(file),), encoding="json"))

    component_logger(Kind.PROCESSOR, "batch", "traces/2").error("lost", extra={"spans": 3})

    line = json.loads(file.read_text())
    assert {key: line[key] for key in line if key != "ts"} == {
        "level": "error",
        "logger": "spanmill.processors",
        "msg": "lost",
        "otelcol.component.id": "batch",
        "otelcol.component.kind": "processor",
        "otelcol.pipeline.id": "traces/2",
        "otelcol.signal": "traces",
        "spans": 3,
    }


def test_the_level_is_in_force_for_components_too(tmp_path: Path) -> None:
    """A level given in any case holds for everything the collector says."""
    file = tmp_path / "log"
    configure(LogsConfig(output_paths=(str(file),), level="Warn"))
    logger = component_logger(Kind.EXPORTER, "otlp")

    logger.info("not this")
    logger.warning("but this")

    assert "not this" not in file.read_text()
    assert "but this" in file.read_text()


def test_configuring_again_replaces_what_was_there(tmp_path: Path) -> None:
    """No line is written twice."""
    for _ in range(2):
        configure(LogsConfig(output_paths=(str(tmp_path / "log"),)))

    log.info("once")

    assert (tmp_path / "log").read_text().count("once") == 1


def test_equal_messages_are_thinned_out() -> None:
    """The first few of a tick, then each n-th; a new tick begins anew."""
    now = 0.0
    sampling = Sampling(tick=10, initial=2, thereafter=3, clock=lambda: now)

    def passes(text: str) -> bool:
        return sampling.filter(logging.makeLogRecord({"msg": text, "levelno": logging.WARNING}))

    assert [passes("a") for _ in range(8)] == [True, True, False, False, True, False, False, True]
    assert passes("b")
    now = 10.0
    assert passes("a")


def test_sampling_can_be_switched_off(tmp_path: Path) -> None:
    """Who wants every line gets every line."""
    file = tmp_path / "log"
    configure(LogsConfig(output_paths=(str(file),), sampling=LogSamplingConfig(enabled=False)))

    for _ in range(30):
        log.info("again")

    assert file.read_text().count("again") == 30


def test_fields_stand_behind_the_first_line_of_a_text() -> None:
    """What the debug exporter writes below its sentence is not torn from it by the fields."""
    record = logging.makeLogRecord({"name": "spanmill", "msg": "Traces\nspan a\n", "levelno": logging.INFO, "spans": 1})
    line = ConsoleFormatter({}).format(record)
    assert line.endswith("Traces  spans=1\nspan a")
