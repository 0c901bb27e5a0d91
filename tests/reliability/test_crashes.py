"""What was acknowledged with a queue on disk is delivered, whatever happens to the process or the disk."""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path
from random import Random

import grpc
import pytest
from durable_queues import Clients, Configure

from testbed.backend import Backend
from testbed.process import CollectorProcess

_BATCH = ", batch: {min_size: 200, flush_timeout: 20ms}"
_LARGEST = 5 * 40
"""Spans. No batch is larger here: of five spans with a request, or gathered up to 200."""


@pytest.mark.parametrize("engine", ["native", "grpcio"])
@pytest.mark.parametrize("queue", ["", _BATCH], ids=["as they come", "gathered"])
def test_a_crash_loses_nothing_that_was_acknowledged(
    durable: Configure, backend: Backend, engine: str, queue: str
) -> None:
    """Killed five times under load, at moments that the number of acknowledged spans decides."""
    random = Random(f"{engine}{queue}")
    clients = Clients()
    arguments = durable(backend.address, queue=queue, engine=engine)
    for _ in range(5):
        with CollectorProcess(arguments) as collector:
            threads = clients.start(collector.address())
            clients.wait(len(clients.acknowledged) + random.randrange(50, 500))
            collector.kill()
            for thread in threads:
                thread.join(20)

    with CollectorProcess(arguments):
        arrived = backend.wait(lambda spans: {span.id for span in spans} >= clients.acknowledged)

    counts = Counter(span.id for span in arrived)
    assert counts.keys() >= clients.acknowledged
    # Ten consumers, what is gathered, and what waits for a consumer, at each crash.
    assert sum(count - 1 for count in counts.values()) <= 5 * 12 * _LARGEST


def test_what_is_on_disk_waits_for_a_backend_that_comes_later(durable: Configure, tmp_path: Path) -> None:
    """Over two restarts, one of them asked for and one not, without an answer in between."""
    path = str(tmp_path / "backend.sock")
    arguments = durable(f"unix://{path}")
    clients = Clients()
    with CollectorProcess(arguments) as collector:
        clients.send(collector.address(), 20)
        assert collector.stop() == 0
    assert any("keeps 100 spans on disk for the next start" in line for line in collector.log)

    with CollectorProcess(arguments) as collector:
        clients.send(collector.address(), 20)
        collector.kill()

    with CollectorProcess(arguments) as collector, Backend(path) as backend:
        arrived = backend.wait(lambda spans: {span.id for span in spans} >= clients.acknowledged)
        assert any("200 spans in" in line for line in collector.log)

    assert len(clients.acknowledged) == 200
    assert {span.id for span in arrived} == clients.acknowledged


def test_a_disk_that_takes_no_more_makes_clients_come_back(durable: Configure, tmp_path: Path) -> None:
    """What was acknowledged before and after is delivered, and what was not is refused in a way that says: again."""
    path = str(tmp_path / "backend.sock")
    clients = Clients(spans_per_request=100)
    # The system refuses to let a file of this process grow beyond some 32 KiB.
    limited = ("sh", "-c", 'ulimit -f 64; exec "$0" -m collector "$@"', sys.executable)
    with CollectorProcess(durable(f"unix://{path}"), program=limited) as collector:
        clients.send(collector.address(), 100)
        with Backend(path) as backend:
            arrived = backend.wait(lambda spans: {span.id for span in spans} >= clients.acknowledged)
        collector.stop()

    assert set(clients.refused) == {grpc.StatusCode.UNAVAILABLE}
    assert len(clients.acknowledged) >= 2000
    assert {span.id for span in arrived} == clients.acknowledged
    assert any("the sending queue cannot write: File too large" in line for line in collector.log)


@pytest.mark.parametrize("part", ["heads", "record", "payload", "marks"])
def test_a_flipped_byte_costs_at_most_what_it_hits(durable: Configure, tmp_path: Path, part: str) -> None:
    """The rest is delivered, and the collector says what is missing."""
    path = str(tmp_path / "backend.sock")
    arguments = durable(f"unix://{path}")
    clients = Clients()
    for _ in range(2):
        with CollectorProcess(arguments) as collector:
            clients.send(collector.address(), 5)
    older = min((tmp_path / "storage").glob("*/*.journal"))
    hit = older.with_suffix(".done") if part == "marks" else older
    data = bytearray(hit.read_bytes())
    data[{"heads": 20, "record": 2 * 40 + 9, "payload": 2 * 40 + 40 + 9, "marks": 3}[part]] ^= 0x20
    hit.write_bytes(data)

    with CollectorProcess(arguments) as collector, Backend(path) as backend:
        lost = 5 if part in {"record", "payload"} else 0
        arrived = backend.wait(lambda spans: len({span.id for span in spans}) >= 50 - lost)
        collector.stop()

    assert {span.id for span in arrived} <= clients.acknowledged
    assert len({span.id for span in arrived}) == 50 - lost
    said = [line for line in collector.log if "damaged on disk" in line]
    assert bool(said) == bool(lost)
    summary = next(line for line in collector.log if re.search(r"exporters::otlp: was offered", line))
    assert ("5 damaged_on_disk" in summary) == bool(lost)
    assert not any("does not balance" in line for line in collector.log)


def test_two_collectors_cannot_share_a_queue(durable: Configure, backend: Backend) -> None:
    """The second one says whose it is, and ends."""
    arguments = durable(backend.address)
    with CollectorProcess(arguments):
        second = CollectorProcess(arguments)
        second.start()
        assert second.wait() == 1
    assert any(
        re.search(r"exporters::otlp::sending_queue::storage: .* in use by process \d+", line) for line in second.log
    )
