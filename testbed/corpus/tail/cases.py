"""The cases: files of YAML, each a list of configurations of `tail_sampling` with a name.

`policy` stands for `policies` with one, called `p`. All other keys are options of the processor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[3] / "tests" / "data" / "tail_sampling"


@dataclass(frozen=True, slots=True)
class Case:
    """One configuration."""

    name: str
    options: Mapping[str, Any]


def load(file: str) -> list[Case]:
    """Read a file: `decisions` or `refusals`."""
    document = yaml.safe_load((FOLDER / f"{file}.yaml").read_text(encoding="utf-8"))
    return [Case(entry["name"], options(entry)) for entry in document]


def options(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the processor in an entry."""
    given = {key: value for key, value in entry.items() if key != "name"}
    if "policy" in given:
        given["policies"] = [{"name": "p", **given.pop("policy")}]
    return given
