"""What is wrong with a configuration, gathered so that one report says it all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from collector.errors import ConfigError


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
            raise ConfigError("\n".join(self._found))


def render(path: Iterable[str]) -> str:
    """Write a path as reports do: `processors::batch::timeout`, `actions[2]::key`."""
    text = ""
    for step in path:
        text += step if step.startswith("[") or not text else f"::{step}"
    return text


def guess(word: str, known: Iterable[str]) -> str:
    """Suggest the word that was probably meant: `; did you mean 'timeout'?`, or nothing."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""
