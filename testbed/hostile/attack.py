"""A collector is started, attacked and ended, and what must be true is looked at from outside."""

from __future__ import annotations

import asyncio
import re
import urllib.request
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from testbed.hostile.connections import connection
from testbed.hostile.samples import samples
from testbed.hostile.sending import Tally, connect, over_grpc, over_http, probe, requests
from testbed.process import HTTP_RECEIVER, METRICS, RECEIVER, CollectorProcess

CONFIGURATION = Path(__file__).parent / "hostile.yaml"
CLIENTS = 4
"""Of each protocol, at a time."""
CONNECTIONS = 32
"""At a time."""
WAIT = 5.0
"""The longest that the honest client may wait, in seconds."""
GROWTH = 48.0
"""MiB that memory may grow from the first tenth of the attack to its end."""
LOG_LINES = 100
"""More than these would mean that clients write the log."""


@dataclass
class Report:
    """What came of an attack."""

    tally: Tally
    honest: Tally
    connections: int = 0
    passed: int = 0
    """Spans that came through mutated connections all the same."""
    longest_wait: float = 0.0
    """Of the honest client, in seconds."""
    rss: tuple[float, float] = (0.0, 0.0)
    """MiB after a tenth of the mutated requests, or all of a few, and at the end."""
    findings: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """Say it in a few lines."""
        tally, honest = self.tally, self.honest
        return "\n".join(
            (
                (
                    f"mutated requests     {tally.requests:,}: {tally.accepted:,} accepted with {tally.spans:,} spans, "
                    f"{tally.malformed:,} malformed"
                ),
                f"mutated connections  {self.connections:,}: {self.passed:,} spans came through all the same",
                (
                    f"honest requests      {honest.requests:,}: {honest.accepted:,} accepted, "
                    f"the longest wait {self.longest_wait:.2f} s"
                ),
                f"memory               {self.rss[0]:.0f} MiB after a tenth, {self.rss[1]:.0f} MiB at the end",
            )
        )


def attack(count: int, connections: int, seed: int, watch: Callable[[str], None] = lambda text: None) -> Report:
    """Send so many mutated requests over both protocols, then so many mutated connections."""
    report = Report(Tally(), Tally())
    collector = CollectorProcess(["--config", str(CONFIGURATION)])
    with collector:
        attacker = _Attacker(collector, report, Random(seed), watch)
        before = attacker.resources()
        asyncio.run(attacker.requests(count))
        attacker.compare()
        asyncio.run(attacker.connections(connections))
        attacker.settle(before)
        status = collector.stop()
    if status != 0:
        report.findings.append(f"the collector ended with status {status}")
    if traces := [line for line in collector.log if "Traceback" in line or "a bug in" in line]:
        report.findings.append(f"the log tells of a bug: {traces[0]}")
    if len(collector.log) > LOG_LINES:
        report.findings.append(f"the log has {len(collector.log)} lines")
    return report


class _Attacker:
    def __init__(
        self, collector: CollectorProcess, report: Report, chance: Random, watch: Callable[[str], None]
    ) -> None:
        self._collector = collector
        self._report = report
        self._chance = chance
        self._watch = watch
        self._samples = samples()
        self._grpc, self._http = collector.address(RECEIVER), collector.address(HTTP_RECEIVER)

    def resources(self) -> tuple[int, int]:
        """Open files and threads of the collector."""
        return self._collector.usage.num_fds(), self._collector.usage.num_threads()

    async def requests(self, count: int) -> None:
        """Send mutated requests, half of them over each protocol."""
        each, tally = count // (2 * CLIENTS), self._report.tally
        clients = []
        for _ in range(CLIENTS):
            over = Random(self._chance.random()), Random(self._chance.random())
            clients.append(over_grpc(self._grpc, requests(self._samples, over[0], each), tally))
            clients.append(over_http(self._http, requests(self._samples, over[1], each), over[1], tally))
        await self._beside_honest(clients, lambda: tally.requests, count, "requests")

    async def connections(self, count: int) -> None:
        """Open mutated connections to both ports."""
        numbers = iter(range(count))

        async def client(chance: Random) -> None:
            for number in numbers:
                data = connection(chance.choice(self._samples), chance)
                if not await connect(chance.choice((self._grpc, self._http)), data):
                    self._report.findings.append(f"connection {number} was not ended by the collector: {data[:200]!r}")
                self._report.connections += 1

        clients = [client(Random(self._chance.random())) for _ in range(CONNECTIONS)]
        await self._beside_honest(clients, lambda: self._report.connections, count, "connections")

    async def _beside_honest(
        self,
        clients: list[Coroutine[Any, Any, None]],
        done: Callable[[], int],
        count: int,
        what: str,
    ) -> None:
        """Run hostile clients beside an honest one."""
        over = asyncio.Event()
        honest = asyncio.create_task(probe(self._grpc, self._samples[1], over.is_set, self._report.honest))
        watching = asyncio.create_task(self._follow(done, count, what))
        try:
            await asyncio.gather(*clients)
        finally:
            over.set()
            watching.cancel()
        longest = await honest
        self._report.longest_wait = max(self._report.longest_wait, longest)

    async def _follow(self, done: Callable[[], int], count: int, what: str) -> None:
        """Say how far it is, and note memory when a tenth is done."""
        while True:
            await asyncio.sleep(0.2)
            if not self._report.rss[0] and done() >= count / 10:
                self._report.rss = (self._rss(), 0.0)
            self._watch(f"{done():,} of {count:,} {what}, {self._rss():.0f} MiB")

    def _rss(self) -> float:
        return float(self._collector.usage.memory_info().rss) / (1 << 20)

    def compare(self) -> None:
        """Hold what clients know against what the collector counted."""
        if not self._report.rss[0]:
            self._report.rss = (self._rss(), 0.0)
        page, tally, honest = self._metrics(), self._report.tally, self._report.honest
        for name, sent in (
            ("spanmill_receiver_requests", tally.requests + honest.requests),
            ("spanmill_receiver_refused_requests", tally.malformed),
            ("spanmill_receiver_malformed_requests", tally.malformed - tally.garbled),
            ("otelcol_receiver_accepted_spans", tally.spans + honest.spans),
            ("otelcol_receiver_refused_spans", 0),
        ):
            if page.get(name) != sent:
                self._report.findings.append(f"{name} is {page.get(name)}, and clients count {sent}")
        if tally.others:
            self._report.findings.append(f"answers that are neither OK nor malformed: {tally.others}")

    def settle(self, before: tuple[int, int]) -> None:
        """Look at what is left when everybody has gone."""
        report = self._report
        report.rss = (report.rss[0], self._rss())
        if (grown := report.rss[1] - report.rss[0]) > GROWTH:
            report.findings.append(f"memory grew by {grown:.0f} MiB")
        if report.longest_wait > WAIT:
            report.findings.append(f"the honest client waited {report.longest_wait:.1f} s")
        if report.honest.accepted != report.honest.requests:
            report.findings.append(f"the honest client was refused: {report.honest}")
        files, threads = self.resources()
        # A listener for metrics, and a client that goes just now.
        if files > before[0] + 4 or threads > before[1] + 8:
            report.findings.append(f"open files and threads were {before}, and are {(files, threads)}")
        page = self._metrics()
        report.passed = page["otelcol_receiver_accepted_spans"] - report.tally.spans - report.honest.spans
        accepted, sent = page.get("otelcol_receiver_accepted_spans", 0), page.get("otelcol_exporter_sent_spans", 0)
        held = page.get("spanmill_processor_held_spans", 0)
        if accepted != sent + held:
            report.findings.append(f"{accepted} spans were accepted, {sent} sent and {held} are held")

    def _metrics(self) -> dict[str, int]:
        """Sums of all counters over their labels."""
        with urllib.request.urlopen(f"http://{self._collector.address(METRICS)}/metrics", timeout=20) as answer:
            text = answer.read().decode()
        sums: dict[str, int] = {}
        for name, value in _samples(text):
            sums[name] = sums.get(name, 0) + value
        return sums


def _samples(text: str) -> Iterator[tuple[str, int]]:
    for match in re.finditer(r"^(\w+?)(?:_total)?(?:\{.*\})? (\d+)(?:\.0)?$", text, re.MULTILINE):
        yield match[1], int(match[2])
