"""The request that everything is measured with: spans of 485 bytes and 10 attributes, as HTTP servers write them."""

from __future__ import annotations

from random import Random

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from collector.testing import Attribute, key_values

SPAN_BYTES = 485
ATTRIBUTES = 10
START = 1_760_000_000_000_000_000


def request(spans: int, seed: int = 1) -> bytes:
    """Build a request. Each span is a trace of its own, and one in sixteen is a health check."""
    random = Random(seed)
    message = ExportTraceServiceRequest()
    group = message.resource_spans.add()
    group.resource.attributes.extend(
        key_values({"service.name": "checkout", "service.version": "2.14.0", "host.name": "node-17"})
    )
    scope = group.scope_spans.add()
    scope.scope.name = "opentelemetry.instrumentation.asgi"
    for number in range(spans):
        scope.spans.append(_span(random, is_health_check=number % 16 == 7))
    return message.SerializeToString()


def calls(spans: int, seed: int = 1) -> bytes:
    """Build a request of calls of models: the same spans, with seven attributes of calls in place of five others."""
    message = ExportTraceServiceRequest.FromString(request(spans, seed))
    random = Random(seed)
    for span in message.resource_spans[0].scope_spans[0].spans:
        del span.attributes[:5]
        span.attributes.extend(
            key_values(
                {
                    "gen_ai.operation.name": "chat",
                    "gen_ai.provider.name": "atlas",
                    "gen_ai.request.model": random.choice(("atlas-large", "atlas-small")),
                    "gen_ai.usage.input_tokens": random.randint(1, 9000),
                    "gen_ai.usage.output_tokens": random.randint(1, 900),
                    "gen_ai.response.time_to_first_chunk": random.random(),
                    "gen_ai.usage.cost": random.random(),
                }
            )
        )
    return message.SerializeToString()


def _span(random: Random, *, is_health_check: bool) -> Span:
    route = "/healthz" if is_health_check else "/v1/orders/{id}"
    attributes: dict[str, Attribute] = {
        "http.request.method": "GET",
        "http.route": route,
        "url.path": route.replace("{id}", str(random.randint(100000, 999999))),
        "http.response.status_code": 200,
        "server.address": "checkout.internal",
        "network.peer.address": f"10.0.{random.randint(0, 255)}.{random.randint(0, 255)}",
        "user.email": f"user{random.randint(1000, 9999)}@example.com",
        "http.request.header.authorization": f"Bearer {random.randbytes(12).hex()}",
        "app.tenant": random.choice(("acme", "globex", "initech")),
        "user_agent.original": "",
    }
    start = START + random.randint(0, 10**9)
    span = Span(
        trace_id=random.randbytes(16),
        span_id=random.randbytes(8),
        parent_span_id=random.randbytes(8),
        name=f"GET {route}",
        kind=Span.SPAN_KIND_SERVER,
        start_time_unix_nano=start,
        end_time_unix_nano=start + random.randint(10**6, 10**8),
        attributes=key_values(attributes),
    )
    # The last attribute is as long as it must be. Its own length takes two bytes more from 128 on.
    agent = span.attributes[-1].value
    agent.string_value = "m" * 10
    agent.string_value = "m" * (10 + SPAN_BYTES - span.ByteSize())
    while span.ByteSize() > SPAN_BYTES:
        agent.string_value = agent.string_value[:-1]
    return span
