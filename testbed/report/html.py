"""A document as one HTML file that needs nothing else: its style and its pictures are inside."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path

from testbed.report.document import Block, Code, Folded, Heading, Items, Picture, Table, Text, clean, slug
from testbed.report.grid import TROUBLE
from testbed.report.plots import canvas

_STYLE = Path(__file__).with_name("style.css")


def html(title: str, blocks: Iterable[Block]) -> str:
    """Write a document."""
    blocks = list(blocks)
    # Nothing may be fetched or run, whatever got into the text.
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_text(title)}</title>",
        f"<style>\n{_STYLE.read_text(encoding='utf-8')}</style>",
        "</head>",
        "<body>",
        _contents(blocks),
        "<main>",
        *map(_block, blocks),
        "</main>",
        "</body>",
        "</html>",
    ]
    return "\n".join(parts) + "\n"


def _text(text: str) -> str:
    return escape(clean(text))


def _contents(blocks: list[Block]) -> str:
    sections = [block.text for block in blocks if isinstance(block, Heading) and block.level == 2]
    links = (f'<a href="#{slug(text)}">{_text(text)}</a>' for text in sections)
    return f"<nav>{' '.join(links)}</nav>"


def _block(block: Block) -> str:
    match block:
        case Heading(text, level):
            anchor = f' id="{slug(text)}"' if level == 2 else ""
            return f"<h{level}{anchor}>{_text(text)}</h{level}>"
        case Text(text):
            return f"<p>{_text(text)}</p>"
        case Items(texts):
            return "<ul>" + "".join(f"<li>{_text(text)}</li>" for text in texts) + "</ul>"
        case Table():
            return _table(block)
        case Folded(title, table):
            return f"<details><summary>{_text(title)}</summary>{_table(table)}</details>"
        case Code(title, text):
            return f"<details><summary>{_text(title)}</summary><pre>{_text(text)}</pre></details>"
        case Picture(name, figure, caption):
            drawing = canvas.svg(figure, name)
            role = f'<svg role="img" aria-label="{_text(caption)}"'
            drawing = drawing.replace("<svg", role, 1)
            return f"<figure>{drawing}<figcaption>{_text(caption)}</figcaption></figure>"


def _table(table: Table) -> str:
    head = "".join(f"<th{_side(table, at)}>{_text(cell)}</th>" for at, cell in enumerate(table.head))
    rows = ["<tr>" + "".join(_cell(table, at, cell) for at, cell in enumerate(row)) + "</tr>" for row in table.rows]
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _cell(table: Table, at: int, cell: str) -> str:
    if TROUBLE.search(cell):
        return f'<td class="trouble">{_text(cell)}</td>'
    return f"<td{_side(table, at)}>{_text(cell)}</td>"


def _side(table: Table, at: int) -> str:
    return "" if at < table.labels else ' class="figure"'
