"""Substitution: `${env:NAME}`, `${env:NAME:-default}`, `${NAME}`, `${file:path}`, `${yaml:text}` and `$$`.

It happens after the YAML is parsed, as in the Go collector: quotes around a reference change nothing. A value that is
one reference takes the type of what it stands for, and keeps the original text for fields that want a string.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from collector.config.document import Node, parse
from collector.config.problems import Problems, Where
from collector.errors import ConfigError

MAX_DEPTH = 100
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]+):(.*)", re.DOTALL)
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class _Unresolvable(Exception):
    """A reference that leads nowhere; the text says why."""


class Expander:
    """Replaces references in a tree of values. Map keys stay as they are."""

    def __init__(self, problems: Problems, notices: list[str], environ: Mapping[str, str] | None = None) -> None:
        self.problems = problems
        self.notices = notices
        self.environ = os.environ if environ is None else environ

    def expand(self, node: Node, path: tuple[str, ...] = ()) -> Node:
        """Give the tree with every reference replaced. What cannot be replaced is a problem."""
        if isinstance(node.value, dict):
            return replace(node, value={key: self.expand(item, (*path, key)) for key, item in node.value.items()})
        if isinstance(node.value, list):
            return replace(node, value=[self.expand(item, (*path, f"[{i}]")) for i, item in enumerate(node.value)])
        if not isinstance(node.value, str) or "$" not in node.value:
            return node
        try:
            return self._scalar(node.value, node, 0)
        except _Unresolvable as error:
            self.problems.add(path, str(error), node.where)
            return node

    def _scalar(self, text: str, node: Node, depth: int) -> Node:
        if depth > MAX_DEPTH:
            msg = f"references lead to each other more than {MAX_DEPTH} times"
            raise _Unresolvable(msg)
        parts = self._parts(text)
        if len(parts) == 1 and isinstance(parts[0], _Reference):
            return self._whole(parts[0], node, depth)
        shown = text if any(isinstance(part, _Reference) for part in parts) else None
        joined = "".join(part if isinstance(part, str) else self._whole(part, node, depth).text or "" for part in parts)
        return Node(joined, node.where, text=joined, shown=shown)

    def _whole(self, reference: _Reference, node: Node, depth: int) -> Node:
        inner = self._scalar(reference.inner, node, depth + 1).text or "" if "$" in reference.inner else reference.inner
        shown = f"${{{reference.inner}}}"
        text = self._look_up(inner, node.where)
        if text is None:
            return Node(None, node.where, text="", shown=shown)
        if "$" in text:
            text = self._scalar(text, node, depth + 1).text or ""
        return _typed(text, node.where, shown)

    @staticmethod
    def _parts(text: str) -> list[str | _Reference]:
        """Cut the text into literal pieces and references."""
        parts: list[str | _Reference] = []
        literal, at = "", 0
        while at < len(text):
            if text.startswith("$$", at):
                literal += "$"
                at += 2
            elif text.startswith("${", at) and (end := _closing(text, at + 2)) is not None:
                if literal:
                    parts.append(literal)
                literal = ""
                parts.append(_Reference(text[at + 2 : end]))
                at = end + 1
            else:
                literal += text[at]
                at += 1
        if literal or not parts:
            parts.append(literal)
        return parts

    def _look_up(self, reference: str, where: Where) -> str | None:
        match = _SCHEME.fullmatch(reference)
        scheme, opaque = (match[1], match[2]) if match else ("env", reference)
        if scheme == "env":
            return self._env(opaque, where)
        if scheme == "yaml":
            return opaque
        if scheme == "file":
            try:
                return Path(opaque).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                msg = f"cannot read the file of ${{{reference}}}: {error}"
                raise _Unresolvable(msg) from error
        if opaque.startswith("-"):
            msg = f"a default needs the prefix 'env:': write ${{env:{reference}}}"
            raise _Unresolvable(msg)
        msg = f"${{{reference}}}: no source {scheme!r}; there are env, file and yaml"
        raise _Unresolvable(msg)

    def _env(self, opaque: str, where: Where) -> str | None:
        name, has_default, default = opaque.partition(":-")
        if not _NAME.fullmatch(name):
            msg = f"{name!r} cannot be the name of an environment variable"
            raise _Unresolvable(msg)
        if name in self.environ:
            return self.environ[name]
        if has_default:
            return default
        self.notices.append(f"{where} the environment variable {name} is not set: its value is taken as null")
        return None


class _Reference:
    """What stands between `${` and `}`."""

    __slots__ = ("inner",)

    def __init__(self, inner: str) -> None:
        self.inner = inner


def _closing(text: str, at: int) -> int | None:
    """Find the brace that closes a reference, over nested ones."""
    depth = 1
    while at < len(text):
        if text.startswith("${", at):
            depth += 1
            at += 2
            continue
        if text[at] == "}":
            depth -= 1
            if depth == 0:
                return at
        at += 1
    return None


def _typed(text: str, where: Where, shown: str) -> Node:
    """Read the text of a variable or file as YAML; what is not YAML is a string."""
    try:
        node = parse(text, str(where))
    except ConfigError:
        return Node(text, where, text=text, shown=shown)
    if isinstance(node.value, dict | list):
        return _marked(replace(node, text=text), where, shown)
    return replace(node, where=where, text=node.text if node.text is not None else text, shown=shown)


def _marked(node: Node, where: Where, shown: str) -> Node:
    """Let everything inside a substituted map or list stand at the place of the reference."""
    if isinstance(node.value, dict):
        value: dict[str, Node] | list[Node] = {key: _marked(item, where, shown) for key, item in node.value.items()}
    elif isinstance(node.value, list):
        value = [_marked(item, where, shown) for item in node.value]
    else:
        return replace(node, where=where, shown=shown)
    return replace(node, value=value, where=where, keys=None, shown=shown)
