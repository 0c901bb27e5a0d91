"""YAML with positions, read the way YAML 1.2 means it.

PyYAML knows YAML 1.1, where `yes` is true, `012` is ten, `1:30` is ninety and `2024-01-02` is a date, and it lets a
key stand twice. So it only composes the document here; scalars are resolved by this module, and every value keeps the
line it came from. Duplicate keys are errors; anchors, aliases and `<<` work.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

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
    """Where its key stands, or the value itself if it has none."""
    text: str | None = None
    """The value as it was written: what a string field gets when the value was substituted."""
    shown: str | None = None
    """What messages show in place of the value: `${env:NAME}`, since what it stands for may be a secret."""

    def plain(self) -> Any:
        """Give the value without positions."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def describe(self) -> str:
        """Say the value in a message."""
        if self.shown is not None:
            return f"{self.shown}, which is {self.lack}" if self.lack else self.shown
        if isinstance(self.value, dict):
            return "a map"
        if isinstance(self.value, list):
            return "a list"
        if self.value is None or isinstance(self.value, bool):
            return {None: "null", True: "true", False: "false"}[self.value]
        return repr(self.value)

    @property
    def lack(self) -> str:
        """Why a reference gave null: `not set` or `empty`; nothing if it gave a value."""
        if self.shown is None or self.value is not None:
            return ""
        return "not set" if self.text is None else "empty" if not self.text.strip() else "null"

    def key_where(self, key: str) -> Where:
        """Tell where a key of this map stands; without the key, the map."""
        node = self.value.get(key) if isinstance(self.value, dict) else None
        return node.where if node else self.where

    def find(self, steps: Iterable[str]) -> Node:
        """Go down to an option; where the path leads out of what was written, stop at what encloses it."""
        node = self
        for step in steps:
            inner: Node | None = None
            if isinstance(node.value, dict):
                inner = node.value.get(step)
            elif isinstance(node.value, list) and step[1:-1].isdigit() and int(step[1:-1]) < len(node.value):
                inner = node.value[int(step[1:-1])]
            if inner is None:
                break
            node = inner
        return node

    def leaves(self) -> Iterator[Node]:
        """All scalars in it."""
        inner = self.value.values() if isinstance(self.value, dict) else self.value
        if isinstance(inner, str) or not isinstance(inner, Iterable):
            yield self
            return
        for node in inner:
            yield from node.leaves()


class _Loader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):  # type: ignore[misc]
    """Composes documents. Of a plain scalar without a tag it only notes that it is one."""

    def resolve(self, kind: type[yaml.Node], value: str, implicit: tuple[bool, bool] | bool) -> str:
        if kind is yaml.ScalarNode:
            return _PLAIN if isinstance(implicit, tuple) and implicit[0] else _TAG + "str"
        return _TAG + ("map" if kind is yaml.MappingNode else "seq")


_PLAIN = "plain"
_TAG = "tag:yaml.org,2002:"
_RESOLVED = {_PLAIN, *(_TAG + name for name in ("null", "bool", "int", "float"))}
_TAGS = {*_RESOLVED, *(_TAG + name for name in ("str", "map", "seq"))}

_INT = re.compile(r"[-+]?[0-9]+(_[0-9]+)*")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, Scalar] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
    ".inf": float("inf"), ".Inf": float("inf"), "+.inf": float("inf"), "-.inf": float("-inf"), ".nan": float("nan"),
}  # fmt: skip


def resolve(text: str) -> Scalar:
    """Read a plain scalar by YAML 1.2's core schema, and `100_000`, which the Go collector takes for a number, too.

    A leading zero makes a number text: `0123` is an id, not 123.
    """
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


def parse(text: str, source: str, *, lines: bool = True) -> Node:
    """Read one document. Raises `ConfigError` with the place of whatever is not YAML.

    Without `lines`, places are the source alone: a line number says nothing about an argument of the command line.
    """
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark and lines else None
        column = f" (column {mark.column + 1})" if mark else ""
        raise ConfigError(f"{Where(source, line)} not valid YAML: {error.problem or error.context}{column}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{source} not valid YAML: {error}") from error
    if root is None:
        return Node(None, Where(source, 1 if lines else None), text="")
    reader = _Reader(source, lines)
    document = reader.read(root, 0)
    if reader.faults:
        raise ConfigError("\n".join(reader.faults))
    return document


class _Reader:
    """Turns PyYAML's nodes into ours. Gathers what can be passed over; raises what cannot."""

    def __init__(self, source: str, lines: bool) -> None:
        self.source = source
        self.lines = lines
        self.count = 0
        self.faults: list[str] = []

    def read(self, node: yaml.Node, depth: int) -> Node:
        where = self._where(node)
        self.count += 1
        if depth > MAX_DEPTH:
            raise ConfigError(f"{where} is nested too deeply")
        if self.count > MAX_NODES:
            raise ConfigError(f"{where} has too many values: an alias that repeats itself?")
        if node.tag not in _TAGS:
            self.faults.append(f"{where} unknown tag {node.tag!r}")
        if isinstance(node, yaml.ScalarNode):
            return Node(resolve(node.value) if node.tag in _RESOLVED else node.value, where, text=node.value)
        if isinstance(node, yaml.MappingNode):
            return self._map(node, where, depth)
        return Node([self.read(item, depth + 1) for item in node.value], where)

    def _map(self, node: yaml.MappingNode, where: Where, depth: int) -> Node:
        values: dict[str, Node] = {}
        merged: list[Node] = []
        for key_node, value_node in node.value:
            key_where = self._where(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                self.faults.append(f"{key_where} a key must be text")
                continue
            key = key_node.value
            value = replace(self.read(value_node, depth + 1), where=key_where)
            if key == "<<" and key_node.tag == _PLAIN:
                merged += value.value if isinstance(value.value, list) else [value]
            elif key in values:
                first = f", first in line {values[key].where.line}" if self.lines else ""
                self.faults.append(f"{key_where} {key!r} stands twice in the same map{first}")
            else:
                values[key] = value
        for other in merged:
            if not isinstance(other.value, dict):
                self.faults.append(f"{other.where} '<<' takes a map or a list of maps")
                continue
            for key, value in other.value.items():
                values.setdefault(key, value)
        return Node(values, where)

    def _where(self, node: yaml.Node) -> Where:
        return Where(self.source, node.start_mark.line + 1 if self.lines else None)
