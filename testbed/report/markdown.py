"""A document as Markdown."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable
from html import escape as html_escape

from testbed.report.document import Block, Code, Folded, Heading, Items, Picture, Table, Text, clean

_SPECIAL = re.compile(r"[\\`*\[\]~|]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_BEGINNING = re.compile(r"^([-+#=]|\d+(?=[.)](?:\s|$)))", re.MULTILINE)
WIDTH = 120


def markdown(blocks: Iterable[Block], picture: Callable[[Picture], str] | None = None) -> str:
    """Write a document. `picture` says where the file of a picture is; without it the captions are left out, too."""
    parts = []
    for block in blocks:
        match block:
            case Heading(text, level):
                parts.append(f"{'#' * level} {escape(text)}")
            case Text(text):
                parts.append(_filled(text))
            case Items(texts):
                parts.append("\n".join(_filled(text, "- ", "  ") for text in texts))
            case Table():
                parts.append(_table(block))
            case Folded(title, table):
                parts.append(_folded(title, _table(table)))
            case Code(title, text):
                parts.append(_folded(title, _fenced(text)))
            case Picture():
                if picture:
                    parts.append(
                        f"![{escape(block.caption.partition('.')[0])}]({picture(block)})\n\n{_filled(block.caption)}"
                    )
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Make plain text that shows as it is, on one line."""
    text = " ".join(clean(text).split())
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(lambda match: "\\" + match[0], text)


def _filled(text: str, first: str = "", others: str = "") -> str:
    lines = textwrap.wrap(escape(text), WIDTH - len(others), break_long_words=False, break_on_hyphens=False)
    # A line must not begin a list or a heading because of where the paragraph was broken.
    lines = [_BEGINNING.sub(lambda it: it[0] + "\\" if it[0].isdigit() else "\\" + it[0], line) for line in lines]
    return "\n".join((others if at else first) + line for at, line in enumerate(lines))


def _table(table: Table) -> str:
    marks = ["---" if at < table.labels else "--:" for at in range(len(table.head))]
    rows = [_row(map(escape, table.head)), "|" + "|".join(marks) + "|"]
    return "\n".join([*rows, *(_row(map(escape, row)) for row in table.rows)])


def _row(cells: Iterable[str]) -> str:
    return "".join(f"| {cell} " for cell in cells) + "|"


def _fenced(text: str) -> str:
    text = clean(text).rstrip("\n")
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"


def _folded(title: str, inner: str) -> str:
    return f"<details><summary>{html_escape(clean(title))}</summary>\n\n{inner}\n\n</details>"
