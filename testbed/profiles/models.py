"""Models that the made-up programs call, and the attributes that every call of a model has (`gen_ai.*`).

Names follow the semantic conventions for generative AI as of version 1.41; the models do not exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final

from collector.testing import Attribute
from testbed.profiles import people


@dataclass(frozen=True, slots=True)
class Model:
    """A model, and where it answers."""

    name: str
    version: str
    provider: str

    @property
    def server(self) -> str:
        """The host of the provider."""
        return f"api.{self.provider}.example"


CHAT_MODELS: Final = (
    Model("atlas-large", "atlas-large-2026-03-01", "atlas"),
    Model("atlas-small", "atlas-small-2026-01-15", "atlas"),
    Model("heron-2", "heron-2-0925", "heron"),
    Model("heron-2-code", "heron-2-code-1125", "heron"),
)
EMBEDDING_MODEL: Final = Model("atlas-embed", "atlas-embed-3", "atlas")
RERANK_MODEL: Final = Model("heron-rerank", "heron-rerank-1.5", "heron")


def asked(random: Random, model: Model, operation: str = "chat", *, stream: bool = False) -> dict[str, Attribute]:
    """What is known of a call when it begins."""
    attributes: dict[str, Attribute] = {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": model.provider,
        "gen_ai.request.model": model.name,
        "server.address": model.server,
        "server.port": 443,
    }
    if operation == "chat":
        attributes |= {
            "gen_ai.conversation.id": f"conv_{people.hexadecimal(random, 12)}",
            "gen_ai.output.type": random.choice(("text", "json")),
            "gen_ai.request.max_tokens": random.choice((512, 1024, 4096)),
            "gen_ai.request.temperature": random.choice((0.0, 0.2, 0.7, 1.0)),
            "gen_ai.request.top_p": 0.95,
        }
        if stream:  # by the conventions it is absent otherwise
            attributes["gen_ai.request.stream"] = True
    return attributes


def answered(random: Random, model: Model, *, output_tokens: int, finish_reason: str = "stop") -> dict[str, Attribute]:
    """What is known of a chat when it has ended."""
    input_tokens = int(random.lognormvariate(6.5, 1))
    return {
        "gen_ai.response.id": f"resp_{people.hexadecimal(random, 16)}",
        "gen_ai.response.model": model.version,
        "gen_ai.response.finish_reasons": [finish_reason],
        "gen_ai.usage.input_tokens": input_tokens,
        "gen_ai.usage.output_tokens": output_tokens,
        "gen_ai.usage.cache_read.input_tokens": random.randint(0, input_tokens),
    }
