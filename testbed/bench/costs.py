"""`gen_ai_cost` on calls of language models."""

from __future__ import annotations

from random import Random

from collector._kernel import Program
from collector.testing import Attribute, make_request, settings
from processors.gen_ai_cost import GenAiCostConfig, GenAiCostProcessor, Price
from testbed.bench.payload import START

FAMILIES = ("atlas", "borealis", "cumulus", "draco", "equinox")
SIZES = ("small", "medium", "large", "large-2026")


def program() -> Program:
    """Give the processor with twenty names of models and ten patterns."""
    names = [f"{family}-{size}" for family in FAMILIES for size in SIZES]
    patterns = [pattern for family in FAMILIES for pattern in (f"{family}-*", f"*/{family}-mini*")]
    prices = {model: Price(input=1.0 + number, output=4.0, cached_input=0.1) for number, model in enumerate(names)}
    prices |= {pattern: Price(input=2.0, output=8.0) for pattern in patterns}
    return Program(GenAiCostProcessor(GenAiCostConfig(prices=prices), settings()).ops())


def calls(spans: int) -> bytes:
    """Build calls with ten attributes, every other of which names its model by something that only a pattern fits."""
    random = Random(1)
    message = make_request(0)
    for number in range(spans):
        model = f"{random.choice(FAMILIES)}-{random.choice(SIZES)}"
        attributes: dict[str, Attribute] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "example",
            "gen_ai.request.model": model,
            "gen_ai.response.model": f"{model}-{random.randint(1, 28):02}" if number % 2 else model,
            "gen_ai.request.temperature": 0.2,
            "gen_ai.usage.input_tokens": random.randint(50, 4000),
            "gen_ai.usage.output_tokens": random.randint(10, 900),
            "gen_ai.usage.cache_read.input_tokens": random.randint(0, 50),
            "gen_ai.response.id": random.randbytes(12).hex(),
            "server.address": "models.example.com",
        }
        span = make_request(1, attributes=attributes, first=number).resource_spans[0].scope_spans[0].spans[0]
        span.start_time_unix_nano, span.end_time_unix_nano = START, START + random.randint(10**8, 10**10)
        message.resource_spans[0].scope_spans[0].spans.append(span)
    return message.SerializeToString()
