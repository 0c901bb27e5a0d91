"""Batches to be routed, and routers: what `load_balancing` does before it sends."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector._kernel import Router, SpanBatch
from testbed.bench.payload import request

BACKENDS = 10
TRACE = 8
"""Spans of a trace, in the case with traces that come in one piece."""


def cases(spans: int) -> dict[str, Callable[[], object]]:
    """What is measured: a call for each case."""
    names = [(f"10.0.0.{number}:4317", number) for number in range(BACKENDS)]
    scattered = SpanBatch.decode(request(spans))
    together = SpanBatch.decode(_traces(request(spans)))
    by_trace = Router(names)
    return {
        "by trace, each span another trace": partial(by_trace.route, scattered),
        f"by trace, {TRACE} spans of each in a row": partial(by_trace.route, together),
        "by the service of a resource": partial(Router(names, ["service.name"]).route, scattered),
        "by an attribute of each span": partial(Router(names, ["app.tenant"]).route, scattered),
    }


def _traces(data: bytes) -> bytes:
    """The same spans, of which some in a row are of one trace."""
    message = ExportTraceServiceRequest.FromString(data)
    [resource] = message.resource_spans
    [scope] = resource.scope_spans
    for number, span in enumerate(scope.spans):
        span.trace_id = scope.spans[number - number % TRACE].trace_id
    return message.SerializeToString()
