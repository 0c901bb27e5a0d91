"""What tests of queues on disk share: a configuration, and clients that keep what was acknowledged."""

from __future__ import annotations

import threading
from collections.abc import Callable

import grpc

from collector.testing import make_request

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

_DETAILS = "grpc-status-details-bin"
"""Says when to come back, which only a collector does."""

CONFIGURATION = """
extensions:
  file_storage: {{directory: {directory}}}
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:0", engine: {engine}}}}}}}
exporters:
  otlp:
    endpoint: {backend}
    tls: {{insecure: true}}
    sending_queue: {{storage: file_storage, sizer: bytes, queue_size: 100_000_000{queue}}}
    retry_on_failure: {{initial_interval: 50ms, max_interval: 200ms, max_elapsed_time: 0}}
service:
  extensions: [file_storage]
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [otlp]}}}}
"""

Configure = Callable[..., list[str]]


class Clients:
    """Send requests of spans that nobody sent before, and keep the ids of those that were acknowledged."""

    def __init__(self, spans_per_request: int = 5) -> None:
        self.acknowledged: set[str] = set()
        self.refused: list[grpc.StatusCode] = []
        self._spans = spans_per_request
        self._first = 0
        self._news = threading.Condition()
        self._stopping = False

    def _request(self) -> tuple[bytes, set[str]]:
        with self._news:
            first, self._first = self._first, self._first + self._spans
        request = make_request(self._spans, first=first)
        return request.SerializeToString(), {f"{number + 1:016x}" for number in range(first, first + self._spans)}

    def send(self, address: str, requests: int) -> None:
        """Send one after the other, as long as there is a collector."""
        with grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            call = channel.unary_unary(EXPORT)
            for _ in range(requests):
                if self._stopping:
                    return
                request, ids = self._request()
                try:
                    call(request, timeout=10)
                except grpc.RpcError as error:
                    self.refused.append(error.code())
                    if not any(name == _DETAILS for name, _ in error.trailing_metadata() or ()):
                        return  # there is no collector any more
                else:
                    with self._news:
                        self.acknowledged |= ids
                        self._news.notify_all()

    def start(self, address: str, clients: int = 4, requests: int = 10_000) -> list[threading.Thread]:
        """Let several of them send at the same time."""
        threads = [threading.Thread(target=self.send, args=(address, requests)) for _ in range(clients)]
        for thread in threads:
            thread.start()
        return threads

    def stop(self) -> None:
        """Let nobody send anything more."""
        self._stopping = True

    def wait(self, spans: int, timeout: float = 20) -> None:
        """Wait until so many spans are acknowledged, over all. Raises `TimeoutError`."""
        with self._news:
            if not self._news.wait_for(lambda: len(self.acknowledged) >= spans, timeout):
                raise TimeoutError(f"{len(self.acknowledged)} of {spans} spans were acknowledged")
