"""Latencies by percentile: every further nine has as much room as the one before, as the tail is what hurts."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter

from testbed.report.plots import canvas
from testbed.report.plots.canvas import Style
from testbed.results import Latency, Measurement

_TICKS = {0.0: "0", 50.0: "50", 90.0: "90", 99.0: "99", 99.9: "99.9", 100.0: "max"}
_MAX = 4.0
"""Where the maximum stands, which has no place on a scale of nines."""


@canvas.look
def percentiles(measurements: Sequence[Measurement], titles: dict[str, str], styles: dict[str, Style]) -> Figure | None:
    """Draw one round of each subject: acknowledgement on the left, end to end on the right; none without latencies."""
    shown = [one for one in measurements if one.acknowledgement or one.end_to_end]
    if not shown:
        return None
    picture = canvas.figure(9.0, 3.6)
    left, right = picture.subplots(1, 2, sharey=True)
    lowest, highest = math.inf, 0.0
    for axes, name in ((left, "acknowledgement"), (right, "end to end")):
        for measurement in shown:
            latency = measurement.acknowledgement if axes is left else measurement.end_to_end
            if latency is None:
                continue
            points = places(latency)
            style = styles[measurement.subject]
            axes.plot(*zip(*points, strict=True), color=style.colour, label=titles[measurement.subject])
            place, value = points[-1]
            axes.plot(place, value, style.marker, color=style.colour, markersize=5, label=titles[measurement.subject])
            lowest, highest = min(lowest, points[0][1]), max(highest, value)
        axes.set_title(name)
        axes.set_xlabel("percentile")
        axes.set_xlim(0, _MAX + 0.1)
        axes.xaxis.set_major_locator(FixedLocator([nines(percentile) for percentile in _TICKS]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda _, at: list(_TICKS.values())[at or 0]))
    left.set_ylim(lowest / 1.3, highest * 1.3)
    left.set_ylabel("milliseconds")
    canvas.logarithmic(left)
    canvas.legend(picture, {titles[one.subject]: styles[one.subject] for one in shown})
    return picture


def nines(percentile: float) -> float:
    """Count the nines of a percentile: 90 has one, 99 two, and the maximum its own place behind 99.9."""
    return _MAX if percentile >= 100 else -math.log10(1 - percentile / 100)


def places(latency: Latency) -> list[tuple[float, float]]:
    """The points of a curve in the picture: those of the summary, if there are no others."""
    summary = [
        (50.0, latency.p50),
        (90.0, latency.p90),
        (99.0, latency.p99),
        (99.9, latency.p999),
    ]
    # A logarithm has no place for 0, and beyond 99.99 there is only the maximum.
    inner = [(nines(percentile), max(ms, 1e-3)) for percentile, ms in latency.curve or summary if percentile < 99.99]
    return [*sorted(inner), (_MAX, max(latency.max, 1e-3))]
