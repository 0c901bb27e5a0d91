"""Names from attributes, attributes from names, and statuses."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from yaml_sections import section

from collector._kernel import OptionError, Program
from collector.errors import ConfigError
from collector.spans import receive
from collector.testing import Attribute, key_values, make_request, settings, spans_in
from processors.span import SpanConfig, SpanProcessor


def run(yaml: str, name: str = "span 0", status: int = 0, **attributes: Attribute) -> Span:
    """Send one span through the processor."""
    request = make_request(1)
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.name, span.status.code, span.status.message = name, status, "before"  # type: ignore[assignment]  # an enum
    del span.attributes[:]
    span.attributes.extend(key_values(attributes))
    processor = SpanProcessor(section(SpanConfig, yaml), settings())
    return spans_in(Program(processor.ops()).run(receive(request.SerializeToString())).batch)[0]


def texts(span: Span) -> dict[str, str]:
    """Read text attributes."""
    return {each.key: each.value.string_value for each in span.attributes}


JOINED = '{name: {from_attributes: [db.svc, op], separator: "::"}}'
DOCUMENT = '{name: {to_attributes: {rules: ["^/api/v1/document/(?P<doc>.*)/update$"]}}}'
PATH = "/api/v1/document/12/update"


def test_a_name_is_made_of_attributes() -> None:
    """Values in their order with the separator between them; one that is missing leaves the name alone."""
    assert run(JOINED, **{"db.svc": "loc", "op": "get"}).name == "loc::get"
    assert run(JOINED, op="get").name == "span 0"
    assert run(JOINED).name == "span 0"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (True, "true"),
        (-5, "-5"),
        (1.5, "1.5"),
        (2.0, "2"),
        (1e21, "1" + "0" * 21),
        (float("inf"), "+Inf"),
        (float("nan"), "NaN"),
        ([1], "<unknown-attribute-type>"),
        (b"x", "<unknown-attribute-type>"),
        ("", ""),
    ],
)
def test_values_of_every_type(value: Attribute, shown: str) -> None:
    """Numbers are written without exponents; lists and the like have no text."""
    assert run("{name: {from_attributes: [a, a], separator: '|'}}", a=value).name == f"{shown}|{shown}"


def test_attributes_are_taken_out_of_a_name() -> None:
    """What a group matches becomes an attribute, and the group's name in braces stands in its place."""
    span = run(DOCUMENT, PATH)
    assert (span.name, texts(span)) == ("/api/v1/document/{doc}/update", {"doc": "12"})
    kept = run(DOCUMENT.replace("rules:", "keep_original_name: true, rules:"), PATH)
    assert (kept.name, texts(kept)) == (PATH, {"doc": "12"})
    assert run(DOCUMENT, "/other").name == "/other"


def test_rules_follow_one_another() -> None:
    """Each sees what the one before it made of the name, unless the first match is to be the last."""
    rules = '{name: {to_attributes: {rules: ["/(?P<a>[0-9]+)", "/(?P<b>[0-9]+)$"]}}}'
    span = run(rules, "/1/2")
    assert (span.name, texts(span)) == ("/{a}/{b}", {"a": "1", "b": "2"})
    span = run(rules.replace("rules:", "break_after_match: true, rules:"), "/1/2")
    assert (span.name, texts(span)) == ("/{a}/2", {"a": "1"})


def test_groups_without_a_name_or_a_part_in_the_match() -> None:
    """One without a name is an attribute without one; one that took no part, or stands in another, is left out."""
    span = run('{name: {to_attributes: {rules: ["^(x)(?P<a>y)?(?P<b>z)"]}}}', "xzz")
    assert (span.name, texts(span)) == ("{}{b}z", {"": "x", "b": "z"})
    span = run('{name: {to_attributes: {rules: ["(?P<outer>a(?P<inner>b))"]}}}', "ab")
    assert (span.name, texts(span)) == ("{outer}", {"outer": "ab"})


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        ("{code: Ok}", 1, ""),
        ("{code: Unset}", 0, ""),
        ("{code: Error}", 2, ""),
        ("{code: Error, description: x}", 2, "x"),
    ],
)
def test_the_status_is_set(status: str, code: int, message: str) -> None:
    """With its message, which only errors have."""
    span = run(f"status: {status}", status=2)
    assert (span.status.code, span.status.message) == (code, message)


def test_only_spans_that_are_meant() -> None:
    """`include` and `exclude` choose them."""
    named = "{match_type: strict, span_names: [a]}"
    assert run(f"{{include: {named}, status: {{code: Ok}}}}", "a").status.code == 1
    assert run(f"{{include: {named}, status: {{code: Ok}}}}", "b").status.code == 0
    assert run(f"{{exclude: {named}, status: {{code: Ok}}}}", "a").status.code == 0


@given(st.text(alphabet="ab/12", max_size=12), st.sampled_from(["/(?P<x>[0-9]+)", "(?P<x>a+)(?P<y>b*)", "^(?P<x>.)"]))
def test_rules_against_an_oracle(name: str, rule: str) -> None:
    """The same in a few lines of Python."""
    found = re.search(rule, name) if name else None
    wanted, attributes = name, {}
    if found:
        attributes = found.groupdict()
        wanted, end = "", 0
        for group in found.groupdict():
            wanted += name[end : found.start(group)] + f"{{{group}}}"
            end = found.end(group)
        wanted += name[end:]
    span = run(f"{{name: {{to_attributes: {{rules: ['{rule}']}}}}}}", name)
    assert (span.name, texts(span)) == (wanted, attributes)


@pytest.mark.parametrize(
    ("yaml", "problem"),
    [
        ("{}", "name: needs from_attributes or to_attributes::rules, unless status is given"),
        ("name: {separator: x}", "name: needs from_attributes"),
        ("status: {code: ok}", "status::code: must be one of Ok, Error, Unset, got 'ok'"),
        ("status: {description: x}", "status::code: "),
        ("status: {code: Ok, description: x}", "description: can be given only for the code Error"),
        ("name: {from_attribute: [a]}", "did you mean 'from_attributes'?"),
    ],
)
def test_options_that_are_wrong(yaml: str, problem: str) -> None:
    """The report names the option and what would be right."""
    with pytest.raises(ConfigError) as caught:
        section(SpanConfig, yaml)
    assert problem in str(caught.value)


def test_a_rule_that_is_no_pattern() -> None:
    """It is named with its place."""
    with pytest.raises(OptionError) as caught:
        SpanProcessor(section(SpanConfig, "name: {to_attributes: {rules: [a, '(']}}"), settings()).ops()
    assert caught.value.args[0] == "name::to_attributes::rules[1]"
