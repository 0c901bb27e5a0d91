"""What happened over time: the reports of the engines and the samples of the subject on one time axis."""

from __future__ import annotations

import bisect
import statistics
from collections.abc import Sequence

from testbed.measuring.engine import Event
from testbed.measuring.usage import Reading
from testbed.results import Memory, Sample

PAUSE = 0.25
"""Seconds between samples of a series."""
_MOST_POINTS = 120
"""For the trend of the memory, whose cost grows with their square."""


def series(zero: float, load: Sequence[Event], sink: Sequence[Event], readings: Sequence[Reading]) -> list[Sample]:
    """Rates and memory, from the first reading to the last, with `zero` (seconds since 1970) as the beginning."""
    if not readings:
        return []
    counted = {
        name: _Curve([(event["t"], event["totals"][name]) for event in load])
        for name in ("offered", "accepted", "refused")
    }
    counted["delivered"] = _Curve([(event["t"], event["counts"]["delivered"]) for event in sink])
    cpu = _Curve([(reading.t, reading.cpu) for reading in readings])
    rss = _Curve([(reading.t, reading.rss) for reading in readings])
    samples = []
    before = readings[0].t
    while (now := before + PAUSE) <= readings[-1].t:
        rates = {name: (curve.at(now) - curve.at(before)) / PAUSE for name, curve in counted.items()}
        cores = (cpu.at(now) - cpu.at(before)) / PAUSE
        rounded = {name: round(rate, 1) for name, rate in rates.items()}
        samples.append(Sample(t=round(now - zero, 3), rss=round(rss.at(now), 2), cpu=round(cores, 3), **rounded))
        before = now
    return samples


class _Curve:
    """Values at some times, with straight lines between them."""

    def __init__(self, points: Sequence[tuple[float, float]]) -> None:
        self._times = [t for t, _ in points]
        self._values = [value for _, value in points]

    def at(self, t: float) -> float:
        behind = bisect.bisect(self._times, t)
        if behind == 0:
            return self._values[0] if self._values else 0.0
        if behind == len(self._times):
            return self._values[-1]
        before, after = self._times[behind - 1], self._times[behind]
        share = (t - before) / (after - before)
        return self._values[behind - 1] * (1 - share) + self._values[behind] * share


def memory(idle: float, readings: Sequence[Reading], begin: float, end: float) -> Memory:
    """Statistics of the readings of a load from `begin` to `end`, and of the draining behind it."""
    values = sorted(reading.rss for reading in readings) or [idle]
    shared = [reading.pss for reading in readings if reading.pss is not None]
    middle = (begin + end) / 2
    return Memory(
        idle=round(idle, 2),
        mean=round(statistics.fmean(values), 2),
        p95=round(values[min(len(values) - 1, int(0.95 * len(values)))], 2),
        max=round(values[-1], 2),
        variance=round(statistics.pvariance(values), 3),
        slope=round(60 * trend([(reading.t, reading.rss) for reading in readings if middle <= reading.t <= end]), 3),
        pss_max=round(max(shared), 2) if shared else None,
    )


def trend(points: Sequence[tuple[float, float]]) -> float:
    """The median of the slopes between all pairs of points (Theil-Sen): a few outliers do not move it."""
    points = points[:: len(points) // _MOST_POINTS + 1]
    slopes = [
        (b - a) / (after - before)
        for index, (before, a) in enumerate(points)
        for after, b in points[index + 1 :]
        if after > before
    ]
    return statistics.median(slopes) if slopes else 0.0
