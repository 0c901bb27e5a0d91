"""`attributes` and `resource`: what stands in the YAML, what it does, and what is said about mistakes."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from yaml_sections import section

from collector._kernel import Op, OptionError, Program
from collector.errors import ConfigError
from collector.spans import Origin
from collector.testing import any_value, decode, make_spans, settings, spans_in
from processors.attributes import AttributesConfig, AttributesProcessor
from processors.resource import ResourceConfig, ResourceProcessor


def ops(actions: str) -> list[Op]:
    """Build the op of an `attributes` processor with these actions, a line of YAML each."""
    listed = "\n".join(f"  - {line.strip()}" for line in actions.strip().splitlines())
    return AttributesProcessor(section(AttributesConfig, f"actions:\n{listed}\n"), settings()).ops()


def after(actions: str, attributes: dict[str, Any], origin: Origin | None = None) -> dict[str, AnyValue]:
    """Run actions over one span with these attributes, and give those it has then, in their order."""
    result = Program(ops(actions)).run(make_spans(1, attributes=attributes, origin=origin)).batch
    return values(spans_in(result)[0].attributes)


def values(attributes: Any) -> dict[str, AnyValue]:
    """Attributes by key."""
    entries: list[KeyValue] = list(attributes)
    return {entry.key: entry.value for entry in entries}


def wrapped(expected: dict[str, Any]) -> dict[str, AnyValue]:
    """The same, from plain values."""
    return {key: any_value(value) for key, value in expected.items()}


def test_actions_run_in_their_order() -> None:
    """Each action sees what those before it did."""
    actions = """
        {key: tenant, action: upsert, from_context: metadata.x-tenant, default_value: none}
        {key: http.url, action: extract, pattern: "^(?P<scheme>[a-z]+)://(?P<host>[^/]+)"}
        {key: code, action: convert, converted_type: int}
        {key: user.id, action: hash}
        {pattern: "^tmp[.]", action: delete}
        {key: env, action: insert, value: prod}
    """
    before = {"http.url": "https://a.b/c", "code": "200", "user.id": "abc", "tmp.x": 1, "env": "dev"}
    expected = {
        "http.url": "https://a.b/c",
        "code": 200,
        "user.id": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "env": "dev",
        "tenant": "none",
        "scheme": "https",
        "host": "a.b",
    }
    assert after(actions, before) == wrapped(expected)
    assert list(after(actions, before)) == list(expected)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("200", 200),
        ("'200'", "200"),
        ("2.0", 2.0),
        ("true", True),
        ("[1, a, 1.5]", [1, "a", 1.5]),
        ("{a: {b: 1}}", {"a": {"b": 1}}),
        ("''", ""),
        ("9223372036854775807", 2**63 - 1),
    ],
)
def test_a_value_keeps_the_type_of_the_yaml(written: str, value: Any) -> None:
    """What is set has the type that is written: a whole number stays one, quotes make text."""
    assert after(f"{{key: k, action: insert, value: {written}}}", {}) == wrapped({"k": value})


def test_a_copy_keeps_the_type_of_its_source() -> None:
    """`from_attribute` copies lists and maps as they are."""
    before = {"l": [1, ["a"]], "m": {"k": 1.5}, "b": b"\x00"}
    actions = "\n".join(f"{{key: {key}2, action: upsert, from_attribute: {key}}}" for key in before)
    assert after(actions, before) == wrapped(before | {f"{key}2": value for key, value in before.items()})


def test_each_action_that_writes_minds_whether_the_key_is_there() -> None:
    """`insert` leaves what is there, `update` what is not, `upsert` sets it either way."""
    for action, expected in {
        "insert": {"old": 1, "new": 2},
        "update": {"old": 2},
        "upsert": {"old": 2, "new": 2},
    }.items():
        actions = f"{{key: old, action: {action}, value: 2}}\n{{key: new, action: {action.upper()}, value: 2}}"
        assert after(actions, {"old": 1}) == wrapped(expected), action


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("metadata.x-tenant", "a;b"),
        ("metadata.X-Tenant", "a;b"),
        ("x-tenant", "a;b"),
        ("metadata.missing", None),
        ("auth.subject", None),
        ("client.address", "2001:db8::1"),
    ],
)
def test_the_request_is_a_source(source: str, value: str | None) -> None:
    """Headers are found in any case, all their values joined; the client's address comes without its port."""
    origin = Origin("[2001:db8::1]:4317", {"x-tenant": ["a", "b"], "other": ["c"]})
    action = f"{{key: k, action: insert, from_context: {source}}}"
    assert after(action, {}, origin) == wrapped({} if value is None else {"k": value})
    assert ops(action)[0].reads_origin is not source.startswith("auth.")


def test_an_unknown_client_has_an_empty_address() -> None:
    """It counts as found, so the default stays unused; a header of nobody does not."""
    actions = """
        {key: address, action: insert, from_context: client.address, default_value: x}
        {key: header, action: insert, from_context: metadata.x, default_value: [1]}
    """
    assert after(actions, {}) == wrapped({"address": "", "header": [1]})


def test_an_optional_group_that_took_no_part_is_empty_text() -> None:
    """Extracting overwrites, and leaves values that are not text alone."""
    action = '{key: k, action: extract, pattern: "^(?P<a>x)|(?P<b>y)"}'
    assert after(action, {"k": "y", "a": 1}) == wrapped({"k": "y", "a": "", "b": "y"})
    assert after(action, {"k": "z", "a": 1}) == wrapped({"k": "z", "a": 1})
    assert after(action, {"k": 5}) == wrapped({"k": 5})
    assert after('{key: k, action: extract, pattern: "(?P<k>.)$"}', {"k": "xyz"}) == wrapped({"k": "z"})


def test_a_resource_attribute_gets_another_name() -> None:
    """A copy, and the old one goes."""
    actions = "[{key: k8s.cluster.name, from_attribute: cluster, action: upsert}, {key: cluster, action: delete}]"
    processor = ResourceProcessor(section(ResourceConfig, f"attributes: {actions}"), settings())

    result = decode(Program(processor.ops()).run(make_spans(1, resource={"cluster": "c1"})).batch)

    assert values(result.resource_spans[0].resource.attributes) == wrapped({"k8s.cluster.name": "c1"})


def test_resources_are_edited_and_their_spans_are_not() -> None:
    """The actions of `resource` work on the resource alone."""
    text = """
        attributes:
          - {key: k8s.cluster.name, from_attribute: cluster, action: upsert}
          - {key: cluster, action: delete}
    """
    processor = ResourceProcessor(section(ResourceConfig, text), settings())
    batch = make_spans(2, resource={"cluster": "c1"}, attributes={"cluster": "of the span"})
    result = decode(Program(processor.ops()).run(batch).batch)
    [group] = result.resource_spans
    assert values(group.resource.attributes) == wrapped({"k8s.cluster.name": "c1"})
    assert [values(span.attributes) for span in group.scope_spans[0].spans] == [wrapped({"cluster": "of the span"})] * 2


@pytest.mark.parametrize(
    ("action", "message"),
    [
        ("{action: insert, value: 1}", "actions[0]::key: is required for the action 'insert'"),
        (
            "{key: a, action: upsert}",
            "actions[0]: one of value, from_attribute, from_context and default_value must be given",
        ),
        (
            "{key: a, action: insert, value: null}",
            "actions[0]: one of value, from_attribute, from_context and default_value must be given",
        ),
        (
            "{key: a, action: insert, value: 1, from_attribute: b}",
            "actions[0]: only one of value, from_attribute can be the source",
        ),
        (
            "{key: a, action: update, value: 1, pattern: x}",
            "actions[0]::pattern: means nothing for the action 'update'",
        ),
        (
            "{key: a, action: update, value: 1, converted_type: int}",
            "actions[0]::converted_type: means nothing for the action 'update'",
        ),
        ("{action: hash}", "actions[0]: one of key and pattern must be given for the action 'hash'"),
        ("{key: a, action: delete, value: 1}", "actions[0]::value: means nothing for the action 'delete'"),
        (
            "{key: a, action: delete, from_attribute: b}",
            "actions[0]::from_attribute: means nothing for the action 'delete'",
        ),
        ("{key: a, action: extract}", "actions[0]::pattern: is required for the action 'extract'"),
        (
            "{key: a, action: extract, pattern: a}",
            "actions[0]::pattern: must have a named group, such as (?P<host>[^/]+)",
        ),
        (
            "{key: a, action: extract, pattern: '(?P<b>a)(c)'}",
            "actions[0]::pattern: must name every group, such as (?P<host>[^/]+)",
        ),
        (
            "{key: a, action: extract, pattern: '(?P<b>a)', value: 1}",
            "actions[0]::value: means nothing for the action 'extract'",
        ),
        ("{key: a, action: convert}", "actions[0]::converted_type: is required for the action 'convert'"),
        (
            "{key: a, action: convert, converted_type: bool}",
            'actions[0]::converted_type: must be int, double or string, got "bool"',
        ),
        (
            "{key: a, action: convert, converted_type: int, from_context: x}",
            "actions[0]::from_context: means nothing for the action 'convert'",
        ),
        (
            "{pattern: '(', action: delete}",
            'actions[0]::pattern: must be a regular expression, got "(": unclosed group',
        ),
        (
            "{key: a, action: bogus}",
            'actions[0]::action: must be one of insert, update, upsert, delete, hash, extract, convert, got "bogus"',
        ),
    ],
)
def test_an_action_that_cannot_work_is_refused_with_its_place(action: str, message: str) -> None:
    """A mistake is named by its action and option, before anything starts."""
    with pytest.raises(OptionError) as caught:
        ops(action)
    assert ": ".join(caught.value.args) == message


def test_the_place_counts_actions() -> None:
    """The second action is number 1, for resources too."""
    text = "attributes: [{key: a, action: delete}, {key: a, action: convert}]"
    with pytest.raises(OptionError) as caught:
        ResourceProcessor(section(ResourceConfig, text), settings()).ops()
    assert caught.value.args[0] == "attributes[1]::converted_type"


def test_what_the_go_collector_does_not_check_passes() -> None:
    """`delete` and `hash` take a context or a default, which mean nothing there."""
    assert ops("{key: a, action: delete, from_context: client.address, default_value: 1}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("actions: []", "t:1 actions: at least one action is required"),
        ("actions: [{key: a, action: delete, zzz: 1}]", "t:1 actions[0]::zzz: unknown key"),
        ("actions: [{key: a}]", "t:1 actions[0]::action: is required"),
        ("actions: {key: a}", "t:1 actions: must be a list, got a map"),
        ("actions: [{key: 5, action: delete}]", "t:1 actions[0]::key: must be a string, got 5"),
    ],
)
def test_a_wrong_section_is_reported(text: str, message: str) -> None:
    """What the types refuse is a line of the report."""
    with pytest.raises(ConfigError) as caught:
        section(AttributesConfig, text)
    assert str(caught.value).startswith(message)
