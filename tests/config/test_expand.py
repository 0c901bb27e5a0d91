"""Substitution: what references stand for, and what becomes of those that lead nowhere."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.config.document import Node, parse
from collector.config.expand import Expander
from collector.config.problems import Problems, Where
from collector.errors import ConfigError

ENVIRON = {
    "A": "1",
    "NAME": "A",
    "TEXT": "some text",
    "ZEROS": "0123",
    "QUOTED": '"q"',
    "EMPTY": "",
    "LIST": "[1, two]",
    "MAP": "{k: '${env:TEXT}: x', n: '${A}'}",
    "DOLLARS": "a$$b",
    "COLON": "a: b",
    "PEM": "-----BEGIN X-----\nabc\n-----END X-----\n",
    "VIA": "${env:A}",
    "LOOP": "${env:LOOP}",
    "BROKEN": "[1",
}


def expand(text: str) -> Node:
    problems = Problems()
    node = Expander(problems, [], ENVIRON).expand(Node(text, Where("c.yaml", 1)))
    problems.raise_if_any()
    return node


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${env:A}", 1),
        ("${A}", 1),
        ("x${A}y", "x1y"),
        ("${A}${A}", "11"),
        ("${env:TEXT}", "some text"),
        ("${env:UNSET}", None),
        ("${env:UNSET:-5}", 5),
        ("${env:UNSET:-}", None),
        ("${env:UNSET:-a:-b}", "a:-b"),
        ("${env:UNSET:-${env:A}}", 1),
        ("${env:UNSET:-${env:UNSET:-z}}", "z"),
        ("${env:EMPTY:-5}", None),
        ("x${env:EMPTY}y", "xy"),
        ("${env:${env:NAME}}", 1),
        ("${env:${env:NAME}:-7}", 1),
        ("${env:VIA}", 1),
        ("${env:LIST}", [1, "two"]),
        ("${env:MAP}", {"k": "some text: x", "n": 1}),
        ("x ${env:COLON}", "x a: b"),
        ("${env:BROKEN}", "[1"),
        ("${env:QUOTED}", '"q"'),
        ("${env:PEM}", ENVIRON["PEM"]),
        ("${env:DOLLARS}", "a$b"),
        ("${yaml:a: 1}", {"a": 1}),
        ("${yaml:{a: 1}}", "{a: 1}"),
        ("$$", "$"),
        ("$$$$", "$$"),
        ("$A", "$A"),
        ("pa$word", "pa$word"),
        ("$${A}", "${A}"),
        ("$$${A}", "$1"),
        ("$${A} ${A}", "${A} 1"),
        ("${env:UNSET:-$${A}}", "${A}"),
        ("${env:A", "${env:A"),
        ("${", "${"),
        ("}", "}"),
    ],
)
def test_references_are_replaced(text: str, value: Any) -> None:
    """A value that is one reference takes the type of what it stands for; in a text, it is text."""
    found = expand(text).plain()

    assert found == value
    assert type(found) is type(value)


def test_a_string_field_gets_the_text_as_it_was_written() -> None:
    """A number that a variable holds keeps its zeros and its spelling."""
    assert expand("${env:ZEROS}").text == "0123"
    assert expand("${yaml:1e3}").text == "1e3"
    assert expand("${env:LIST}").text == "[1, two]"


def test_files_bring_text_and_values(tmp_path: Path) -> None:
    """A file with one line is that line; a map in a file has the lines of the file."""
    token, settings = tmp_path / "token", tmp_path / "settings.yaml"
    token.write_text("s3cret\n")
    settings.write_text("a: 1\nb:\n  c: 2\n")

    assert expand(f"${{file:{token}}}").plain() == "s3cret"
    node = expand(f"${{file:{settings}}}")
    assert node.plain() == {"a": 1, "b": {"c": 2}}
    assert str(node.find(["b", "c"]).where) == f"{settings}:3"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${A:-5}", "${A:-5}: a default needs the prefix 'env:': write ${env:A:-5}"),
        ("${AB:-5}", "${AB:-5}: a default needs the prefix 'env:': write ${env:AB:-5}"),
        ("${A_B:-5}", "${A_B:-5}: a default needs the prefix 'env:': write ${env:A_B:-5}"),
        ("${vault:x}", "${vault:x}: unknown scheme 'vault'; there are env, file and yaml"),
        ("${env:1A}", "'1A' cannot be the name of an environment variable"),
        ("${env:${env:TEXT}}", "'${env:TEXT}' cannot be the name of an environment variable"),
        ("${}", "'' cannot be the name of an environment variable"),
        ("${env:LOOP}", "${env:LOOP} leads to too many other references; does it lead to itself?"),
        ("${file:/nowhere/x}", "${file:/nowhere/x}: cannot read /nowhere/x: no such file or directory"),
    ],
)
def test_what_leads_nowhere_is_reported(text: str, message: str) -> None:
    """The message shows the reference, and never what a variable holds."""
    with pytest.raises(ConfigError) as caught:
        expand(text)

    assert str(caught.value) == f"c.yaml:1 {message}"


def test_an_unset_variable_is_null_with_a_notice() -> None:
    """As in the Go collector; the notice names the line."""
    notices: list[str] = []

    node = Expander(Problems(), notices, {}).expand(Node("${env:TOKEN}", Where("c.yaml", 7)))

    assert node.value is None
    assert notices == ["c.yaml:7 the environment variable TOKEN is not set: null is taken in its place"]


@pytest.mark.parametrize("width", [2, 10])
def test_references_that_double_each_time_end(width: int) -> None:
    """Thirty variables that name each other twice do not take a billion steps."""
    environ = {"V0": "x" * 1000, **{f"V{n}": f"${{env:V{n - 1}}}" * width for n in range(1, 30)}}
    problems = Problems()

    Expander(problems, [], environ).expand(Node("${env:V29}", Where("c.yaml", 1)))

    assert problems


@given(st.text(alphabet="${}:-envA $", max_size=40))
def test_any_text_is_replaced_or_refused(text: str) -> None:
    """No text breaks the search for references, and doubled dollars always stand for themselves."""
    with contextlib.suppress(ConfigError):
        expand(text)
    assert expand(text.replace("$", "$$")).plain() == text


@given(st.text(st.characters(codec="utf-8", exclude_characters="\x00$"), max_size=40))
def test_a_string_field_gets_what_the_variable_holds(text: str) -> None:
    """Whatever YAML would make of it, character by character."""
    node = Expander(Problems(), [], {"X": text}).expand(Node("${env:X}", Where("c.yaml", 1)))

    assert node.text == text
    assert parse("x: '${env:X}'", "c.yaml").find(["x"]).text == "${env:X}"
