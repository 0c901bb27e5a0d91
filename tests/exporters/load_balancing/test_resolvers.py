"""Who knows the backends, and when they are told to be others."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import AsyncIterator, Sequence

import pytest

from collector.config.types import Duration
from collector.errors import StartError
from collector.testing import until
from exporters.load_balancing.config import DnsConfig, StaticConfig
from exporters.load_balancing.resolvers import DnsResolver, StaticResolver

LOGGER = logging.getLogger("collector.testing")


class Names:
    """Looks names up: gives what it is told, or raises it."""

    def __init__(self, *found: str) -> None:
        self.found: Sequence[str] | OSError = found
        self.asked = 0
        self.release = threading.Event()
        self.release.set()

    def __call__(self, name: str) -> Sequence[str]:
        assert name == "backends"
        self.asked += 1
        self.release.wait(10)
        if isinstance(self.found, OSError):
            raise self.found
        return self.found


class Told:
    """Keeps the lists it is told."""

    def __init__(self) -> None:
        self.lists: list[list[str]] = []
        self.error: Exception | None = None

    async def __call__(self, names: list[str]) -> None:
        self.lists.append(names)
        if self.error:
            raise self.error


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def stopped() -> AsyncIterator[list[DnsResolver]]:
    resolvers: list[DnsResolver] = []
    yield resolvers
    for resolver in resolvers:
        await resolver.stop()


def dns(lookup: Names, port: str = "", timeout: float = 5) -> DnsResolver:
    config = DnsConfig(hostname="backends", port=port, interval=Duration(0.002), timeout=Duration(timeout))
    return DnsResolver(config, LOGGER, lookup)


async def test_a_list_is_told_once_and_sorted(told: Told) -> None:
    """So its order does not matter."""
    resolver = StaticResolver(StaticConfig(hostnames=["b:4317", "a:4317"]))

    await resolver.start(told)
    await resolver.stop()

    assert told.lists == [["a:4317", "b:4317"]]
    assert (resolver.names, resolver.updates, resolver.resolutions[True]) == (["a:4317", "b:4317"], 1, 1)


@pytest.mark.parametrize(
    ("port", "found", "names"),
    [
        ("", ["10.0.0.2", "10.0.0.1"], ["10.0.0.1", "10.0.0.2"]),
        ("4317", ["10.0.0.2", "10.0.0.1", "10.0.0.2"], ["10.0.0.1:4317", "10.0.0.2:4317"]),
        ("4317", ["2001:DB8:0::1", "fe80::1%eth0"], ["[2001:db8::1]:4317", "[fe80::1]:4317"]),
        ("", ["::ffff:10.0.0.1"], ["10.0.0.1"]),
    ],
)
async def test_addresses_are_written_as_the_go_collector_does(
    told: Told, stopped: list[DnsResolver], port: str, found: list[str], names: list[str]
) -> None:
    """The ring is made of these texts."""
    stopped.append(resolver := dns(Names(*found), port))

    await resolver.start(told)

    assert told.lists == [names]


async def test_tells_changes_and_nothing_else(told: Told, stopped: list[DnsResolver]) -> None:
    """Equal lists are ignored, in whatever order they come."""
    names = Names("10.0.0.1", "10.0.0.2")
    stopped.append(resolver := dns(names))
    await resolver.start(told)

    names.found = ("10.0.0.2", "10.0.0.1")
    await until(lambda: names.asked > 4)
    assert len(told.lists) == 1
    names.found = ("10.0.0.3",)
    await until(lambda: len(told.lists) == 2)

    assert (resolver.names, resolver.updates) == (["10.0.0.3"], 2)


@pytest.mark.parametrize("failure", [socket.gaierror(-2, "Name or service not known"), ()])
async def test_a_failure_keeps_the_last_list_and_is_counted(
    told: Told, stopped: list[DnsResolver], failure: OSError | tuple[()], caplog: pytest.LogCaptureFixture
) -> None:
    """It is said once, and once more when it is over."""
    caplog.set_level(logging.INFO)
    names = Names("10.0.0.1")
    stopped.append(resolver := dns(names))
    await resolver.start(told)

    names.found = failure
    await until(lambda: resolver.resolutions[False] > 2)
    assert (resolver.names, told.lists) == (["10.0.0.1"], [["10.0.0.1"]])
    names.found = ("10.0.0.1",)
    known = resolver.resolutions[True]
    await until(lambda: resolver.resolutions[True] > known)

    assert len(told.lists) == 1
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "cannot look up backends, going on with 1 backends" in caplog.text


async def test_starts_without_an_answer_and_goes_on_asking(told: Told, stopped: list[DnsResolver]) -> None:
    """The name may come later than the collector."""
    names = Names()
    names.found = socket.gaierror(-2, "Name or service not known")
    stopped.append(resolver := dns(names))

    await resolver.start(told)
    assert told.lists == []
    names.found = ("10.0.0.1",)
    await until(lambda: told.lists)

    assert resolver.names == ["10.0.0.1"]


async def test_a_look_up_that_hangs_is_waited_for_and_not_repeated(told: Told, stopped: list[DnsResolver]) -> None:
    """Each look that gets no answer in time counts as failed, and there is one thread."""
    names = Names("10.0.0.1")
    names.release.clear()
    stopped.append(resolver := dns(names, timeout=0.002))

    await resolver.start(told)
    await until(lambda: resolver.resolutions[False] > 2)
    assert names.asked == 1
    names.release.set()
    await until(lambda: told.lists)

    assert told.lists == [["10.0.0.1"]]


async def test_stops_while_a_look_up_hangs(told: Told) -> None:
    """Nobody waits for the system's resolver."""
    names = Names("10.0.0.1")
    resolver = dns(names)
    await resolver.start(told)
    names.release.clear()
    asked = names.asked
    await until(lambda: names.asked > asked)

    async with asyncio.timeout(5):
        await resolver.stop()
        await resolver.stop()
    names.release.set()

    assert len(told.lists) == 1


async def test_a_list_that_cannot_be_used_is_told_again(told: Told, stopped: list[DnsResolver]) -> None:
    """The one before stays until then; at start it is an error."""
    names = Names("10.0.0.1")
    stopped.append(resolver := dns(names))
    await resolver.start(told)

    told.error = StartError("no file")
    names.found = ("10.0.0.2",)
    await until(lambda: len(told.lists) > 3)
    assert resolver.names == ["10.0.0.1"]
    told.error = None
    await until(lambda: resolver.names == ["10.0.0.2"])

    told.error = StartError("no file")
    with pytest.raises(StartError):
        await dns(names).start(told)
