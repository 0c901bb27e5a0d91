"""Substitution: `${env:NAME}`, `${env:NAME:-default}`, `${NAME}`, `${file:path}`, `${yaml:text}` and `$$`.

It happens after the YAML is parsed, as in the Go collector: quotes around a reference change nothing, and what a
variable holds can add values, but never break the document around it. A value that is one reference takes the type of
what it stands for, and keeps the original text for fields that want a string.

References are read from left to right, and `$$` is a dollar sign wherever it stands. (The Go collector stops at the
first `$${`, and replaces equal references together, escaped ones included.)
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace

from collector.config.document import Node, parse
from collector.config.problems import Problems, Where
from collector.config.sources import read_file
from collector.errors import ConfigError

MAX_DEPTH = 100
"""How far references may lead to each other."""
MAX_WORK = 100_000
"""How many references are followed in all: values of variables that name each other twice would double each time."""
MAX_TEXT = 1 << 24
"""How many characters references may bring in all."""

_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*):(.*)", re.DOTALL)
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class _Unresolvable(Exception):
    """A reference that leads nowhere; the text says why."""


class _Reference(str):
    """What stands between `${` and `}`."""

    __slots__ = ()


class Expander:
    """Replaces references in a tree of values. Map keys stay as they are."""

    def __init__(self, problems: Problems, notices: list[str], environ: Mapping[str, str] | None = None) -> None:
        self.problems = problems
        self.notices = notices
        self.environ = os.environ if environ is None else environ
        self._work = MAX_WORK
        self._text = MAX_TEXT

    def expand(self, node: Node, path: tuple[str, ...] = ()) -> Node:
        """Give the tree with every reference replaced. What cannot be replaced is a problem."""
        if isinstance(node.value, dict):
            return replace(node, value={key: self.expand(item, (*path, key)) for key, item in node.value.items()})
        if isinstance(node.value, list):
            return replace(node, value=[self.expand(item, (*path, f"[{i}]")) for i, item in enumerate(node.value)])
        try:
            return self._scalar(node, 0)
        except _Unresolvable as error:
            self.problems.add(path, str(error), node.where)
            return node

    def _tree(self, node: Node, depth: int) -> Node:
        """Expand what a reference stands for."""
        if isinstance(node.value, dict):
            return replace(node, value={key: self._tree(item, depth) for key, item in node.value.items()})
        if isinstance(node.value, list):
            return replace(node, value=[self._tree(item, depth) for item in node.value])
        return self._scalar(node, depth)

    def _scalar(self, node: Node, depth: int) -> Node:
        if not isinstance(node.value, str) or "$" not in node.value:
            return node
        parts = _parts(node.value)
        if len(parts) == 1 and isinstance(parts[0], _Reference):
            return self._whole(parts[0], node.where, depth)
        shown = node.value if any(isinstance(part, _Reference) for part in parts) else None
        text = "".join(self._string(part, node.where, depth) for part in parts)
        return replace(node, value=text, text=text, shown=node.shown or shown)

    def _string(self, part: str, where: Where, depth: int) -> str:
        """The text of a piece between other pieces."""
        return self._whole(part, where, depth).text or "" if isinstance(part, _Reference) else part

    def _text_of(self, text: str, where: Where, depth: int) -> str:
        return "".join(self._string(part, where, depth) for part in _parts(text)) if "$" in text else text

    def _whole(self, reference: _Reference, where: Where, depth: int) -> Node:
        """What a value that is one reference stands for."""
        self._work -= 1
        if depth >= MAX_DEPTH or self._work < 0:
            raise _Unresolvable(f"${{{reference}}} leads to too many other references; does it lead to itself?")
        shown = f"${{{reference}}}"
        text, file = self._look_up(reference, where, depth + 1)
        if text is None:
            return Node(None, where, shown=shown)
        self._text -= len(text)
        if self._text < 0:
            raise _Unresolvable(f"{shown} brings more text than any configuration needs")
        try:
            node = parse(text, file or str(where))
        except ConfigError:
            node = Node(text, where)
        if isinstance(node.value, str):
            # Text is taken as it stands, with its quotes and line breaks; a file may end its line.
            text = text.removesuffix("\n") if file else text
            value = self._scalar(Node(text, where, text=text), depth + 1)
            return replace(value, where=where, shown=shown)
        node = _marked(self._tree(node, depth + 1), None if file else where, shown)
        return replace(node, where=where, text=self._text_of(text, where, depth + 1))

    def _look_up(self, reference: str, where: Where, depth: int) -> tuple[str | None, str]:
        """Find the text that a reference stands for, and the file that it comes from."""
        match = _SCHEME.fullmatch(reference)
        # Without a scheme it is a variable; a default has to be asked for by scheme.
        scheme, opaque = (match[1], match[2]) if match else ("env", reference)
        if (match is None and ":-" in opaque) or (scheme != "env" and opaque.startswith("-")):
            raise _Unresolvable(f"${{{reference}}}: a default needs the prefix 'env:': write ${{env:{reference}}}")
        if scheme == "env":
            return self._env(opaque, where, depth, defaults=bool(match)), ""
        if scheme == "yaml":
            return self._text_of(opaque, where, depth), ""
        if scheme == "file":
            path = self._text_of(opaque, where, depth)
            try:
                return read_file(path), path
            except ConfigError as error:
                raise _Unresolvable(f"${{{reference}}}: {error}") from error
        raise _Unresolvable(f"${{{reference}}}: unknown scheme {scheme!r}; there are env, file and yaml")

    def _env(self, opaque: str, where: Where, depth: int, *, defaults: bool) -> str | None:
        before, default = _split_default(opaque) if defaults else (opaque, None)
        name = self._text_of(before, where, depth)
        if not _NAME.fullmatch(name):
            raise _Unresolvable(f"{before!r} cannot be the name of an environment variable")
        if name in self.environ:
            return self.environ[name]
        if default is None:
            self.notices.append(f"{where} the environment variable {name} is not set: null is taken in its place")
        return default


def _parts(text: str) -> list[str]:
    """Cut the text into literal pieces and references."""
    parts: list[str] = []
    literal, at = "", 0
    while (dollar := text.find("$", at)) >= 0:
        literal += text[at:dollar]
        at = dollar + 1
        if text.startswith("$", at):
            literal += "$"
            at += 1
        elif text.startswith("{", at) and (end := _closing(text, at + 1)) is not None:
            if literal:
                parts.append(literal)
            literal = ""
            parts.append(_Reference(text[at + 1 : end]))
            at = end + 1
        else:
            literal += "$"
    literal += text[at:]
    if literal or not parts:
        parts.append(literal)
    return parts


def _closing(text: str, at: int) -> int | None:
    """Find the brace that closes a reference, over nested ones."""
    depth = 1
    for mark in re.compile(r"\$\{|\}").finditer(text, at):
        depth += 1 if mark[0] == "${" else -1
        if depth == 0:
            return mark.start()
    return None


def _split_default(text: str) -> tuple[str, str | None]:
    """Part the name of a variable from its default, over references in the name."""
    depth = 0
    for mark in re.finditer(r"\$\{|\}|:-", text):
        if mark[0] != ":-":
            depth += 1 if mark[0] == "${" else -1
        elif depth == 0:
            return text[: mark.start()], text[mark.end() :]
    return text, None


def _marked(node: Node, where: Where | None, shown: str) -> Node:
    """Mark all that a reference brought; with `where`, as standing at the place of the reference."""
    value = node.value
    if isinstance(value, dict):
        value = {key: _marked(item, where, shown) for key, item in value.items()}
    elif isinstance(value, list):
        value = [_marked(item, where, shown) for item in value]
    return replace(node, value=value, where=where or node.where, shown=shown)
