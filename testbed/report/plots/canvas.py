"""What all plots share: one look, one colour and mark per subject, and SVG that is the same every time."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from testbed.report import numbers

INK = "#333333"
QUIET = "#8a8a8a"
"""Of what belongs to no subject: axes and events."""
LOAD = "#d9d9d9"

LOOK: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": QUIET,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "svg.fonttype": "none",  # text stays text: small, searchable, and read aloud
    "svg.hashsalt": "spanmill",  # else names within the file are drawn by lot
    "text.color": INK,
    "text.parse_math": False,  # a dollar is a dollar
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
}
look = mpl.rc_context(LOOK)
"""Decorates whatever draws or saves: matplotlib reads its settings at both times."""


@dataclass(frozen=True, slots=True)
class Style:
    """How a subject is told from the others, in colour and without."""

    colour: str
    marker: str


# Okabe and Ito's palette, which people with any kind of colour vision can tell apart.
_KNOWN = {
    "spanmill": Style("#0072b2", "o"),
    "gocollector": Style("#d55e00", "s"),
    "rotel": Style("#009e73", "^"),
}
_OTHERS = (Style("#cc79a7", "D"), Style("#e69f00", "v"), Style("#56b4e9", "P"), Style("#000000", "X"))


def styles(subjects: Iterable[str]) -> dict[str, Style]:
    """Give each subject its style. Unknown ones take turns by name, so that all plots of a result agree."""
    names = list(subjects)
    unknown = sorted(set(names) - _KNOWN.keys())
    turns = {name: _OTHERS[turn % len(_OTHERS)] for turn, name in enumerate(unknown)}
    return {name: _KNOWN.get(name) or turns[name] for name in names}


def figure(width: float, height: float) -> Figure:
    """Begin a picture, in inches."""
    return Figure(figsize=(width, height), layout="constrained", facecolor="white", dpi=72)


def legend(picture: Figure, entries: dict[str, Style], *, load: bool = False, marks: bool = True) -> None:
    """Write one legend above everything: lines with the subjects' marks, or patches of their colours."""
    handles: list[Line2D | Patch] = [
        Line2D([], [], color=style.colour, marker=style.marker, markersize=5, label=title)
        if marks
        else Patch(color=style.colour, label=title)
        for title, style in entries.items()
    ]
    if load:
        handles.append(Patch(color=LOAD, label="offered"))
    picture.legend(handles=handles, loc="outside upper center", ncols=len(handles), fontsize=9)


def large(axis: Axis) -> None:
    """Write the ticks of an axis as 100k."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: numbers.short(value)))


def logarithmic(axes: Axes) -> None:
    """Make the upright axis logarithmic, with ticks that people can read: 1, 2, 5, 10 over few decades, else 1, 10."""
    low, high = axes.get_ylim()
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    few = high / low < 300
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if few else (1.0,)))
    axes.yaxis.set_minor_locator(NullLocator())
    large(axes.yaxis)


def sizes(axis: Axis, places: list[float], spans: list[int]) -> None:
    """Put a tick where each size of requests stands."""
    axis.set_major_locator(FixedLocator(places))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda _, at: str(spans[at]) if at is not None else ""))


@look
def svg(picture: Figure, name: str) -> str:
    """Draw a picture as an `svg` element that may share a page with others: its ids begin with the name."""
    # Laying out begins from what is there, so a second time would move everything by a hair.
    picture.draw_without_rendering()
    picture.set_layout_engine("none")
    buffer = io.StringIO()
    picture.savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    text = buffer.getvalue()
    text = text[text.index("<svg") :].rstrip() + "\n"
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', text))

    def rename(match: re.Match[str]) -> str:
        return f' id="{name}-{match[1]}"' if match[1] in used else ""

    text = re.sub(r' id="([^"]*)"', rename, text)
    return re.sub(r'(href="#|url\(#)', rf"\1{name}-", text)
