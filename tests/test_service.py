"""Lifecycle: the order of starting and stopping, failed starts, deadlines, and what is booked at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from collector.component import Delivery, Exporter, Extension, Host, Kind, Processor
from collector.config.types import Config
from collector.drain import Drain
from collector.errors import StartError
from collector.ledger import Reason
from collector.service import Service
from collector.spans import SpanBatch
from collector.testing import Feed, configure, known, make_spans, running

EVENTS: list[str] = []


class Recording:
    """Writes down when it is started and stopped."""

    settings: Any

    async def start(self, host: Host) -> None:
        EVENTS.append(f"start {self.settings.id}")

    async def shutdown(self) -> None:
        EVENTS.append(f"stop {self.settings.id}")


class RecordingReceiver(Recording, Feed):
    pass


class RecordingProcessor(Recording, Processor):
    async def consume(self, batch: SpanBatch) -> None:
        await self.next.consume(batch)


class RecordingExporter(Recording, Exporter):
    async def export(self, batch: SpanBatch) -> Delivery:
        return Delivery()


class RecordingExtension(Recording, Extension):
    def ready(self) -> None:
        EVENTS.append("ready")

    def not_ready(self) -> None:
        EVENTS.append("not ready")


class Unstartable(Processor):
    """Cannot start."""

    error: ClassVar[Exception] = StartError("no such thing", path="thing::name")

    async def start(self, host: Host) -> None:
        raise self.error

    async def consume(self, batch: SpanBatch) -> None:
        await self.next.consume(batch)


class Hoarder(Processor):
    """Takes everything and never lets go; its shutdown never ends."""

    def __init__(self, config: Config, settings: Any, next: Any) -> None:
        super().__init__(config, settings, next)
        self.spans = 0
        settings.account.held = lambda: self.spans

    async def consume(self, batch: SpanBatch) -> None:
        self.spans += len(batch)
        self.settings.account.taken += len(batch)

    async def shutdown(self) -> None:
        await asyncio.Event().wait()


@pytest.fixture(autouse=True)
def _components() -> Iterator[None]:
    EVENTS.clear()
    with (
        known(Kind.RECEIVER, r=RecordingReceiver),
        known(Kind.PROCESSOR, p=RecordingProcessor, unstartable=Unstartable, hoarder=Hoarder),
        known(Kind.EXPORTER, e=RecordingExporter),
        known(Kind.EXTENSION, x=RecordingExtension),
    ):
        yield


YAML = """
receivers: {r: }
processors: {p/1: , p/2: , unstartable: , hoarder: }
exporters: {e: }
extensions: {x: }
service:
  extensions: [x]
  pipelines:
    traces: {receivers: [r], processors: [PROCESSORS], exporters: [e]}
"""


async def happened(event: str) -> None:
    while event not in EVENTS:  # noqa: ASYNC110  it costs the components nothing to be watched
        await asyncio.sleep(0)


def yaml(*processors: str) -> str:
    return YAML.replace("PROCESSORS", ", ".join(processors))


async def test_starts_back_to_front_and_stops_front_to_back() -> None:
    """Nothing is handed to a component that does not run."""
    async with running(yaml("p/1", "p/2")):
        assert EVENTS == ["start x", "start e", "start p/2", "start p/1", "start r", "ready"]
        EVENTS.clear()

    assert EVENTS == ["not ready", "stop r", "stop p/1", "stop p/2", "stop e", "stop x"]


async def test_a_failed_start_stops_what_was_started() -> None:
    """Receivers never began, and the message says which option is to blame."""
    with pytest.raises(StartError) as caught:
        async with running(yaml("p/1", "unstartable", "p/2")):
            pass

    assert str(caught.value) == "processors::unstartable::thing::name: no such thing"
    assert EVENTS == ["start x", "start e", "start p/2", "not ready", "stop p/2", "stop e", "stop x"]


async def test_whatever_a_start_raises_is_one_clear_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """A foreign exception does not show a traceback to the operator."""
    monkeypatch.setattr(Unstartable, "error", OSError("disk on fire"))

    with pytest.raises(StartError, match="cannot start: OSError: disk on fire"):
        async with running(yaml("unstartable")):
            pass


async def test_what_is_held_at_the_deadline_is_booked_as_lost(caplog: pytest.LogCaptureFixture) -> None:
    """The log says how many spans it was, and the ledger balances."""
    async with running(yaml("hoarder"), shutdown_timeout=0.1) as service:
        receiver = service.machine.receivers["r"]
        assert isinstance(receiver, Feed)
        await receiver.send(make_spans(7))

    assert service.machine.ledger.processors["traces", "hoarder"].failed == {Reason.SHUTDOWN: 7}
    assert "processors::hoarder in traces lost 7 spans" in caplog.text
    assert EVENTS[-2:] == ["stop e", "stop x"]


async def test_a_signal_drains_and_a_second_one_ends_the_drain() -> None:
    """The second time nobody waits for what is stuck."""
    service = Service(configure(yaml("hoarder")), shutdown_timeout=60)
    task = asyncio.create_task(service.run())
    async with asyncio.timeout(5):
        await happened("ready")
        service.stop("SIGTERM")
        await happened("stop r")
        assert not task.done()
        service.stop("SIGTERM")
        await task

    assert EVENTS[-2:] == ["stop e", "stop x"]
    assert not service.failed


async def test_a_component_that_cannot_go_on_stops_the_collector() -> None:
    """`Host.fail` drains, and the exit status is 1."""
    service = Service(configure(yaml()))
    task = asyncio.create_task(service.run())
    async with asyncio.timeout(5):
        await happened("ready")
        service.fail("receivers::r", OSError("socket gone"))
        await task

    assert service.failed
    assert "stop r" in EVENTS


async def test_components_find_extensions_by_id() -> None:
    """The host gives the running extension, or nothing."""
    async with running(yaml()) as service:
        assert isinstance(service.extension("x"), RecordingExtension)
        assert service.extension("y") is None


async def test_who_is_stuck_does_not_take_the_time_of_those_behind() -> None:
    """A stage gets its share of what is left, and the next one still has time to drain."""
    loop = asyncio.get_running_loop()
    drain = Drain(loop.time() + 0.4, asyncio.Event())

    class Stuck:
        async def shutdown(self) -> None:
            await asyncio.Event().wait()

    class Slow:
        finished = False

        async def shutdown(self) -> None:
            await asyncio.sleep(0.05)
            self.finished = True

    slow = Slow()
    await drain.stage([[("stuck", Stuck())]], share=0.5)
    await drain.stage([[("slow", slow)]])

    assert slow.finished


async def test_the_rest_of_a_chain_is_told_even_when_time_is_over() -> None:
    """Behind a processor that is stuck the others still get to release what they have."""
    drain = Drain(asyncio.get_running_loop().time() + 0.02, asyncio.Event())
    told: list[str] = []

    class Stuck:
        async def shutdown(self) -> None:
            await asyncio.Event().wait()

    class Next:
        async def shutdown(self) -> None:
            told.append("next")

    await drain.stage([[("stuck", Stuck()), ("next", Next())]])

    assert told == ["next"]
