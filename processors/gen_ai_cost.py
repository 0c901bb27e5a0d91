"""`gen_ai_cost`: write what a call of a language model cost into its span, from its tokens and a table of prices.

The cost is a number, so that conditions, sampling and whatever makes metrics of spans can use it. Prices are those of a
million tokens, in whatever currency all of them are in. Names of models may have `*` in them: an exact name counts
before all, and else the longest that fits.

    processors:
      gen_ai_cost:
        prices:
          gpt-4o: {input: 2.50, output: 10.00, cached_input: 1.25}
          gpt-4o-mini*: {input: 0.15, output: 0.60, cached_input: 0.075}
          "*claude-sonnet-4*": {input: 3.00, output: 15.00, cached_input: 0.30, cache_write: 3.75}

Spans without counts of tokens pass as they are. Models without a price are counted, and named in the log now and then.
A span around several calls may carry the tokens of all of them: leave it out with `exclude`, or they are counted twice.
docs/ai.md says how the cost is made up.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta

from collector._kernel import Op, OpCounts
from collector.component import Settings, SpanOp
from collector.config.types import Config, FieldError, Section
from collector.ledger import ProcessorAccount
from collector.telemetry.metrics import MetricKind, Sample
from collector.telemetry.occasional import Occasional
from processors import matching
from processors.matching import MatchConfig

Money = Annotated[float, Meta(ge=0)]

_INVALID = "invalid_counts"
"""What is counted in counts of tokens, and not in spans."""


class Price(Config):
    """What a million tokens of a model cost."""

    input: Money
    """Tokens that go in."""

    output: Money
    """Tokens that come out."""

    cached_input: Money | None = None
    """Of those that go in, the ones read from a cache of the provider. Like the others, if it is absent."""

    cache_write: Money | None = None
    """Of those that go in, the ones written to a cache of the provider. Like the others, if it is absent."""

    reasoning: Money | None = None
    """Of those that come out, the ones of reasoning. Like the others, if it is absent."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            price = getattr(self, name)
            if price is not None and not math.isfinite(price):
                raise FieldError(name, f"must be a price from 0, got {price}")


class GenAiCostConfig(Config):
    """Settings of the `gen_ai_cost` processor."""

    prices: dict[str, Price] = {}
    """Prices by the name of the model, in which `*` stands for any characters. At least one."""

    attribute: str = "gen_ai.usage.cost"
    """The attribute that the cost is written into, as a double."""

    overwrite: bool = False
    """Whether a cost that the span has already is replaced. Otherwise it stays: who sent it may know better."""

    model_attributes: tuple[str, ...] = ("gen_ai.response.model", "gen_ai.request.model")
    """Attributes with the name of the model. The first whose model has a price counts."""

    input_attributes: tuple[str, ...] = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens")
    """Attributes with the number of tokens that went in. Of these, as of those below, the first that is one counts."""

    output_attributes: tuple[str, ...] = ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens")
    """Attributes with the number of tokens that came out."""

    cached_input_attributes: tuple[str, ...] = (
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
    )
    """Attributes with the number of tokens read from a cache, which is a part of those that went in."""

    cache_write_attributes: tuple[str, ...] = (
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
    )
    """Attributes with the number of tokens written to a cache, which is a part of those that went in."""

    reasoning_attributes: tuple[str, ...] = ("gen_ai.usage.reasoning.output_tokens",)
    """Attributes with the number of tokens of reasoning, which is a part of those that came out."""

    include: Section[MatchConfig] = None
    """The spans to work on. All, if it is absent."""

    exclude: Section[MatchConfig] = None
    """The spans to leave alone, even if `include` matches."""

    def __post_init__(self) -> None:
        if not self.prices:
            raise FieldError("prices", "at least one model is required")
        if "" in self.prices:
            raise FieldError("prices", "a model must have a name")
        if not self.attribute:
            raise FieldError("attribute", "must not be empty")
        if not self.model_attributes:
            raise FieldError("model_attributes", "at least one attribute is required")
        if not self.input_attributes and not self.output_attributes:
            raise FieldError("input_attributes", "must not be empty where output_attributes is")


class GenAiCostProcessor(SpanOp):
    """Writes costs of calls into their spans."""

    config_type = GenAiCostConfig
    config: GenAiCostConfig

    def __init__(self, config: GenAiCostConfig, settings: Settings[ProcessorAccount]) -> None:
        super().__init__(config, settings)
        self._occasional = Occasional()
        self._counts: dict[str, int] = {}
        settings.metrics.register(
            "spanmill_processor_gen_ai_cost_spans",
            MetricKind.COUNTER,
            "Spans with counts of tokens, by what the gen_ai_cost processor made of them.",
            self._spans,
        )
        settings.metrics.register(
            "spanmill_processor_gen_ai_cost_invalid_counts",
            MetricKind.COUNTER,
            "Counts of tokens that the gen_ai_cost processor passed over, since they cannot be one.",
            self._invalid,
        )

    def ops(self) -> list[Op]:
        """One op."""
        config = self.config
        plain = (
            "attribute",
            "overwrite",
            "model_attributes",
            "input_attributes",
            "output_attributes",
            "cached_input_attributes",
            "cache_write_attributes",
            "reasoning_attributes",
        )
        settings: dict[str, object] = {name: getattr(config, name) for name in plain}
        settings["prices"] = [
            {"model": model, **{name: getattr(price, name) for name in price.__struct_fields__}}
            for model, price in config.prices.items()
        ]
        settings["include"] = matching.settings_of(config.include)
        settings["exclude"] = matching.settings_of(config.exclude)
        return [Op("gen_ai_cost", settings)]

    def committed(self, counts: list[OpCounts]) -> None:
        """Add up what a pass did, and name models without a price."""
        for count in counts:
            for outcome, number in count.tallies.items():
                if number:
                    self._counts[outcome] = self._counts.get(outcome, 0) + number
            if count.first_failure and (note := self._occasional.note()) is not None:
                self.settings.logger.warning(
                    "prices has nothing for %s: spans of such models have no %s%s",
                    count.first_failure,
                    self.config.attribute,
                    note,
                )

    def _spans(self) -> Iterable[Sample]:
        for outcome, number in self._counts.items():
            if outcome != _INVALID:
                yield Sample({"processor": self.settings.id, "outcome": outcome}, number)

    def _invalid(self) -> Iterable[Sample]:
        if _INVALID in self._counts:
            yield Sample({"processor": self.settings.id}, self._counts[_INVALID])
