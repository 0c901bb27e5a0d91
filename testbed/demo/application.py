"""The application's OpenTelemetry set-up, and a round of everything it does."""

from __future__ import annotations

from random import Random
from typing import Literal

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpanExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

from testbed.demo.traffic import KINDS


class Sent(SpanProcessor):
    """Remembers what was sent."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        """Remember the span."""
        self.spans.append(span)


class Application:
    """A service that sends its spans to `endpoint`. `instance` tells its runs apart."""

    def __init__(
        self, endpoint: str, instance: str, seed: int | None = None, *, protocol: Literal["grpc", "http"] = "grpc"
    ) -> None:
        self.instance = instance
        self.sent = Sent()
        self._random = Random(seed)
        resource = Resource.create(
            {
                "service.name": "handbook-assistant",
                "service.version": "1.4.0",
                "service.instance.id": instance,
            }
        )
        # The SDK keeps 128 events of a span by default; a streamed answer has more.
        self._provider = TracerProvider(resource=resource, span_limits=SpanLimits(max_events=1000))
        self._provider.add_span_processor(self.sent)
        exporter: SpanExporter
        if protocol == "grpc":
            exporter = GrpcSpanExporter(endpoint=endpoint, insecure=True)
        else:
            exporter = HttpSpanExporter(endpoint=f"{endpoint}/v1/traces")
        self._provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=200))

    def round(self) -> None:
        """Serve one request of each kind, and answer two probes."""
        for kind, serve in KINDS.items():
            tracer = self._provider.get_tracer(kind)
            serve(tracer, self._random)
        KINDS["health checks"](self._provider.get_tracer("health checks"), self._random)

    def close(self) -> None:
        """Send what is left. Returns when the collector has answered."""
        self._provider.shutdown()
