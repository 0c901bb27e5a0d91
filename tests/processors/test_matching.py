"""`include` and `exclude`: which spans are meant, and what is said about mistakes."""

from __future__ import annotations

import pytest
from yaml_sections import section

from collector._kernel import OptionError, Program
from collector.errors import ConfigError
from collector.spans import SpanBatch, receive
from collector.testing import key_values, make_request, settings, spans_in
from processors.attributes import AttributesConfig, AttributesProcessor


def batch() -> SpanBatch:
    """Six spans, `span 0` to `span 5`, of three resources."""
    request = make_request(3, resource={"service.name": "a", "zone": 1})
    request.MergeFrom(make_request(2, resource={"service.name": 7}, first=3))
    request.MergeFrom(make_request(1, resource={"zone": 1}, first=5))
    first = request.resource_spans[0].scope_spans[0]
    first.scope.version = "1.0"
    first.spans[0].attributes.extend(key_values({"x": "q", "y": 1}))
    first.spans[1].attributes.extend(key_values({"x": "q", "y": 1.0, "z": True, "l": [1, "a"]}))
    first.spans[2].attributes.extend(key_values({"y": "1", "d": 1e8, "i": float("inf")}))
    first.spans[2].kind = 0
    return receive(request.SerializeToString())


def selected(text: str) -> list[int]:
    """Numbers of the spans that `include` or `exclude` leaves to be worked on."""
    config = section(AttributesConfig, "actions: [{key: hit, action: insert, value: true}]\n" + text)
    result = Program(AttributesProcessor(config, settings()).ops()).run(batch()).batch
    return [
        number
        for number, span in enumerate(spans_in(result))
        if any(attribute.key == "hit" for attribute in span.attributes)
    ]


@pytest.mark.parametrize(
    ("match", "spans"),
    [
        ("{match_type: strict, services: [b, a]}", [0, 1, 2]),
        ("{match_type: strict, services: ['7']}", [3, 4]),
        ("{match_type: strict, services: [<nil-service-name>]}", [5]),
        ("{match_type: regexp, services: ['.*']}", [0, 1, 2, 3, 4, 5]),
        ("{match_type: strict, span_names: [span 1, span 4]}", [1, 4]),
        ("{match_type: strict, span_names: [span]}", []),
        ("{match_type: regexp, span_names: ['[05]$']}", [0, 5]),
        ("{match_type: strict, span_kinds: [SPAN_KIND_SERVER]}", [0, 1, 3, 4, 5]),
        ("{match_type: regexp, span_kinds: [UNSPEC]}", [2]),
        ("{match_type: strict, attributes: [{key: x}, {key: y, value: 1}]}", [0]),
        ("{match_type: strict, attributes: [{key: y, value: 1.0}]}", [1]),
        ("{match_type: strict, attributes: [{key: y, value: '1'}]}", [2]),
        ("{match_type: strict, attributes: [{key: z, value: true}]}", [1]),
        ("{match_type: strict, attributes: [{key: l, value: [1, a]}]}", [1]),
        ("{match_type: strict, attributes: [{key: y, value: null}]}", [0, 1, 2]),
        ("{match_type: regexp, attributes: [{key: y, value: ^1$}]}", [0, 1, 2]),
        ("{match_type: regexp, attributes: [{key: z, value: tru}]}", [1]),
        ("{match_type: regexp, attributes: [{key: d, value: ^100000000$}]}", [2]),
        ("{match_type: regexp, attributes: [{key: i, value: '^[+]Inf$'}]}", [2]),
        ("{match_type: regexp, attributes: [{key: l, value: .}]}", []),
        ("{match_type: strict, resources: [{key: zone, value: 1}]}", [0, 1, 2, 5]),
        ("{match_type: strict, libraries: [{name: collector.testing}]}", [0, 1, 2, 3, 4, 5]),
        ("{match_type: strict, libraries: [{name: collector.testing, version: ''}]}", [3, 4, 5]),
        ("{match_type: regexp, libraries: [{name: ^collector, version: ^1}]}", [0, 1, 2]),
        ("{match_type: strict, libraries: [{name: collector.testing}, {name: other}]}", []),
        ("{match_type: strict, services: [a], attributes: [{key: x}]}", [0, 1]),
        ("{match_type: regexp, regexp: {cacheenabled: true}, services: [^a]}", [0, 1, 2]),
    ],
)
def test_all_that_is_given_must_match(match: str, spans: list[int]) -> None:
    """Lists are joined by and; `include` selects what matches, `exclude` all else."""
    assert selected(f"include: {match}") == spans
    assert selected(f"exclude: {match}") == [number for number in range(6) if number not in spans]


def test_exclude_takes_from_what_include_gives() -> None:
    """With both, a span is worked on when it is included and not excluded."""
    both = """
        include: {match_type: strict, services: [a]}
        exclude: {match_type: regexp, attributes: [{key: x, value: q}]}
    """
    assert selected("\n".join(line.strip() for line in both.splitlines())) == [2]


KINDS = "SPAN_KIND_INTERNAL, SPAN_KIND_SERVER, SPAN_KIND_CLIENT, SPAN_KIND_PRODUCER, SPAN_KIND_CONSUMER"


@pytest.mark.parametrize(
    ("match", "message"),
    [
        (
            "{match_type: strict}",
            "include: one of services, span_names, span_kinds, attributes, resources and libraries must be given",
        ),
        (
            "{match_type: strict, span_kinds: [SPAN_KIND_SERVER, server]}",
            f'include::span_kinds[1]: must be one of {KINDS}, got "server"',
        ),
        ("{match_type: strict, attributes: [{key: ''}]}", "include::attributes[0]::key: must not be empty"),
        (
            "{match_type: regexp, resources: [{key: a}, {key: x, value: 5}]}",
            "include::resources[1]::value: must be a string where match_type is regexp",
        ),
        (
            "{match_type: regexp, services: [a, '(?=x)']}",
            'include::services[1]: must be a regular expression, got "(?=x)": look-around is not supported: `(?=x)`',
        ),
        (
            "{match_type: regexp, libraries: [{name: a, version: '['}]}",
            'include::libraries[0]::version: must be a regular expression, got "[": no `]` for `[`',
        ),
    ],
)
def test_what_cannot_match_is_refused_with_its_place(match: str, message: str) -> None:
    """A mistake is named by the option that holds it, before anything starts."""
    with pytest.raises(OptionError) as caught:
        selected(f"include: {match}")
    assert ": ".join(caught.value.args) == message


@pytest.mark.parametrize(
    ("match", "message"),
    [
        ("{services: [a]}", "t:2 include::match_type: is required"),
        ("{match_type: exact, services: [a]}", "t:2 include::match_type: must be one of strict, regexp, got 'exact'"),
        (
            "{match_type: strict, span_name: [a]}",
            "t:2 include::span_name: unknown key; did you mean 'span_names'?",
        ),
    ],
)
def test_a_wrong_section_is_reported(match: str, message: str) -> None:
    """What the types refuse is a line of the report."""
    with pytest.raises(ConfigError) as caught:
        selected(f"include: {match}")
    assert str(caught.value) == message
