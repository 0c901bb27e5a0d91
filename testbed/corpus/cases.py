"""The cases: files of YAML, each with spans and what is done to them.

A file has a `span` (see `notation`) and `cases`. A case is a map:

    - name: a literal                          # unique in its file
      transform: [...]                         # `trace_statements`, in any of its forms
      span: {attributes: {a: 1}}               # on top of the span of the file

In place of `transform` there may be `statement` (one, for a span), `value` (an expression, which is put into the
attribute `o`), `condition` (which decides whether `o` is set), or `processors`, a list of maps from a type to its
settings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[2] / "tests" / "ottl"


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that is done to one span."""

    file: str
    name: str
    processors: list[Mapping[str, Any]]
    span: Mapping[str, Any]

    @property
    def id(self) -> str:
        """How it is called everywhere."""
        return f"{self.file}: {self.name}"


def load(folder: Path = FOLDER / "cases") -> list[Case]:
    """Read all files."""
    return [case for path in sorted(folder.glob("*.yaml")) for case in _read(path)]


def _read(path: Path) -> Iterator[Case]:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    for entry in document["cases"]:
        span = {**document.get("span", {}), **entry.get("span", {})}
        name, processors = _meaning(entry)
        yield Case(path.stem, entry.get("name", name), processors, span)


def _meaning(entry: Mapping[str, Any]) -> tuple[str, list[Mapping[str, Any]]]:
    if "processors" in entry:
        return entry["name"], entry["processors"]
    error_mode = entry.get("error_mode", "propagate")
    if "transform" in entry:
        return entry["name"], [{"transform": {"error_mode": error_mode, "trace_statements": entry["transform"]}}]
    if "value" in entry:
        name, statement = entry["value"], f'set(attributes["o"], {entry["value"]})'
    elif "condition" in entry:
        name, statement = entry["condition"], f'set(attributes["o"], true) where {entry["condition"]}'
    else:
        name = statement = entry["statement"]
    group = {"context": entry.get("context", "span"), "statements": [statement]}
    return name, [{"transform": {"error_mode": error_mode, "trace_statements": [group]}}]
