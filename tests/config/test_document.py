"""YAML with positions: which scalars are what, what is refused, and with which line."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.config.document import Node, parse
from collector.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("off", "off"),
        ("True", True),
        ("false", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("12", 12),
        ("-12", -12),
        ("0", 0),
        ("012", "012"),
        ("0o17", 15),
        ("0x1F", 31),
        ("100_000", 100_000),
        ("1:30", "1:30"),
        ("2024-01-02", "2024-01-02"),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        (".inf", float("inf")),
        ("1.2.3", "1.2.3"),
        ("5s", "5s"),
        ("'12'", "12"),
        ('"true"', "true"),
        ("!!str 12", "12"),
        ("!!int '12'", 12),
        ("|\n  a\n  b\n", "a\nb\n"),
        ("[1, '1']", [1, "1"]),
    ],
)
def test_scalars_are_what_yaml_1_2_says(text: str, value: Any) -> None:
    """No `yes` is true, no leading zero is octal, no date is a date."""
    found = parse(text, "c.yaml").plain()

    assert found == value
    assert type(found) is type(value)


def test_every_value_knows_the_line_of_its_key() -> None:
    """Messages point at what a reader looks for."""
    root = parse("a:\n  b:\n    - 1\n    - 2\n  c:\n    5\n", "c.yaml")

    assert str(root.find(["a", "c"]).where) == "c.yaml:5"
    assert str(root.find(["a", "b", "[1]"]).where) == "c.yaml:4"
    assert str(root.find(["a", "b", "[9]", "x"]).where) == "c.yaml:2"


def test_anchors_aliases_and_merge_keys_work() -> None:
    """An alias is the value again, with the line where it is used; keys of the map itself win over merged ones."""
    root = parse("a: &a {x: 1, y: 2}\nb: &b {z: 3}\nc:\n  <<: [*a, *b]\n  y: 5\nd: *a\n", "c.yaml")

    assert root.find(["c"]).plain() == {"x": 1, "y": 5, "z": 3}
    assert root.find(["d"]).plain() == {"x": 1, "y": 2}
    assert root.find(["d"]).where.line == 6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "c.yaml:3 'a' stands twice in the same map, first in line 1"),
        ("a: {b: 1, b: 2}\nc: {d: 1, d: 2}", "c.yaml:2 'd' stands twice in the same map, first in line 2"),
        ("a: [1\nb: 2\n", "c.yaml:2 not valid YAML: did not find expected ',' or ']' (column 2)"),
        ("a:\n\t- b\n", "c.yaml:2 not valid YAML: found character that cannot start any token (column 1)"),
        ("a: *b\n", "c.yaml:1 not valid YAML: found undefined alias (column 4)"),
        ("a: 1\n---\nb: 1\n", "c.yaml:2 not valid YAML: but found another document (column 1)"),
        ("a: !secret b\n", "c.yaml:1 unknown tag '!secret'"),
        ("? [a]\n: b\n", "c.yaml:1 a key must be text"),
        ("a:\n  <<: 5\n", "c.yaml:2 '<<' takes a map or a list of maps"),
        ("a: &a [*a]\n", "c.yaml:1 is nested too deeply"),
        ("a: " + "[" * 500 + "]" * 500, "c.yaml:1 is nested too deeply"),
        ("a: \x00", "c.yaml not valid YAML"),
    ],
)
def test_what_is_not_yaml_is_one_readable_error(text: str, message: str) -> None:
    """File, line, and what is wrong there."""
    with pytest.raises(ConfigError) as caught:
        parse(text, "c.yaml")

    assert message in str(caught.value)


def test_aliases_cannot_multiply_without_end() -> None:
    """Ten lines of aliases that would be ten billion values are refused, quickly."""
    lines = ["a0: &a0 [x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 11)]

    with pytest.raises(ConfigError, match="too many values"):
        parse("\n".join(lines), "c.yaml")


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing but a `ConfigError` comes out of broken text."""
    try:
        root = parse(text, "c.yaml")
    except ConfigError:
        return
    assert isinstance(root, Node)
