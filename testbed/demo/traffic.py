"""What the application does: one function for each kind of traffic, which makes one trace at a call.

Nothing is really served and nobody waits: spans get the times they would have had. People and secrets are made up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context

Value = str | int | float | bool | Sequence[str]

EMAILS: Final = ("ada@example.com", "grace@example.com", "linus@example.org", "radia@example.net")
API_KEY: Final = "sk-demo-8c1f2a7e4b"
MODELS: Final = ("atlas-large", "atlas-small", "heron-2")
TEXT: Final = "Use only the passages below and say where each statement comes from. "


class Clock:
    """The time inside one trace, in nanoseconds: it passes when told to."""

    def __init__(self) -> None:
        self.now = time.time_ns()

    def pass_ms(self, milliseconds: float) -> int:
        """Let time pass, and give the time after it."""
        self.now += int(milliseconds * 1e6)
        return self.now


def _start(  # noqa: PLR0917
    tracer: Tracer,
    clock: Clock,
    name: str,
    kind: SpanKind,
    attributes: Mapping[str, Value],
    parent: Span | None = None,
) -> Span:
    context = set_span_in_context(parent) if parent else Context()
    return tracer.start_span(name, context, kind, attributes, start_time=clock.now)


def gateway(tracer: Tracer, random: Random) -> None:
    """One model call: a single span with the `gen_ai.*` attributes that cost reports are made from."""
    clock, model = Clock(), random.choice(MODELS)
    span = _start(
        tracer,
        clock,
        f"chat {model}",
        SpanKind.CLIENT,
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "example",
            "gen_ai.request.model": model,
            "gen_ai.request.temperature": 0.2,
            "gen_ai.usage.input_tokens": random.randint(50, 4000),
            "gen_ai.usage.output_tokens": random.randint(10, 900),
            "gen_ai.response.finish_reasons": ["stop"],
            "server.address": "models.example.com",
            "user.email": random.choice(EMAILS),
        },
    )
    if random.random() < 0.1:
        span.set_attribute("error.type", "rate_limited")
        span.set_status(Status(StatusCode.ERROR, "429 from the provider"))
    span.end(clock.pass_ms(random.uniform(200, 3000)))


def streaming(tracer: Tracer, random: Random) -> None:
    """One answer, token by token: a long span with an event for each."""
    clock = Clock()
    span = _start(
        tracer,
        clock,
        "stream atlas-large",
        SpanKind.CLIENT,
        {"gen_ai.operation.name": "chat", "gen_ai.request.model": "atlas-large", "gen_ai.request.stream": True},
    )
    for index in range(random.randint(200, 400)):
        span.add_event("gen_ai.token", {"index": index, "length": random.randint(1, 9)}, clock.pass_ms(20))
    span.end(clock.pass_ms(5))


def retrieval(tracer: Tracer, random: Random) -> None:
    """One question to a knowledge base: a tree of embed, search in three shards, rerank."""
    clock = Clock()
    root = _start(tracer, clock, "retrieve", SpanKind.INTERNAL, {"app.collection": "handbook", "app.top_k": 8})
    embed = _start(
        tracer, clock, "embed", SpanKind.CLIENT, {"gen_ai.operation.name": "embeddings", "app.dimensions": 1024}, root
    )
    embed.end(clock.pass_ms(30))
    search = _start(tracer, clock, "search", SpanKind.INTERNAL, {"app.candidates": 150}, root)
    for shard in range(3):
        attributes: dict[str, Value] = {"db.system.name": "opensearch", "db.namespace": f"handbook-{shard}"}
        _start(tracer, clock, "query shard", SpanKind.CLIENT, attributes, search).end(
            clock.pass_ms(random.uniform(5, 40))
        )
    search.end(clock.now)
    rerank = _start(tracer, clock, "rerank", SpanKind.CLIENT, {"gen_ai.request.model": "heron-2"}, root)
    rerank.set_attribute("app.best_score", random.random())
    rerank.end(clock.pass_ms(80))
    root.end(clock.pass_ms(1))


def templating(tracer: Tracer, random: Random) -> None:
    """One prompt put together from a template: attributes of 1 to 100 KB."""
    clock = Clock()
    size = int(1000 * 100 ** random.random())
    prompt = (TEXT * (size // len(TEXT) + 1))[:size]
    span = _start(
        tracer,
        clock,
        "render prompt",
        SpanKind.INTERNAL,
        {"app.template": "answer-with-sources", "app.template.version": 7, "app.prompt": prompt},
    )
    span.end(clock.pass_ms(3))


def web(tracer: Tracer, random: Random) -> None:
    """One request to the application: HTTP and database spans, with things in them that should not leave the house."""
    clock, email = Clock(), random.choice(EMAILS)
    server = _start(
        tracer,
        clock,
        "POST /v1/questions",
        SpanKind.SERVER,
        {
            "http.request.method": "POST",
            "http.route": "/v1/questions",
            "url.path": "/v1/questions",
            "http.response.status_code": 200,
            "http.request.header.authorization": ["Bearer " + API_KEY],
            "http.request.header.x-api-key": [API_KEY],
            "user.email": email,
        },
    )
    query = _start(
        tracer,
        clock,
        "SELECT users",
        SpanKind.CLIENT,
        {
            "db.system.name": "postgresql",
            "db.query.text": "SELECT id, plan FROM users WHERE email = $1",
            "db.query.parameter.email": email,
        },
        server,
    )
    query.end(clock.pass_ms(random.uniform(1, 9)))
    call = _start(
        tracer,
        clock,
        "GET",
        SpanKind.CLIENT,
        {"http.request.method": "GET", "url.full": "https://billing.example.com/quota", "billing.api_key": API_KEY},
        server,
    )
    call.end(clock.pass_ms(random.uniform(5, 60)))
    server.end(clock.pass_ms(2))


def health(tracer: Tracer, random: Random) -> None:
    """One probe of the orchestrator, of which there are many and which nobody reads."""
    clock, path = Clock(), random.choice(("/healthz", "/readyz"))
    attributes: dict[str, Value] = {"http.request.method": "GET", "url.path": path, "http.response.status_code": 200}
    _start(tracer, clock, f"GET {path}", SpanKind.SERVER, attributes).end(clock.pass_ms(0.4))


KINDS: Final[dict[str, Callable[[Tracer, Random], None]]] = {
    "model gateway": gateway,
    "token streaming": streaming,
    "retrieval": retrieval,
    "prompt templating": templating,
    "HTTP and database": web,
    "health checks": health,
}
"""Kinds of traffic by the name of the instrumentation scope they are sent under."""
