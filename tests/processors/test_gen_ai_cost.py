"""`gen_ai_cost`: which spans get a cost, how it is made up, and what is counted."""

from __future__ import annotations

import fnmatch
import logging
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from otlp_strategies import any_values, requests
from yaml_sections import section

from collector._kernel import Op, OptionError, Program
from collector.errors import ConfigError
from collector.program import Member, ProgramProcessor
from collector.spans import receive
from collector.telemetry.exposition import exposition
from collector.testing import Attribute, Sink, any_value, decode, key_values, make_request, settings, spans_in
from processors.filter import FilterConfig, FilterProcessor
from processors.gen_ai_cost import GenAiCostConfig, GenAiCostProcessor

PRICES = """
prices:
  atlas: {input: 2.0, output: 10.0, cached_input: 0.5, cache_write: 4.0, reasoning: 20.0}
  atlas-mini: {input: 0.1, output: 0.4}
  "*atlas*": {input: 1.0, output: 3.0, reasoning: 0}
  "atlas-m*": {input: 7.0, output: 11.0}
"""
KEYS = {
    "input": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
    "output": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
    "cached_input": ("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens"),
    "cache_write": ("gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_creation_input_tokens"),
    "reasoning": ("gen_ai.usage.reasoning.output_tokens",),
}
MODELS = ("gen_ai.response.model", "gen_ai.request.model")
COST = "gen_ai.usage.cost"


def build(text: str = PRICES) -> GenAiCostProcessor:
    """A processor with these settings."""
    return GenAiCostProcessor(section(GenAiCostConfig, text), settings("gen_ai_cost"))


def request_of(attributes: dict[str, Attribute]) -> ExportTraceServiceRequest:
    """One span with these attributes and no others."""
    request = make_request(1)
    span = request.resource_spans[0].scope_spans[0].spans[0]
    del span.attributes[:]
    span.attributes.extend(key_values(attributes))
    return request


def cost(text: str = PRICES, **attributes: Attribute) -> AnyValue | None:
    """What stands in the cost attribute of one span, for which `input` is short for the first key of its kind."""
    short = {**{kind: keys[0] for kind, keys in KEYS.items()}, "model": MODELS[0]}
    request = request_of({short.get(key, key): value for key, value in attributes.items()})
    span = spans_in(Program(build(text).ops()).run(receive(request.SerializeToString())).batch)[0]
    return next((each.value for each in span.attributes if each.key == COST), None)


def first(span: Span, key: str) -> AnyValue | None:
    """The first attribute of this name."""
    return next((each.value for each in span.attributes if each.key == key), None)


def tokens(span: Span, keys: tuple[str, ...]) -> float | None:
    """The first of these that is a count, in a few lines of Python."""
    for key in keys:
        value = first(span, key)
        kind = value.WhichOneof("value") if value else None
        if value is None or kind is None:
            continue
        number = math.nan
        if kind in ("int_value", "double_value"):
            number = getattr(value, kind)
        elif kind == "string_value" and re.fullmatch(r"\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*", value.string_value):
            number = float(value.string_value)
        if 0 <= number <= 1e9:
            return float(number)
    return None


def oracle(span: Span) -> float | None:
    """The cost of a span by the table above, with exact names before the longest pattern; `None` if it gets none."""
    table = section(GenAiCostConfig, PRICES).prices
    counts = {kind: tokens(span, keys) for kind, keys in KEYS.items()}
    if all(count is None for count in counts.values()) or first(span, COST) is not None:
        return None
    price = None
    for key in MODELS:
        value = first(span, key)
        name = value.string_value if value else ""
        fitting = [glob for glob in table if "*" in glob and fnmatch.fnmatchcase(name, glob)]
        chosen = name if name in table else max(fitting, key=len, default=None)
        if name and chosen:
            price = table[chosen]
            break
    if price is None:
        return None
    n = {kind: count or 0.0 for kind, count in counts.items()}
    parts = n["cached_input"] + n["cache_write"]
    fresh = n["input"] - parts if parts <= n["input"] else n["input"]
    plain = n["output"] - n["reasoning"] if n["reasoning"] <= n["output"] else n["output"]
    other = (price.input if each is None else each for each in (price.cached_input, price.cache_write))
    cached, written = other
    reasoning = price.output if price.reasoning is None else price.reasoning
    total = fresh * price.input + n["cached_input"] * cached + n["cache_write"] * written + plain * price.output
    return (total + n["reasoning"] * reasoning) / 1e6


def usages() -> SearchStrategy[list[KeyValue]]:
    """Attributes of a call, most of them as they should be."""
    counts = (
        st.integers(0, 5000).map(any_value)
        | st.sampled_from([-1, 10**9, 10**9 + 1, 2.5, float("nan"), "12", " 7 ", "x", "", True]).map(any_value)
        | any_values()
    )
    names = st.sampled_from(["atlas", "atlas-mini", "atlas-max", "eu/atlas", "other", ""]).map(any_value) | any_values()
    keyed = [(key, counts) for keys in KEYS.values() for key in keys] + [(key, names) for key in MODELS * 3]
    entries = [st.builds(KeyValue, key=st.just(key), value=values) for key, values in [*keyed, (COST, any_values())]]
    return st.lists(st.one_of(entries), max_size=9)


@given(requests(usages()))
def test_costs_are_what_the_oracle_says(request: ExportTraceServiceRequest) -> None:
    """Whatever stands in the attributes: the cost is appended, and nothing else changes."""
    result = Program(build().ops()).run(receive(request.SerializeToString()))
    for group in request.resource_spans:
        for scope in group.scope_spans:
            for span in scope.spans:
                expected = oracle(span)
                if expected is not None:
                    span.attributes.append(KeyValue(key=COST, value=any_value(expected)))
    if len(result.batch):  # without spans nothing is handed on
        got, wanted = (each.SerializeToString(deterministic=True) for each in (decode(result.batch), request))
        assert got == wanted


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"model": "atlas", "input": 1_000_000, "output": 500_000}, 7.0),
        ({"model": "atlas", "input": 0, "output": 0}, 0.0),
        ({"model": "atlas", "input": 1_000_000, "cached_input": 400_000, "cache_write": 100_000}, 1.6),
        ({"model": "atlas", "output": 1_000_000, "reasoning": 250_000}, 12.5),
        ({"model": "atlas-mini", "input": 1_000_000, "cached_input": 400_000}, 0.1),
        ({"model": "atlas-max", "input": 1_000_000}, 7.0),
        ({"model": "eu/atlas-mini", "output": 1_000_000, "reasoning": 1_000_000}, 0.0),
        ({"model": "atlas", "gen_ai.usage.prompt_tokens": 1000, "gen_ai.usage.completion_tokens": 100}, 0.003),
        ({"model": "atlas", "input": "1000", "output": 100.0}, 0.003),
        ({"model": "atlas", "input": -5, "gen_ai.usage.prompt_tokens": 1000}, 0.002),
        ({"gen_ai.request.model": "atlas", "input": 1000}, 0.002),
        ({"model": "unheard of", "gen_ai.request.model": "atlas", "input": 1000}, 0.002),
        ({"model": "unheard of", "input": 1000}, None),
        ({"input": 1000}, None),
        ({"model": "atlas"}, None),
        ({"model": "atlas", "input": "many"}, None),
        ({"model": "atlas", "input": 10**12}, None),
    ],
)
def test_the_cost_of_a_call(attributes: dict[str, Attribute], expected: float | None) -> None:
    """Counts of any type, with parts that have a price of their own, and models by name and by pattern."""
    value = cost(**attributes)
    assert (value.double_value if value else None) == (pytest.approx(expected) if expected is not None else None)


def test_a_cost_that_is_there_stays_unless_it_shall_not() -> None:
    """Who sent the span may know better; `overwrite` says that the table knows best."""
    call: dict[str, Attribute] = {"model": "atlas", "input": 1000, COST: "0.5 cents"}
    assert cost(**call) == any_value("0.5 cents")
    assert cost(PRICES + "overwrite: true", **call) == any_value(0.002)


def test_names_of_attributes_can_be_others() -> None:
    """Those of other instrumentations, and of who reads the cost."""
    names = "attribute: cost\nmodel_attributes: [llm.model]\ninput_attributes: [llm.in]\noutput_attributes: []"
    request = request_of({"llm.model": "atlas", "llm.in": 1000, "gen_ai.usage.output_tokens": 5})
    [span] = spans_in(Program(build(PRICES + names).ops()).run(receive(request.SerializeToString())).batch)
    assert span.attributes[-1] == KeyValue(key="cost", value=any_value(0.002))


def test_spans_can_be_left_out() -> None:
    """A span around several calls has the tokens of all of them: it would count them twice."""
    text = (
        PRICES
        + "exclude: {match_type: strict, attributes: [{key: gen_ai.operation.name, value: invoke_agent}]}\n"
        + "include: {match_type: strict, services: [test]}"
    )
    call: dict[str, Attribute] = {"model": "atlas", "input": 1000}
    assert cost(text, **call) is not None
    assert cost(text, **call, **{"gen_ai.operation.name": "invoke_agent"}) is None
    assert cost(text.replace("[test]", "[another]"), **call) is None


def test_conditions_behind_it_see_the_cost() -> None:
    """In one pass, and by the number that was written."""
    calls = [request_of({MODELS[0]: "atlas", KEYS["input"][0]: count}) for count in (1000, 900_000)]
    ops = [*build().ops()]
    condition = f"{{trace_conditions: ['span.attributes[\"{COST}\"] > 1']}}"
    ops += FilterProcessor(section(FilterConfig, condition), settings()).ops()
    left = [spans_in(Program(ops).run(receive(call.SerializeToString())).batch) for call in calls]
    assert [len(spans) for spans in left] == [1, 0]


async def test_outcomes_are_counted_and_models_without_a_price_named(caplog: pytest.LogCaptureFixture) -> None:
    """The SRE sees how many spans have no cost, and which models to add."""
    processor = build()
    calls: list[dict[str, Attribute]] = [
        {MODELS[0]: "atlas", KEYS["input"][0]: 5},
        {MODELS[0]: "atlas", KEYS["input"][0]: 5, KEYS["output"][0]: -1},
        {MODELS[0]: "atlas", KEYS["input"][0]: "x", KEYS["output"][0]: [1]},
        {MODELS[0]: "atlas", KEYS["input"][0]: 5, COST: 1.0},
        {MODELS[0]: "new\nmodel", KEYS["input"][0]: 5},
        {MODELS[1]: "other", KEYS["input"][0]: 5},
        {MODELS[1]: "other", KEYS["input"][0]: 5},
        {MODELS[1]: "", KEYS["input"][0]: 5},
        {MODELS[0]: "atlas"},
        {},
    ]
    request = ExportTraceServiceRequest()
    for call in calls:
        request.MergeFrom(request_of(call))
    program = ProgramProcessor([Member(processor, processor.ops())], Sink())

    with caplog.at_level(logging.WARNING):
        await program.consume(receive(request.SerializeToString()))
        await program.consume(receive(request.SerializeToString()))

    page = exposition(processor.settings.metrics)
    outcomes = {"priced": 4, "kept": 2, "unknown_model": 6, "no_model": 2, "no_count": 2}
    for outcome, count in outcomes.items():
        labels = f'processor="gen_ai_cost",outcome="{outcome}"'
        assert f"spanmill_processor_gen_ai_cost_spans{{{labels}}} {count}\n" in page
    assert page.count("spanmill_processor_gen_ai_cost_spans{") == len(outcomes)
    assert 'spanmill_processor_gen_ai_cost_invalid_counts{processor="gen_ai_cost"} 6\n' in page
    assert [record.getMessage() for record in caplog.records] == [
        'prices has nothing for "new\\nmodel", "other": spans of such models have no gen_ai.usage.cost'
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "t:1 prices: at least one model is required"),
        ("prices: {}", "prices: at least one model is required"),
        ('prices: {"": {input: 1, output: 1}}', "prices: a model must have a name"),
        ("prices: {a: {input: 1}}", "prices::a::output: is required"),
        ("prices: {a: {input: -1, output: 1}}", "prices::a::input: must be at least 0, got -1"),
        ("prices: {a: {input: .inf, output: 1}}", "prices::a::input: must be a price from 0, got inf"),
        ("prices: {a: {input: 1, output: .nan}}", "prices::a::output: must be at least 0, got nan"),
        ("prices: {a: {input: 1, output: 1, reasonning: 1}}", "did you mean 'reasoning'?"),
        ("prices: {a: 5}", "prices::a: must be a map"),
        (PRICES + 'attribute: ""', "attribute: must not be empty"),
        (PRICES + "model_attributes: []", "model_attributes: at least one attribute is required"),
        (
            PRICES + "input_attributes: []\noutput_attributes: []",
            "input_attributes: must not be empty where output_attributes is",
        ),
    ],
)
def test_wrong_settings_are_refused(text: str, message: str) -> None:
    """With the place, and what would be right."""
    with pytest.raises(ConfigError, match=re.escape(message)):
        build(text)


def test_the_kernel_checks_prices_again() -> None:
    """Whoever builds an op from elsewhere hears the same."""
    given_settings = {**vars_of(), "prices": [{"model": "a*", "input": -1.0, "output": 1.0}]}
    with pytest.raises(OptionError, match="must be a price from 0, got -1"):
        Op("gen_ai_cost", given_settings)


def vars_of() -> dict[str, object]:
    """Settings of an op without prices."""
    lists = {f"{kind}_attributes": list(keys) for kind, keys in KEYS.items()}
    rest = {"attribute": COST, "overwrite": False, "include": None, "exclude": None}
    return {**lists, **rest, "model_attributes": list(MODELS)}
