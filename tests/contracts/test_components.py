"""What every component promises, tested for each line of `FACTORIES`."""

from __future__ import annotations

import importlib
import re
import textwrap
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from collector import distribution
from collector.component import Component, Connector, Exporter, Extension, Kind, Processor, Receiver, SpanOp
from collector.config.model import CollectorConfig
from collector.config.types import Config
from collector.errors import ConfigError, ConsumeError, PermanentError, RetryableError
from collector.pipeline import Machine, build
from collector.testing import Feed, SinkExporter, StubHost, cancel_after, configure, make_spans, running

BASES: dict[Kind, tuple[type, ...]] = {
    Kind.RECEIVER: (Receiver,),
    Kind.PROCESSOR: (Processor, SpanOp),
    Kind.EXPORTER: (Exporter,),
    Kind.CONNECTOR: (Connector,),
    Kind.EXTENSION: (Extension,),
}

ALL = [(kind, type_) for kind in Kind for type_ in sorted(distribution.references(kind))]
PROCESSORS = [type_ for kind, type_ in ALL if kind is Kind.PROCESSOR]

components = pytest.mark.parametrize(("kind", "type_"), ALL, ids=[f"{kind}-{type_}" for kind, type_ in ALL])
processors = pytest.mark.parametrize("type_", PROCESSORS)


def example(kind: Kind, type_: str) -> str:
    """The settings that the docstring of the component's module shows, for a component of this type."""
    module = importlib.import_module(distribution.load(kind, type_).__module__)
    lines = (module.__doc__ or "").splitlines()
    start = next((at for at, line in enumerate(lines) if line.strip() == f"{kind.section}:"), None)
    assert start is not None, f"the docstring of {module.__name__} shows no YAML"
    indent = lines[start].removesuffix(f"{kind.section}:") + " "
    block = list(takewhile(lambda line: not line.strip() or line.startswith(indent), lines[start + 1 :]))
    first, *settings = textwrap.dedent("\n".join(block)).rstrip().splitlines()
    key, colon, inline = first.partition(":")
    # An alias is documented where the component is.
    assert colon
    assert key.split("/")[0] in {type_, *aliases(kind, type_)}
    return "\n".join([f"{type_}:{inline}", *settings])


def aliases(kind: Kind, type_: str) -> set[str]:
    references = distribution.references(kind)
    return {other for other, reference in references.items() if reference == references[type_]}


def harmless(kind: Kind, text: str, directory: Path) -> str:
    """The same settings with ports chosen by the system, files below `directory`, and no certificates."""
    if kind is not Kind.EXPORTER:
        text = re.sub(r"(\bendpoint: \S*?):\d+\b", r"\1:0", text)
    text = re.sub(r"\bca_file: \S+", "insecure: true", text)
    credentials = directory / "credentials"
    credentials.write_text("somebody:knows\n", encoding="utf-8")
    text = re.sub(r"\b(file|filename): \S+", rf"\1: {credentials}", text)
    text = re.sub(r"\bdirectory: \S+", f"directory: {directory}", text)
    return re.sub(r"\bpath: \.?\S*?([^/\s]+\.\S+)", rf"path: {directory}/\1", text)


def document(kind: Kind, type_: str, settings: str) -> str:
    """A configuration in which the component has its place."""
    sections: dict[str, str] = {"receivers": "feed:", "exporters": "sink:"}
    used = {"receivers": "feed", "processors": "", "exporters": "sink", "extensions": ""}
    sections[kind.section] = settings
    # A connector stands beside the exporters.
    used |= {"exporters": f"sink, {type_}"} if kind is Kind.CONNECTOR else {kind.section: type_}
    body = "\n".join(f"{name}:\n{textwrap.indent(text, '  ')}" for name, text in sections.items())
    pipeline = ", ".join(f"{name}: [{used[name]}]" for name in ("receivers", "processors", "exporters"))
    return f"{body}\nservice: {{extensions: [{used['extensions']}], pipelines: {{traces: {{{pipeline}}}}}}}\n"


def configuration(kind: Kind, type_: str, directory: Path) -> CollectorConfig:
    return configure(document(kind, type_, harmless(kind, example(kind, type_), directory)))


def built(machine: Machine, kind: Kind, type_: str) -> Any:
    match kind:
        case Kind.RECEIVER:
            return machine.receivers[type_]
        case Kind.PROCESSOR:
            [(_, processor)] = machine.processors["traces"]
            return processor
        case Kind.EXPORTER:
            return machine.exporters[type_]
        case Kind.CONNECTOR:
            return machine.connectors[type_]
    return machine.extensions[type_]


@components
def test_is_a_component_of_its_kind_with_settings_of_its_own(kind: Kind, type_: str) -> None:
    """Class and settings have the bases that the contract asks for, and everything is documented."""
    component = distribution.load(kind, type_)

    assert issubclass(component, BASES[kind])
    assert issubclass(component.config_type, Config)
    assert component.__doc__
    assert component.config_type.__doc__


@components
def test_the_example_in_its_docstring_decodes_and_builds(kind: Kind, type_: str, tmp_path: Path) -> None:
    """Who copies the YAML of a docstring gets a collector that works."""
    config = configuration(kind, type_, tmp_path)

    assert built(build(config), kind, type_) is not None


@components
def test_unknown_keys_are_refused(kind: Kind, type_: str) -> None:
    """A misspelt key is never ignored."""
    with pytest.raises(ConfigError, match=f"{kind.section}::{type_}::no_such_key: "):
        configure(document(kind, type_, f"{type_}: {{no_such_key: 1}}"))


@components
async def test_shuts_down_twice_and_without_start(kind: Kind, type_: str, tmp_path: Path) -> None:
    """Who cleans up need not know how far the start came."""
    config = configuration(kind, type_, tmp_path)
    idle: Component = built(build(config), kind, type_)
    await idle.shutdown()
    await idle.shutdown()

    used: Component = built(build(config), kind, type_)
    await used.start(StubHost())
    await used.shutdown()
    await used.shutdown()


# --- What was taken is passed on or counted


def feed(service: Any) -> Feed:
    receiver: Feed = service.machine.receivers["feed"]
    return receiver


def sink(service: Any) -> SinkExporter:
    exporter: SinkExporter = service.machine.exporters["sink"].exporter
    return exporter


def accepted(service: Any) -> int:
    count: int = feed(service).account.accepted
    return count


def found(service: Any) -> int:
    """Spans that can be pointed at after the end: delivered, dropped on purpose, or lost for a reason."""
    account = service.machine.ledger.processors["traces", next(id for _, id in service.machine.ledger.processors)]
    exporter = service.machine.ledger.exporters["sink"]
    delivered: int = exporter.delivered + exporter.failed.total()
    ends: int = account.filtered + account.sampled_out + account.failed.total() + delivered
    return ends


@pytest.fixture
def yaml(type_: str, tmp_path: Path) -> str:
    return document(Kind.PROCESSOR, type_, harmless(Kind.PROCESSOR, example(Kind.PROCESSOR, type_), tmp_path))


@processors
async def test_what_was_taken_is_passed_on_or_counted(type_: str, yaml: str) -> None:
    """After the shutdown nothing is left inside."""
    async with running(yaml) as service:
        for first in range(0, 50, 10):
            await feed(service).send(make_spans(10, first=first))

    assert accepted(service) == found(service) == 50


@processors
@pytest.mark.parametrize("error", [RetryableError("not now"), PermanentError("never"), ZeroDivisionError("a bug")])
async def test_what_the_next_stage_refuses_is_refused_kept_or_counted(type_: str, yaml: str, error: Exception) -> None:
    """Spans that the client was told are taken end somewhere, whatever goes wrong behind."""
    async with running(yaml) as service:
        sink(service).outcomes = [error, error]
        for first in range(0, 40, 10):
            try:
                await feed(service).send(make_spans(10, first=first))
            except ConsumeError:
                assert not isinstance(error, ZeroDivisionError) or feed(service).account.refused

    assert accepted(service) == found(service)
    assert feed(service).account.received == 40


@processors
@pytest.mark.parametrize("steps", range(10))
async def test_cancelled_at_any_moment_nothing_is_half_taken(type_: str, yaml: str, steps: int) -> None:
    """A batch belongs either to the caller or to the component."""
    async with running(yaml) as service:
        await cancel_after(steps, lambda: feed(service).send(make_spans(10)))
        assert accepted(service) in {0, 10}

    assert accepted(service) == found(service)
