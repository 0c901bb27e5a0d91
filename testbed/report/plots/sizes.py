"""Figures by the size of requests, a panel for each pipeline: lines for what falls with the size, bars for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from testbed.report import numbers
from testbed.report.grid import Spread
from testbed.report.plots import canvas
from testbed.report.plots.canvas import Style

_COLUMNS = 3


@dataclass(frozen=True, slots=True)
class Point:
    """A subject at one size of requests."""

    subject: str
    spans: int
    spread: Spread | None
    status: str
    """What stands in the place of a figure that is missing."""


Panels = dict[str, list[Point]]
"""By what is above them."""


@canvas.look
def lines(panels: Panels, unit: str, titles: dict[str, str], styles: dict[str, Style]) -> Figure | None:
    """Draw both axes logarithmically; whiskers reach from the lowest round to the highest."""
    return _draw(panels, unit, titles, styles, bars=False)


@canvas.look
def bars(panels: Panels, unit: str, titles: dict[str, str], styles: dict[str, Style]) -> Figure | None:
    """Draw a bar from 0 for each subject, with its figure on top; whiskers as above."""
    return _draw(panels, unit, titles, styles, bars=True)


def _draw(panels: Panels, unit: str, titles: dict[str, str], styles: dict[str, Style], *, bars: bool) -> Figure | None:
    spreads = [point.spread for points in panels.values() for point in points if point.spread]
    if not spreads:
        return None
    subjects = list(dict.fromkeys(point.subject for points in panels.values() for point in points))
    columns = min(len(panels), _COLUMNS)
    rows = -(-len(panels) // columns)
    picture = canvas.figure(9.0 if columns > 1 else 5.4, 0.5 + 3.0 * rows)
    grid = picture.subplots(rows, columns, sharey=True, squeeze=False)
    for axes, (name, points) in zip(grid.flat, panels.items(), strict=False):
        if bars:
            _bars(axes, points, subjects, titles, styles)
        else:
            _lines(axes, points, subjects, titles, styles)
        axes.set_title(name)
        axes.set_xlabel("spans a request")
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    for first in grid[:, 0]:
        first.set_ylabel(unit)
    first = grid[0, 0]
    if bars:
        first.set_ylim(0, max(spread.high for spread in spreads) * 1.15)
        canvas.large(first.yaxis)
    else:
        first.set_ylim(
            max(min(spread.low for spread in spreads), 1e-3) / 1.3, max(spread.high for spread in spreads) * 1.3
        )
        for axes in grid.flat:
            canvas.logarithmic(axes)
    canvas.legend(picture, {titles[subject]: styles[subject] for subject in subjects}, marks=not bars)
    return picture


def _whiskers(spread: Spread) -> list[list[float]]:
    return [[spread.median - spread.low], [spread.high - spread.median]]


def _lines(
    axes: Axes, points: Sequence[Point], subjects: list[str], titles: dict[str, str], styles: dict[str, Style]
) -> None:
    spans = sorted({point.spans for point in points})
    axes.set_xscale("log")
    axes.set_xlim(spans[0] / 1.6, spans[-1] * 1.6)
    canvas.sizes(axes.xaxis, [float(size) for size in spans], spans)
    for at, subject in enumerate(subjects):
        style = styles[subject]
        # Side by side by a hair, so that no whisker hides another.
        aside = 1.03 ** (at - (len(subjects) - 1) / 2)
        own = sorted((point for point in points if point.subject == subject), key=lambda point: point.spans)
        drawn = [(point.spans * aside, point.spread) for point in own if point.spread]
        if not drawn:
            continue
        axes.plot(
            [place for place, _ in drawn],
            [spread.median for _, spread in drawn],
            color=style.colour,
            marker=style.marker,
            markersize=5,
            label=titles[subject],
        )
        for place, spread in drawn:
            axes.vlines(place, spread.low, spread.high, colors=style.colour, linewidth=1.0, label=titles[subject])


def _bars(
    axes: Axes, points: Sequence[Point], subjects: list[str], titles: dict[str, str], styles: dict[str, Style]
) -> None:
    spans = sorted({point.spans for point in points})
    width = 0.8 / len(subjects)
    axes.grid(visible=False, axis="x")
    canvas.sizes(axes.xaxis, [float(at) for at in range(len(spans))], spans)
    axes.set_xlim(-0.55, len(spans) - 0.45)
    for point in points:
        place = spans.index(point.spans) + (subjects.index(point.subject) - (len(subjects) - 1) / 2) * width
        style, title = styles[point.subject], titles[point.subject]
        if point.spread is None:
            axes.annotate(
                point.status,
                (place, 0),
                xytext=(0, 3),
                textcoords="offset points",
                rotation=90,
                ha="center",
                va="bottom",
                fontsize=7,
                color=style.colour,
            )
            continue
        axes.bar(place, point.spread.median, width * 0.9, color=style.colour, label=title)
        axes.errorbar(
            place, point.spread.median, _whiskers(point.spread), color=canvas.INK, linewidth=0.8, label="_spread"
        )
        axes.annotate(
            numbers.short(point.spread.median, 2),
            (place, point.spread.high),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=7,
        )
