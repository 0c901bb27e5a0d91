"""From YAML to typed settings: what each type takes, and what is said about the rest."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, field

from collector.config.decode import Decoder
from collector.config.document import parse
from collector.config.expand import Expander
from collector.config.problems import Problems
from collector.config.types import ANY_CASE, Config, Duration, FieldError, Notice, Section, UInt32
from collector.errors import ConfigError

ENVIRON = {"PORT": "0123", "SECRET": "hunter22", "LIST": "a, b", "FIVE": "5", "EMPTY": "", "NO": "false"}


class Inner(Config):
    size: UInt32 = 1
    wait: Duration = Duration.parse("1s")

    def __post_init__(self) -> None:
        if self.size == 13:
            raise FieldError("size", "must not be unlucky")


class Needs(Config):
    path: str


class Settings(Config):
    text: str = "default"
    number: int = 0
    share: Annotated[float, Meta(ge=0)] = 0.0
    flag: bool = False
    mode: Literal["one", "two"] = "one"
    level: Annotated[Literal["basic", "detailed"], ANY_CASE] = "basic"
    wait: Duration = Duration(0)
    words: list[str] = field(default_factory=lambda: ["x"])
    pair: tuple[int, ...] = ()
    headers: dict[str, str] = {}
    anything: Any = None
    name: Annotated[str, Meta(min_length=1, max_length=8, pattern="^[a-z]+$")] = "n"
    inner: Inner = Inner(size=7)
    section: Section[Inner] = None
    on: Section[Inner] = Inner()
    needs: Section[Needs] = None
    mixed: list[str | Inner] = []
    either: int | list[int] | None = None
    old: Annotated[int, Notice("has no effect here")] = 0

    def __post_init__(self) -> None:
        if self.text == "hunter22":
            raise FieldError("text", f"must not be {self.text!r}, it was leaked")
        if self.text == "bad":
            raise ValueError("the whole is bad")


def decode(yaml: str) -> tuple[Settings, list[str]]:
    problems, notices = Problems(), list[str]()
    node = Expander(problems, notices, ENVIRON).expand(parse(yaml, "c.yaml"))
    settings = Decoder(problems, notices).struct(Settings, node, ("p", "s"))
    problems.raise_if_any()
    assert settings is not None
    return settings, notices


@pytest.mark.parametrize(
    ("yaml", "name", "value"),
    [
        ("text: abc", "text", "abc"),
        ("text: ${env:PORT}", "text", "0123"),
        ("text: ${env:EMPTY}", "text", ""),
        ("text:", "text", "default"),
        ("number: ${env:FIVE}", "number", 5),
        ("share: 5", "share", 5.0),
        ("flag: ${env:NO}", "flag", False),
        ("mode: two", "mode", "two"),
        ("level: Detailed", "level", "detailed"),
        ("wait: 1m", "wait", 60.0),
        ("words: a, b", "words", ["a", "b"]),
        ("words: ${env:LIST}", "words", ["a", "b"]),
        ("words: ${env:FIVE}", "words", ["5"]),
        ("words:", "words", ["x"]),
        ("words: []", "words", []),
        ("pair: [1, 2]", "pair", (1, 2)),
        ("headers: {a: b}", "headers", {"a": "b"}),
        ("headers: [{name: a, value: b}]", "headers", {"a": "b"}),
        ("anything: {a: [1, null]}", "anything", {"a": [1, None]}),
        ("anything: ${env:FIVE}", "anything", 5),
        ("inner: {wait: 2s}", "inner", Inner(size=7, wait=Duration(2))),
        ("inner:", "inner", Inner(size=7)),
        ("section:", "section", Inner()),
        ("section: {size: 3}", "section", Inner(size=3)),
        ("section: {enabled: false, nonsense: 1}", "section", None),
        ("on: {enabled: '${env:NO}'}", "on", None),
        ("on: {enabled: true, size: 2}", "on", Inner(size=2)),
        ("mixed: [a, {size: 2}]", "mixed", ["a", Inner(size=2)]),
        ("either: [1]", "either", [1]),
        ("either:", "either", None),
    ],
)
def test_takes_what_the_type_means(yaml: str, name: str, value: Any) -> None:
    """Null is the default, a section that is there is on, and a variable brings the type it is asked for."""
    settings, _ = decode(yaml)

    assert getattr(settings, name) == value


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("text: 5", "text: must be a string, got 5; write it in quotes"),
        ("text: [a]", "text: must be a string, got a list"),
        ("number: '5'", "number: must be a whole number, got '5'"),
        ("number: 1.5", "number: must be a whole number, got 1.5"),
        ("number: true", "number: must be a whole number, got true"),
        ("flag: 1", "flag: must be true or false, got 1"),
        ("flag: yes", "flag: must be true or false, got 'yes'"),
        ("share: -1", "share: must be at least 0, got -1"),
        ("share: .nan", "share: must be at least 0, got nan"),
        ("inner: {size: -1}", "inner::size: must be from 0 to 4294967295, got -1"),
        ("name: ''", "name: must not be empty, got ''"),
        ("name: abcdefghi", "name: must have at most 8 characters, got 'abcdefghi'"),
        ("name: A", "name: must match ^[a-z]+$, got 'A'"),
        ("mode: tow", "mode: must be one of one, two, got 'tow'; did you mean 'two'?"),
        ("wait: 5", "wait: must be a duration such as 200ms or 5s, got 5"),
        ("words: [a, 5]", "words[1]: must be a string, got 5; write it in quotes"),
        ("words: [a, null]", "words[1]: must not be empty"),
        ("words: {a: b}", "words: must be a list, got a map"),
        ("headers: {a: 5}", "headers::a: must be a string, got 5; write it in quotes"),
        ("headers: [{name: a}]", "headers[0]: must be a map of name and value"),
        ("headers: [{name: a, value: b}, {name: a, value: c}]", "headers[1]::name: 'a' is already in the list"),
        ("inner: 5", "inner: must be a map, got 5"),
        ("inner: {size: 13}", "inner::size: must not be unlucky"),
        ("section: {enabled: maybe}", "section::enabled: must be true or false, got 'maybe'"),
        ("needs:", "needs::path: is required"),
        ("needs: {path: '${env:UNSET}'}", "needs::path: is required; ${env:UNSET} is not set"),
        ("words: ['${env:UNSET}']", "words[0]: must not be empty; ${env:UNSET} is not set"),
        ("headers: {a: '${env:UNSET}'}", "headers::a: must be a string, got ${env:UNSET}, which is not set"),
        ("mixed: [5]", "mixed[0]: must be a string or a map, got 5"),
        ("mixed: [{siez: 5}]", "mixed[0]::siez: unknown key; did you mean 'size'?"),
        ("tetx: a", "tetx: unknown key; did you mean 'text'?"),
        ("inner: {zzz: 1}", "inner::zzz: unknown key; there are size, wait"),
        ("text: bad", "the whole is bad"),
    ],
)
def test_says_where_what_and_what_would_be_right(yaml: str, message: str) -> None:
    """YAML in, message out."""
    with pytest.raises(ConfigError) as caught:
        decode(yaml)

    path = "" if message.startswith("the whole") else "::"
    assert str(caught.value) == f"c.yaml:1 p::s{path or ': '}{message}"


@pytest.mark.parametrize("name", ["text", "number", "flag", "mode", "wait", "inner", "pair", "either", "share"])
def test_what_a_variable_holds_is_never_shown(name: str) -> None:
    """It may be a secret: messages show the reference."""
    with pytest.raises(ConfigError) as caught:
        decode(f"{name}: ${{env:SECRET}}")

    assert "hunter22" not in str(caught.value)
    assert "${env:SECRET}" in str(caught.value)


def test_all_problems_are_in_one_report_in_the_order_of_lines() -> None:
    """Nobody has to start ten times to find ten typos."""
    with pytest.raises(ConfigError) as caught:
        decode("flag: 1\ninner:\n  size: a\n  wiat: 1s\nwords: 5\n")

    assert str(caught.value).splitlines() == [
        "c.yaml:1 p::s::flag: must be true or false, got 1",
        "c.yaml:3 p::s::inner::size: must be a whole number, got 'a'",
        "c.yaml:4 p::s::inner::wiat: unknown key; did you mean 'wait'?",
        "c.yaml:5 p::s::words: must be a list, got 5",
    ]


def test_an_option_without_effect_is_taken_with_a_notice() -> None:
    """Only where somebody wrote it."""
    assert decode("text: a")[1] == []
    assert decode("old: 5")[1] == ["c.yaml:1 p::s::old: has no effect here"]
