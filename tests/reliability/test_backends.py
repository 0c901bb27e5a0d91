"""Whatever the backend says or does, what was acknowledged is delivered, or counted with a reason."""

from __future__ import annotations

import re
import threading
from collections import deque

import grpc
import pytest
from durable_queues import Clients, Configure
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from testbed.backend import Backend
from testbed.process import CollectorProcess

_RETRYABLE = {"CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"}
"""By the OTLP specification. RESOURCE_EXHAUSTED belongs to them if it says when to come back."""
_FINAL = [code for code in grpc.StatusCode if code.name not in _RETRYABLE | {"OK"}]


class Moody(Backend):
    """Answers with the statuses it was given, one for each request, and takes what comes after them."""

    def __init__(self) -> None:
        super().__init__()
        self.moods: deque[grpc.StatusCode | threading.Event] = deque()

    def Export(  # noqa: N802  the name of the RPC
        self, request: ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> ExportTraceServiceResponse:
        mood = self.moods.popleft() if self.moods else None
        with self._news:
            self._news.notify_all()
        if isinstance(mood, threading.Event):
            mood.wait(20)
        elif mood is not None:
            context.abort(mood, "as it was told")
        return super().Export(request, context)


def summary(collector: CollectorProcess) -> str:
    """What the collector says of the exporter at its end."""
    return next(line for line in collector.log if re.search(r"exporters::otlp: was offered", line))


@pytest.mark.parametrize("engine", ["native", "grpcio"])
def test_each_status_is_tried_again_or_counted(durable: Configure, engine: str) -> None:
    """Those that say "not now" cost time, the others cost the spans of that request and no other."""
    clients = Clients()
    with Moody() as backend:
        arguments = durable(backend.address)
        override = ["--set", f"exporters.otlp.engine={engine}"]
        with CollectorProcess([*arguments, *override]) as collector:
            delivered = 0
            for code in grpc.StatusCode:
                if code is not grpc.StatusCode.OK:
                    backend.moods.append(code)
                delivered += 0 if code in _FINAL else 5
                clients.send(collector.address(), 1)
                # Requests that wait beside each other would be sent, and refused, together.
                arrived = backend.wait(lambda spans: not backend.moods and len(spans) >= delivered)  # noqa: B023
            collector.stop()

    assert len(clients.acknowledged) == 5 * len(grpc.StatusCode)
    assert {span.id for span in arrived} <= clients.acknowledged
    assert f"delivered {delivered}, failed {5 * len(_FINAL)} ({5 * len(_FINAL)} refused_by_backend)" in summary(
        collector
    )


def test_a_backend_that_hangs_holds_up_nobody_else(durable: Configure) -> None:
    """The attempt runs out of time and is made again, while others are sent."""
    clients = Clients()
    with Moody() as backend:
        hanging = threading.Event()
        backend.moods.append(hanging)
        arguments = [*durable(backend.address), "--set", "exporters.otlp.timeout=300ms"]
        with CollectorProcess(arguments) as collector:
            clients.send(collector.address(), 4)
            backend.wait(lambda spans: {span.id for span in spans} >= clients.acknowledged)
            hanging.set()
            collector.stop()

    assert "delivered 20, failed 0" in summary(collector)


def test_one_dead_backend_takes_nothing_from_the_others(durable: Configure) -> None:
    """The queue of each has its own directory, and keeps what is its own."""
    clients = Clients()
    with Backend() as backend:
        queue = "sending_queue: {storage: file_storage}"
        arguments = [
            *durable(backend.address),
            "--set",
            f"exporters.otlp/dead={{endpoint: '127.0.0.1:1', tls: {{insecure: true}}, {queue}}}",
            "--set",
            "service.pipelines.traces.exporters=[otlp, otlp/dead]",
        ]
        with CollectorProcess(arguments) as collector:
            clients.send(collector.address(), 10)
            backend.wait(lambda spans: {span.id for span in spans} >= clients.acknowledged)
            assert collector.stop() == 0

    assert len(clients.acknowledged) == 50
    assert any("exporters::otlp/dead: keeps 50 spans on disk" in line for line in collector.log)
    assert not any("does not balance" in line for line in collector.log)
