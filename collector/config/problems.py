"""What is wrong with a configuration, gathered so that one report says it all."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from collector.errors import ConfigError

if TYPE_CHECKING:
    from collector.config.document import Node

_SHORT = 4
"""Secrets are longer."""


@dataclass(frozen=True, slots=True)
class Where:
    """A place in a source."""

    source: str
    line: int | None = None

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One line of the report."""

    path: tuple[str, ...]
    message: str
    where: Where | None = None

    @property
    def order(self) -> tuple[str, int]:
        """Reports go through one source after the other, line by line."""
        return (self.where.source, self.where.line or 0) if self.where else ("", 0)

    def __str__(self) -> str:
        place = f"{self.where} " if self.where else ""
        path = f"{render(self.path)}: " if self.path else ""
        return f"{place}{path}{self.message}"


class Problems:
    """Gathers problems. Nothing is raised before everything was looked at."""

    def __init__(self) -> None:
        self._found: dict[str, Problem] = {}

    def add(self, path: Iterable[str], message: str, where: Where | None = None) -> None:
        """Note a problem. Saying the same twice is saying it once."""
        problem = Problem(tuple(path), message, where)
        self._found.setdefault(str(problem), problem)

    def __bool__(self) -> bool:
        return bool(self._found)

    def raise_if_any(self) -> None:
        """Raise a `ConfigError` whose text is the whole report."""
        if self._found:
            raise ConfigError("\n".join(sorted(self._found, key=lambda line: self._found[line].order)))


def render(path: Iterable[str]) -> str:
    """Write a path as reports do: `processors::batch::timeout`, `actions[2]::key`."""
    text = ""
    for step in path:
        text += step if step.startswith("[") or not text else f"::{step}"
    return text


def split(path: str) -> tuple[str, ...]:
    """Take apart what `render` put together."""
    return tuple(step for step in re.split(r"::|(?=\[\d+\])", path) if step)


def redact(message: str, node: Node) -> str:
    """Put the name of a reference wherever a message shows what it stood for, which may be a secret."""
    for leaf in node.leaves():
        if leaf.shown is None:
            continue
        words = {repr(leaf.value), str(leaf.value), leaf.text or ""} - {"", "''", "None"}
        for secret in sorted(words, key=len, reverse=True):
            # A short word may be part of the message itself; behind "got" it is the value.
            before = r"(?<!\w)" if len(secret) > _SHORT else r"(?<=got )"
            shown = leaf.shown
            message = re.sub(f"{before}{re.escape(secret)}(?!\\w)", lambda _: shown, message)  # noqa: B023
    return message


def guess(word: str, known: Iterable[str]) -> str:
    """Suggest the word that was probably meant: `; did you mean 'timeout'?`, or nothing."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""
