"""Two tiers of real processes: one collector finds the owner of each trace, and others have whole traces."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import grpc
import pytest
from durable_queues import EXPORT

from collector.testing import make_request
from testbed.backend import Arrived, Backend
from testbed.process import CollectorProcess

FRONT = """
extensions:
  file_storage: {{directory: {directory}}}
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:0"}}}}}}
exporters:
  load_balancing:
    protocol: {{otlp: {{tls: {{insecure: true}}, timeout: 2s, sending_queue: {{enabled: false}}}}}}
    resolver: {{static: {{hostnames: ["unix://{first}", "unix://{second}"]}}}}
    sending_queue: {queue}
    retry_on_failure: {{initial_interval: 50ms, max_interval: 200ms, max_elapsed_time: 0}}
service:
  extensions: [file_storage]
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [load_balancing]}}}}
"""
BEHIND = """
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: {socket}, transport: unix}}}}}}
exporters:
  otlp:
    endpoint: {backend}
    tls: {{insecure: true}}
    # What is acknowledged is delivered, so a kill takes nothing.
    sending_queue: {{enabled: false}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [otlp]}}}}
"""
SPANS = 20
ROUNDS = 3
"""Requests with spans of the same traces, one after the other."""


def collector(path: Path, text: str) -> CollectorProcess:
    path.write_text(text, encoding="utf-8")
    return CollectorProcess(["--config", str(path)])


def request(number: int, part: int) -> bytes:
    """One part of 20 traces: a span of each."""
    message = make_request(SPANS, first=number * SPANS)
    for span in message.resource_spans[0].scope_spans[0].spans:
        span.span_id = bytes([part + 1]) + span.span_id[1:]
    return message.SerializeToString()


def send(address: str, numbers: Iterable[int]) -> None:
    """Send requests until each is acknowledged."""
    with grpc.insecure_channel(address) as channel:
        call = channel.unary_unary(EXPORT)
        for part in range(ROUNDS):
            for number in numbers:
                call(request(number, part), timeout=20)


def traces(spans: Iterable[Arrived]) -> dict[bytes, Counter[bytes]]:
    """Spans by their trace, and how often each came."""
    found: dict[bytes, Counter[bytes]] = {}
    for arrived in spans:
        found.setdefault(arrived.span.trace_id, Counter())[arrived.span.span_id] += 1
    return found


def different(spans: Iterable[Arrived]) -> int:
    """How many there are, whatever came twice."""
    return sum(map(len, traces(spans).values()))


@pytest.mark.parametrize("queue", ["{queue_size: 100_000}", "{storage: file_storage, queue_size: 100_000}"])
def test_every_trace_is_whole_at_one_collector_though_one_dies_and_comes_back(tmp_path: Path, queue: str) -> None:
    """Nothing is lost, and what one of them took is not sent to it again because the other was away."""
    first, second = tmp_path / "first.sock", tmp_path / "second.sock"
    (tmp_path / "storage").mkdir()
    front = FRONT.format(directory=tmp_path / "storage", first=first, second=second, queue=queue)
    with (
        Backend() as at_first,
        Backend() as at_second,
        collector(tmp_path / "first.yaml", BEHIND.format(socket=first, backend=at_first.address)),
        collector(tmp_path / "front.yaml", front) as balancer,
    ):
        behind = BEHIND.format(socket=second, backend=at_second.address)
        mortal = collector(tmp_path / "second.yaml", behind)
        with mortal:
            send(balancer.address(), range(5))
            at_second.wait(lambda spans: len(traces(spans)) > 10)
            sender = threading.Thread(target=send, args=(balancer.address(), range(5, 60)))
            sender.start()
            at_second.wait(lambda spans: len(traces(spans)) > 50)
            mortal.kill()
            sender.join(60)
        assert "cannot deliver to unix://" in balancer.wait_for("cannot deliver")
        with collector(tmp_path / "second.yaml", behind):
            total = 60 * SPANS
            # The first has all of its own by now: it is the second that hears of something new.
            at_second.wait(lambda spans: different(spans) + different(at_first.spans) == total * ROUNDS)
        assert balancer.stop() == 0

    one, other = traces(at_first.spans), traces(at_second.spans)
    assert not one.keys() & other.keys()
    assert all(len(spans) == ROUNDS for spans in (one | other).values())
    assert min(len(one), len(other)) > total / 4
    assert {count for spans in one.values() for count in spans.values()} == {1}
    [summary] = [line for line in balancer.log if re.search(r"exporters::load_balancing: was offered", line)]
    assert f"delivered {total * ROUNDS}, failed 0" in summary
