"""A backend for tests: a gRPC server, on threads of its own, that keeps the spans it is sent."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent import futures
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass(frozen=True, slots=True)
class Arrived:
    """A span with what it belongs to."""

    span: Span
    attributes: dict[str, Any]
    resource: dict[str, Any]
    scope: str

    @property
    def id(self) -> str:
        """The span's id in hexadecimal."""
        return self.span.span_id.hex()


class Backend(TraceServiceServicer):
    """Takes everything. Used as a context manager, it listens inside; `address` is where.

    With `socket` it listens on a unix socket of that path, which a test can know before the backend is there.
    """

    def __init__(self, socket: str = "") -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        self.address = f"unix://{socket}" if socket else ""
        self._news = threading.Condition(threading.RLock())
        self._server = grpc.server(
            futures.ThreadPoolExecutor(4),
            options=[("grpc.max_receive_message_length", 64 << 20), ("grpc.so_reuseport", 0)],
        )
        add_TraceServiceServicer_to_server(self, self._server)  # type: ignore[no-untyped-call]

    def __enter__(self) -> Self:
        port = self._server.add_insecure_port(self.address or "127.0.0.1:0")
        self.address = self.address or f"127.0.0.1:{port}"
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop(grace=None).wait()

    def Export(  # noqa: N802  the name of the RPC
        self, request: ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> ExportTraceServiceResponse:
        """Keep the request."""
        with self._news:
            self.requests.append(request)
            self._news.notify_all()
        return ExportTraceServiceResponse()

    @property
    def spans(self) -> list[Arrived]:
        """All spans so far."""
        with self._news:
            requests = list(self.requests)
        return [
            Arrived(span, plain(span.attributes), plain(group.resource.attributes), scope.scope.name)
            for request in requests
            for group in request.resource_spans
            for scope in group.scope_spans
            for span in scope.spans
        ]

    def wait(self, done: Callable[[list[Arrived]], bool], timeout: float = 15) -> list[Arrived]:
        """Wait until the spans are as a test wants them, and give them. Raises `TimeoutError`."""
        with self._news:
            if not self._news.wait_for(lambda: done(self.spans), timeout):
                raise TimeoutError(f"the backend has {len(self.spans)} spans, and not the ones it waits for")
        return self.spans


def plain(attributes: Any) -> dict[str, Any]:
    """Attributes as Python values."""
    pairs: list[KeyValue] = list(attributes)
    return {pair.key: _plain(pair.value) for pair in pairs}


def _plain(value: AnyValue) -> Any:
    match value.WhichOneof("value"):
        case None:
            return None
        case "array_value":
            return [_plain(item) for item in value.array_value.values]
        case "kvlist_value":
            return plain(value.kvlist_value.values)
        case kind:
            return getattr(value, kind)
