"""YAML with positions, read the way YAML 1.2 means it.

PyYAML knows YAML 1.1, where `yes` is true, `012` is ten, `1:30` is ninety and `2024-01-02` is a date, and it lets a
key stand twice. So it only composes the document here; scalars are resolved by this module, and every value keeps the
line it came from.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import yaml

from collector.config.problems import Where
from collector.errors import ConfigError

MAX_DEPTH = 64
MAX_NODES = 200_000
"""Aliases can multiply a small file into billions of values; no configuration has this many."""

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Node:
    """A value and where it came from."""

    value: dict[str, Node] | list[Node] | Scalar
    where: Where
    text: str | None = None
    """A scalar as it was written: what a string field gets when the value was substituted."""
    shown: str | None = None
    """What messages show in place of the value: `${env:NAME}`, since what it stands for may be a secret."""
    keys: dict[str, Where] | None = None
    """Where the keys of a map stand."""

    def plain(self) -> object:
        """Give the value without positions."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def describe(self) -> str:
        """Say the value in a message."""
        if self.shown is not None:
            return f"{self.shown} (null)" if self.value is None else self.shown
        if isinstance(self.value, dict):
            return "a map"
        if isinstance(self.value, list):
            return "a list"
        return {None: "null", True: "true", False: "false"}.get(self.value, repr(self.value))  # type: ignore[arg-type]

    def key_where(self, key: str) -> Where:
        """Tell where a key of this map stands."""
        return (self.keys or {}).get(key, self.where)

    def as_text(self, shown: str) -> Node:
        """Mark the value as substituted."""
        return replace(self, shown=shown)


class _Loader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):  # type: ignore[misc]
    """Resolves nothing: a plain scalar stays text."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}


_INT = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, Scalar] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
    ".inf": float("inf"), ".Inf": float("inf"), "+.inf": float("inf"), "-.inf": float("-inf"), ".nan": float("nan"),
}  # fmt: skip


def resolve(text: str) -> Scalar:
    """Read a plain scalar by YAML 1.2's core schema. A leading zero makes a number text: `0123` is an id, not 123."""
    if text in _WORDS:
        return _WORDS[text]
    digits = text.lstrip("+-")
    if _INT.fullmatch(text) and (digits == "0" or not digits.startswith("0")):
        return int(text)
    if _OCTAL.fullmatch(text) or _HEX.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text) and not _INT.fullmatch(text):
        return float(text)
    return text


def parse(text: str, source: str) -> Node:
    """Read one document. Raises `ConfigError` with the line for whatever is not YAML."""
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        column = f" (column {mark.column + 1})" if mark else ""
        msg = f"{Where(source, line)} not valid YAML: {error.problem or error.context}{column}"
        raise ConfigError(msg) from error
    except (yaml.YAMLError, ValueError) as error:
        msg = f"{source} not valid YAML: {error}"
        raise ConfigError(msg) from error
    except RecursionError:
        msg = f"{source} is nested too deeply"
        raise ConfigError(msg) from None
    if root is None:
        return Node(None, Where(source, 1), text="")
    return _Reader(source).read(root, 0)


class _Reader:
    """Turns PyYAML's nodes into ours."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.count = 0

    def read(self, node: yaml.Node, depth: int) -> Node:
        where = Where(self.source, node.start_mark.line + 1)
        self.count += 1
        if depth > MAX_DEPTH or self.count > MAX_NODES:
            msg = (
                f"{where} is nested too deeply"
                if depth > MAX_DEPTH
                else f"{where} has too many values: an alias that repeats itself?"
            )
            raise ConfigError(msg)
        if isinstance(node, yaml.ScalarNode):
            # The C loader says "" for plain scalars, the Python one says None.
            value = resolve(node.value) if not node.style else node.value
            return Node(value, where, text=node.value)
        if isinstance(node, yaml.MappingNode):
            return self._map(node, where, depth)
        return Node([self.read(item, depth + 1) for item in node.value], where)

    def _map(self, node: yaml.MappingNode, where: Where, depth: int) -> Node:
        values: dict[str, Node] = {}
        keys: dict[str, Where] = {}
        merged: list[Node] = []
        for key_node, value_node in node.value:
            key_where = Where(self.source, key_node.start_mark.line + 1)
            if not isinstance(key_node, yaml.ScalarNode):
                msg = f"{key_where} a key must be text"
                raise ConfigError(msg)
            key = key_node.value
            value = self.read(value_node, depth + 1)
            if key == "<<" and not key_node.style:
                merged += value.value if isinstance(value.value, list) else [value]
                continue
            if key in values:
                msg = f"{key_where} {key!r} stands twice in the same map, first in line {keys[key].line}"
                raise ConfigError(msg)
            values[key], keys[key] = value, key_where
        for other in merged:
            if not isinstance(other.value, dict):
                msg = f"{where} '<<' takes a map or a list of maps"
                raise ConfigError(msg)
            for key, value in other.value.items():
                values.setdefault(key, value)
                keys.setdefault(key, other.key_where(key))
        return Node(values, where, keys=keys)
