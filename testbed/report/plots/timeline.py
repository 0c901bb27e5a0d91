"""A load over time: what was accepted and delivered, and resident memory below, all subjects in one picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from testbed.report.plots import canvas
from testbed.report.plots.canvas import QUIET, Style
from testbed.results import Event, Measurement, Sample

POINTS = 200
"""Of a line at most; more cannot be seen at this width."""
WIDTH = 9.0
ALIKE = 1.02
"""Loads that differ by less are the same."""
_FONT = 7.5


@canvas.look
def timeline(measurements: Sequence[Measurement], titles: dict[str, str], styles: dict[str, Style]) -> Figure | None:
    """Draw one round of each subject; none if nothing was sampled."""
    shown = [measurement for measurement in measurements if len(measurement.series) > 1]
    if not shown:
        return None
    picture = canvas.figure(WIDTH, 5.8)
    accepted, delivered, memory = picture.subplots(3, 1, sharex=True, height_ratios=[3, 2, 2])
    alike = _alike(shown)
    if alike:
        points = _thin(shown[0].series, lambda sample: sample.offered, _mean)
        accepted.fill_between(*zip(*points, strict=True), color=canvas.LOAD, linewidth=0, label="offered")
    for at, measurement in enumerate(shown):
        # Each is narrower than the one below it, so that lines that coincide are all seen.
        look = {"color": styles[measurement.subject].colour, "label": titles[measurement.subject]}
        width = 1.1 + 1.3 * (len(shown) - 1 - at) / max(1, len(shown) - 1)
        if not alike:
            points = _thin(measurement.series, lambda sample: sample.offered, _mean)
            accepted.plot(*zip(*points, strict=True), linewidth=1.3, linestyle=":", **look)
        points = _thin(measurement.series, lambda sample: sample.accepted, _mean)
        accepted.plot(*zip(*points, strict=True), linewidth=width, **look)
        points = _thin(measurement.series, lambda sample: sample.delivered, _mean)
        delivered.plot(*zip(*points, strict=True), linewidth=width, **look)
        points = _thin(measurement.series, lambda sample: sample.rss, max)
        memory.plot(*zip(*points, strict=True), linewidth=width, **look)
    accepted.set_ylabel("accepted, spans/s" if alike else "accepted, spans/s\n(dotted: offered)")
    delivered.set_ylabel("delivered, spans/s")
    memory.set_ylabel("RSS, MiB")
    memory.set_xlabel("seconds since the load began")
    for axes in (accepted, delivered, memory):
        axes.set_ylim(0, axes.get_ylim()[1])
        canvas.large(axes.yaxis)
    memory.set_xlim(min(one.series[0].t for one in shown), max(one.series[-1].t for one in shown))
    _mark(shown, accepted, delivered, memory)
    entries = {titles[one.subject]: styles[one.subject] for one in shown}
    canvas.legend(picture, entries, load=alike, marks=False)
    picture.align_ylabels()
    return picture


def _alike(shown: Sequence[Measurement]) -> bool:
    """Whether all were offered the same by the schedule, so that one area says it."""
    targets = [measurement.target_rate for measurement in shown]
    known = [target for target in targets if target is not None]
    return len(known) == len(targets) and max(known) <= min(known) * ALIKE


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _thin(
    series: Sequence[Sample], read: Callable[[Sample], float], fold: Callable[[Sequence[float]], float]
) -> list[tuple[float, float]]:
    """Fold neighbours, where there are more samples than a line can show. The last of them says when."""
    step = -(-len(series) // POINTS)
    chunks = [series[at : at + step] for at in range(0, len(series), step)]
    return [(round(chunk[-1].t, 2), fold([read(sample) for sample in chunk])) for chunk in chunks]


def events(shown: Sequence[Measurement]) -> list[Event]:
    """Join what happened to all subjects at about the same time, in the order of time."""
    seconds = max((measurement.series[-1].t for measurement in shown if measurement.series), default=0.0)
    joined: list[Event] = []
    for event in sorted((event for one in shown for event in one.events), key=lambda event: event.t):
        if not any(event.what == other.what and event.t - other.t <= seconds / 50 for other in joined):
            joined.append(event)
    return joined


def _mark(shown: Sequence[Measurement], *panels: Axes) -> None:
    """Draw events as lines through all panels, named above the first; a name is not written twice."""
    left, right = panels[0].get_xlim()
    scale = (right - left) / (WIDTH * 72 * 0.9)  # seconds a point, nearly
    ends: list[float] = []
    named: set[str] = set()
    for event in events(shown):
        for axes in panels:
            axes.axvline(event.t, color=QUIET, linewidth=0.9, linestyle=(0, (4, 3)), label="_event")
        if event.what in named:
            continue
        named.add(event.what)
        length = (len(event.what) + 2) * _FONT * 0.56 * scale
        start = min(event.t, right - length)
        row = next((row for row, end in enumerate(ends) if end <= start), len(ends))
        ends[row : row + 1] = [start + length]
        near_the_end = start < event.t
        panels[0].annotate(
            event.what,
            (event.t, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3 + row * _FONT * 1.3),
            textcoords="offset points",
            fontsize=_FONT,
            color="#666666",
            ha="right" if near_the_end else "left",
        )
