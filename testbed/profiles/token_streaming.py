"""`token_streaming`: answers of language models, token by token: long spans with an event for each.

A trace is one CLIENT span of 4 to 30 seconds with 200 to 600 `gen_ai.token` events; in three of four traces its parent
is a span of another service. An event has the token, its number and its log probability: 80 bytes. The span has 20 to
23 attributes, among them `gen_ai.response.time_to_first_chunk`, which is when the first event lies, and the number of
tokens, which is that of the events. One stream in 25 breaks: `error.type` = `cancelled`, and the events end early.

Half of the spans carry `user.email`, a third `http.request.header.authorization`. A span has 33 KB on average.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Final

from collector.testing import Attribute
from testbed.profiles import people
from testbed.profiles.building import CLIENT, Draft, Event, Scope, Service, Trace
from testbed.profiles.models import CHAT_MODELS, answered, asked
from testbed.profiles.prose import WORDS
from testbed.profiles.templates import Profile

ASSISTANT: Final = Service("assistant", "5.2.0", "nodejs", "2.2.0")
MODELS: Final = Scope("@example/instrumentation-streaming", "0.12.0")


def traces(random: Random) -> Iterator[Trace]:
    """Streams of tokens."""
    while True:
        yield Trace(ASSISTANT, _stream(random))


def _stream(random: Random) -> Draft:
    model, tokens = random.choice(CHAT_MODELS), random.randint(200, 600)
    first = random.lognormvariate(-0.7, 0.5)
    seconds = first + tokens * random.uniform(0.02, 0.045)
    broken = random.random() < 0.04
    attributes = asked(random, model, stream=True) | answered(
        random, model, output_tokens=tokens, finish_reason="error" if broken else "stop"
    )
    attributes |= {
        "gen_ai.response.time_to_first_chunk": round(first, 4),
        "app.tokens_per_second": round(tokens / (seconds - first), 2),
        "app.tenant": random.choice(people.TENANTS),
    }
    if random.random() < 0.5:
        attributes["user.email"] = people.email(random)
    if random.random() < 1 / 3:
        attributes["http.request.header.authorization"] = people.authorization(random)
    span = Draft(MODELS, f"chat {model.name}", CLIENT, attributes, ms=seconds * 1000)
    span.parent_is_foreign = random.random() < 0.75
    step = (1 - first / seconds) / tokens
    for index, word in enumerate(random.choices(WORDS, k=tokens)):
        at = first / seconds + (index + random.random() * (index > 0)) * step
        token: dict[str, Attribute] = {"index": index, "token": f" {word}", "logprob": -round(random.expovariate(2), 6)}
        span.events.append(Event("gen_ai.token", token, at))
    if broken:
        span.fail("cancelled", "the client went away before the answer was complete")
    return span


PROFILE: Final = Profile(
    name="token_streaming",
    title="streamed answers of language models: one span with 200 to 600 events",
    spans_per_request=10,
    traces=traces,
    secrets=(people.BEARER, people.DOMAIN),
)
