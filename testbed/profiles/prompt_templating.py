"""`prompt_templating`: prompts put together from templates and sent to a model, with all their text in attributes.

A trace is a span `prompt <template>` (INTERNAL) and, in seven of ten traces, a call of a model below it
(CLIENT, `chat <model>`). The first has the rendered text in `app.prompt.text` and the variables, a nested map. The
second has `gen_ai.input.messages`: JSON text in seven of ten spans, and otherwise the same as nested values;
`gen_ai.output.messages` as JSON text in half of the spans; `gen_ai.system_instructions` as JSON text.

The prompt and the input messages are 1 to 100 KB long, log-uniformly: 21 KB on average, and 10 KB in the middle.
Instructions and output have 1 to 8 KB. In these texts, and nowhere else, stand e-mail addresses, card numbers, phone
numbers, API keys and JSON Web Tokens, about one in 700 bytes. In attributes of their own, `user.email` stands in half
of the first spans, `http.request.header.authorization` in half of the second ones. A span has 25 KB on average.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Final

from collector.testing import Attribute
from testbed.profiles import people, prose
from testbed.profiles.building import CLIENT, INTERNAL, Draft, Scope, Service, Trace
from testbed.profiles.models import CHAT_MODELS, answered, asked
from testbed.profiles.templates import Profile

PROMPTS: Final = Service("prompt-renderer", "0.31.4", "python", "1.38.0")
OWN: Final = Scope("prompt_renderer", "0.31.4")
MODELS: Final = Scope("opentelemetry.instrumentation.genai", "2.1b0")

TEMPLATES: Final = ("answer-with-sources", "summarize-claim", "draft-reply", "extract-fields", "translate-contract")


def traces(random: Random) -> Iterator[Trace]:
    """Prompts and what became of them."""
    while True:
        yield Trace(PROMPTS, _prompt(random))


def log_uniform(random: Random, low: int, high: int) -> int:
    """A size between two sizes, as likely below their geometric mean as above it."""
    return int(low * (high / low) ** random.random())


def _prompt(random: Random) -> Draft:
    template = random.choice(TEMPLATES)
    attributes: dict[str, Attribute] = {
        "gen_ai.prompt.name": template,
        "app.prompt.version": random.randint(1, 40),
        "app.prompt.variables": _variables(random),
        "app.prompt.text": prose.text(random, log_uniform(random, 1_000, 100_000)),
        "app.tenant": random.choice(people.TENANTS),
    }
    if random.random() < 0.5:
        attributes["user.email"] = people.email(random)
    root = Draft(OWN, f"prompt {template}", INTERNAL, attributes, ms=random.uniform(0.5, 8))
    root.parent_is_foreign = random.random() < 0.5
    if random.random() < 0.7:
        _chat(random, root)
    return root


def _variables(random: Random) -> dict[str, Attribute]:
    passages = [
        {"id": f"doc-{random.randint(1, 99999)}", "score": round(random.random(), 4), "title": prose.sentence(random)}
        for _ in range(random.randint(2, 6))
    ]
    return {
        "language": random.choice(("en", "de", "fr", "ja")),
        "max_words": random.choice((50, 200, 800)),
        "strict": random.random() < 0.5,
        "passages": passages,
    }


def _chat(random: Random, root: Draft) -> None:
    model, output_tokens = random.choice(CHAT_MODELS), random.randint(10, 900)
    said = prose.messages(random, log_uniform(random, 1_000, 100_000))
    instructions = [{"type": "text", "content": prose.text(random, log_uniform(random, 1_000, 8_000))}]
    attributes = asked(random, model) | answered(random, model, output_tokens=output_tokens)
    attributes |= {
        "gen_ai.system_instructions": prose.as_json(instructions),
        "gen_ai.input.messages": prose.as_json(said) if random.random() < 0.7 else said,
    }
    if random.random() < 0.5:
        [message] = prose.messages(random, log_uniform(random, 1_000, 7_900))
        attributes["gen_ai.output.messages"] = prose.as_json([message | {"role": "assistant", "finish_reason": "stop"}])
    if random.random() < 0.5:
        attributes["http.request.header.authorization"] = people.authorization(random)
    root.child(MODELS, f"chat {model.name}", CLIENT, attributes, ms=output_tokens * random.uniform(8, 30))


PROFILE: Final = Profile(
    name="prompt_templating",
    title="prompts of 1 to 100 KB in attributes, with private things in their text",
    spans_per_request=10,
    traces=traces,
    secrets=(people.BEARER, people.DOMAIN),
    prompt_secrets=prose.SECRETS,
)
