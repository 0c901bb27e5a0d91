"""SIGHUP under load: no client notices, and what was acknowledged is delivered once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from durable_queues import Clients, Configure

from testbed.backend import Backend
from testbed.process import REFUSED, CollectorProcess

_FILTER = "processors:\n  filter: {traces: {span: ['name == \"nobody\"']}}\n  batch: {timeout: 20ms}\nservice:"
_CHANGES = {
    "a filter": ("receivers: [otlp]", "receivers: [otlp], processors: [filter]"),
    "a batch processor": ("receivers: [otlp]", "receivers: [otlp], processors: [filter, batch]"),
    "larger requests": ('"127.0.0.1:0"', '"127.0.0.1:0", max_recv_msg_size_mib: 8'),
    "another retry": ("initial_interval: 50ms", "initial_interval: 60ms"),
    "gathering": ("queue_size: 100_000_000", "queue_size: 100_000_000, batch: {min_size: 200, flush_timeout: 20ms}"),
    "fewer consumers": ("queue_size: 100_000_000", "queue_size: 100_000_000, num_consumers: 1"),
    "no waiting for the disk": ("file_storage: {", "file_storage: {fsync: false, "),
    "the queue in memory": ("storage: file_storage, ", ""),
}


@pytest.mark.parametrize("engine", ["native", "grpcio"])
def test_whatever_changes_no_span_is_refused_lost_or_sent_twice(
    durable: Configure, backend: Backend, tmp_path: Path, engine: str
) -> None:
    """Each change and back, with wrong configurations in between, while clients never pause."""
    clients = Clients()
    arguments = durable(backend.address, engine=engine)
    path = tmp_path / "collector.yaml"
    text = path.read_text(encoding="utf-8").replace("service:", _FILTER)
    text = text.replace("telemetry: {", "telemetry: {logs: {sampling: {enabled: false}}, ")
    path.write_text(text, encoding="utf-8")
    with CollectorProcess(arguments) as collector:
        address = collector.address()
        threads = clients.start(address)
        for name, (before, after) in _CHANGES.items():
            if name == "larger requests" and engine == "grpcio":
                continue  # its server breaks off what arrives while it ends
            changed = text.replace(before, after)
            assert changed != text, name
            for configuration in (changed, text):
                clients.wait(len(clients.acknowledged) + 200)
                path.write_text(configuration, encoding="utf-8")
                collector.reload()
            path.write_text(text.replace("exporters: [otlp]", f"exporters: [otlp/{name}]"), encoding="utf-8")
            collector.reload(REFUSED)
        clients.wait(len(clients.acknowledged) + 200)
        clients.stop()
        for thread in threads:
            thread.join(20)
        arrived = backend.wait(lambda spans: len(spans) >= len(clients.acknowledged))
        assert collector.stop() == 0

    assert clients.refused == []
    counts = Counter(span.id for span in arrived)
    assert counts.keys() == clients.acknowledged
    assert max(counts.values()) == 1
    assert not any("does not balance" in line or "lost" in line for line in collector.log)


def test_nothing_is_left_of_configurations_that_are_gone(durable: Configure, backend: Backend, tmp_path: Path) -> None:
    """No descriptor and no thread, however often."""
    arguments = durable(backend.address)
    path = tmp_path / "collector.yaml"
    text = path.read_text(encoding="utf-8").replace("telemetry: {", "telemetry: {logs: {sampling: {enabled: false}}, ")
    changes = [_CHANGES[name] for name in ("larger requests", "another retry", "gathering", "the queue in memory")]
    with CollectorProcess(arguments) as collector:
        used: list[tuple[int, int]] = []
        for _ in range(10):
            for before, after in changes:
                path.write_text(text.replace(before, after), encoding="utf-8")
                collector.reload()
            used.append((collector.usage.num_fds(), collector.usage.num_threads()))
    # What ended a moment ago may still be there.
    assert min(descriptors for descriptors, _ in used[5:]) <= min(descriptors for descriptors, _ in used[:5])
    # A pool of threads, of which one is begun whenever none is idle, has six at the most.
    assert max(threads for _, threads in used) <= min(threads for _, threads in used) + 6


def test_a_collector_that_is_told_to_stop_while_it_reloads_stops(durable: Configure, backend: Backend) -> None:
    """Whatever is read at that moment, what was acknowledged is delivered or kept."""
    clients = Clients()
    with CollectorProcess(durable(backend.address)) as collector:
        clients.send(collector.address(), 20)
        collector.ask_for_reload()
        assert collector.stop() == 0
    with CollectorProcess(collector.arguments):
        arrived = backend.wait(lambda spans: {span.id for span in spans} >= clients.acknowledged)
    assert {span.id for span in arrived} == clients.acknowledged
