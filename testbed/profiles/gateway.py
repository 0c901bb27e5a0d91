"""`gateway`: a gateway in front of language models, which picks a provider and tries again when one refuses.

A trace is a SERVER span `POST /v1/chat/completions`, below it a decision (INTERNAL) and 1 to 3 attempts (CLIENT,
`chat <model>`): 3 spans on average. The attempts have the `gen_ai.*` attributes that cost reports are made from: 12 to
21, among them a list, doubles and counts of tokens. One call in two streams, with `gen_ai.request.stream` and
`gen_ai.response.time_to_first_chunk`.

One attempt in nine fails: with a rate limit (`error.type` = `429`) or a timeout, and an `exception` event. The next
attempt is a child of the same parent, with a link to the one it repeats. If the third fails too, so does the trace.
SERVER spans carry `user.email` in seven of ten calls; the keys that clients call with stand in
`http.request.header.authorization` there, and the gateway's own in that of half of the attempts.
A span has 0.6 KB on average.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Final

from collector.testing import Attribute
from testbed.profiles import people
from testbed.profiles.building import CLIENT, INTERNAL, SERVER, Draft, Scope, Service, Trace
from testbed.profiles.models import CHAT_MODELS, Model, answered, asked
from testbed.profiles.templates import Profile

GATEWAY: Final = Service("model-gateway", "1.9.2", "python", "1.38.0")
ASGI: Final = Scope("opentelemetry.instrumentation.asgi", "0.59b0")
OWN: Final = Scope("model_gateway.routing", "1.9.2")
MODELS: Final = Scope("opentelemetry.instrumentation.genai", "2.1b0")

ROUTE: Final = "/v1/chat/completions"
ATTEMPTS: Final = 3
FAILING_ATTEMPTS: Final = 0.11


def traces(random: Random) -> Iterator[Trace]:
    """Calls of models."""
    while True:
        yield Trace(GATEWAY, _call(random))


def _call(random: Random) -> Draft:
    model, stream = random.choice(CHAT_MODELS), random.random() < 0.5
    root = Draft(ASGI, f"POST {ROUTE}", SERVER, _request(random), ms=1)
    root.parent_is_foreign = random.random() < 0.5
    decision: dict[str, Attribute] = {
        "app.gateway.policy": random.choice(("cheapest", "fastest", "pinned")),
        "app.gateway.candidates": [candidate.name for candidate in random.sample(CHAT_MODELS, 3)],
        "app.gateway.chosen": model.name,
        "app.gateway.scores": [round(random.random(), 4) for _ in range(3)],
        "app.gateway.budget_left": round(random.uniform(0, 500), 2),
    }
    root.child(OWN, "choose provider", INTERNAL, decision, ms=random.uniform(0.1, 1))
    last: Draft | None = None
    for number in range(ATTEMPTS):
        attempt = root.child(MODELS, f"chat {model.name}", CLIENT, asked(random, model, stream=stream), ms=0)
        if random.random() < 0.5:
            attempt.attributes["http.request.header.authorization"] = people.authorization(random)
        if last:
            attempt.attributes["http.request.resend_count"] = number
            attempt.links.append(last)
        if random.random() >= FAILING_ATTEMPTS:
            _succeed(random, attempt, model, stream=stream)
            return root
        _fail(random, attempt, model)
        last = attempt
    root.attributes["http.response.status_code"] = 503
    root.fail("503", "no provider answered")
    return root


def _request(random: Random) -> dict[str, Attribute]:
    attributes: dict[str, Attribute] = {
        "http.request.method": "POST",
        "http.route": ROUTE,
        "url.scheme": "https",
        "url.path": ROUTE,
        "server.address": "models.example.com",
        "server.port": 443,
        "client.address": people.address(random),
        "network.peer.address": people.address(random),
        "network.protocol.version": "2",
        "user_agent.original": random.choice(("atlas-python/1.54.0", "langgraph/0.6.7", "curl/8.10.1")),
        "http.response.status_code": 200,
        "app.tenant": random.choice(people.TENANTS),
        "app.cost_center": f"cc-{random.randint(1000, 1999)}",
        "http.request.header.authorization": people.authorization(random),
    }
    if random.random() < 0.7:
        attributes["user.email"] = people.email(random)
    return attributes


def _succeed(random: Random, attempt: Draft, model: Model, *, stream: bool) -> None:
    output_tokens = random.randint(10, 900)
    reason = random.choices(("stop", "length", "tool_calls"), (80, 8, 12))[0]
    first = random.lognormvariate(-0.7, 0.5)
    attempt.ms = first * 1000 + output_tokens * random.uniform(8, 30)
    attempt.attributes |= answered(random, model, output_tokens=output_tokens, finish_reason=reason)
    attempt.attributes["http.response.status_code"] = 200
    if stream:
        attempt.attributes["gen_ai.response.time_to_first_chunk"] = round(first, 4)


def _fail(random: Random, attempt: Draft, model: Model) -> None:
    stack_trace = "Traceback (most recent call last):\n"
    for file, name in _FRAMES:
        stack_trace += f'  File "/app/model_gateway/{file}", line {random.randint(10, 400)}, in {name}\n'
    if random.random() < 0.7:
        attempt.ms = random.uniform(20, 200)
        message = f"rate limit of {model.name} reached: 600000 tokens a minute"
        attempt.fail("429", message, f"{stack_trace}model_gateway.errors.RateLimited: {message}\n")
        attempt.attributes["http.response.status_code"] = 429
        attempt.attributes["http.response.header.retry-after"] = [str(random.randint(1, 30))]
    else:
        attempt.ms = 30_000
        message = f"no answer from {model.server} within 30 s"
        attempt.fail("timeout", message, f"{stack_trace}httpx.ReadTimeout: {message}\n")


_FRAMES: Final = (
    ("routing.py", "complete"),
    ("providers/base.py", "send"),
    ("providers/retry.py", "attempt"),
    ("transport.py", "request"),
)

PROFILE: Final = Profile(
    name="gateway",
    title="calls of language models through a gateway: gen_ai attributes, rate limits, retries",
    spans_per_request=100,
    traces=traces,
    secrets=(people.BEARER, people.DOMAIN),
)
