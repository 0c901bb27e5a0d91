"""A report before it is Markdown or HTML: headings, paragraphs, lists, tables, pictures and folded text.

All text is plain. What writes it escapes it, so that a subject's last words can do no harm.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from matplotlib.figure import Figure

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Heading:
    """Begins a section."""

    text: str
    level: int = 2


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True, slots=True)
class Items:
    """A list of sentences."""

    texts: list[str]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells under a head. Cells from the first `labels` on are figures, and stand to the right."""

    head: list[str]
    rows: list[list[str]]
    labels: int = 1
    """How many columns say what a row is about."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A plot with what is to be said about it."""

    name: str
    """Unique in the document, and fit for a file."""
    figure: Figure
    caption: str


@dataclass(frozen=True, slots=True)
class Code:
    """Text as it stands in a file or came from a program, folded under its title."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Folded:
    """A table that only some want to see."""

    title: str
    table: Table


Block: TypeAlias = Heading | Text | Items | Table | Picture | Code | Folded


def clean(text: str) -> str:
    """Take out what colours a terminal and other control characters; line ends and tabs stay."""
    return _CONTROLS.sub("", _ESCAPES.sub("", text.replace("\r\n", "\n")))


def slug(text: str) -> str:
    """Make a name that is fit for a file and for an anchor."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
