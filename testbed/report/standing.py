"""How the first subject stands beside each peer, cell by cell: where it is better, and where it loses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from testbed.report.grid import Grid, Group, Spread
from testbed.report.metrics import COMPARED, Metric

RULE = (
    "Medians over the valid rounds; a ratio is taken in each round and the median of those is given. Worse means a "
    "ratio that is off 1.00 on the wrong side once it is rounded to two places, however small the difference; where it "
    "lies within what the rounds differ by, a note says so. Counts of spans are judged by the worst round, since a "
    "median would hide a loss."
)


class Standing(StrEnum):
    """Which of two is better."""

    BETTER = "better"
    EQUAL = "equal"
    WORSE = "worse"


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure of two subjects in the same case."""

    metric: Metric
    own: Group
    peer: Group
    ours: Spread
    theirs: Spread
    ratio: float | None
    """Of ours to theirs, the median over pairs of rounds; none if theirs is 0 or no rounds pair."""

    @property
    def standing(self) -> Standing:
        """How we stand."""
        return _worse_or_better(*self._compared, more=self.metric.more)

    @property
    def _compared(self) -> tuple[float, float]:
        if self.metric.count:
            return self.ours.high, self.theirs.high
        if self.ratio is not None:
            return round(self.ratio, 2), 1.0
        return self.ours.median, self.theirs.median

    @property
    def within_spread(self) -> bool:
        """Whether rounds of one lie among rounds of the other, so that the difference may be chance."""
        return not self.metric.count and self.ours.overlaps(self.theirs)


def _worse_or_better(ours: float, theirs: float, *, more: bool) -> Standing:
    if ours == theirs:
        return Standing.EQUAL
    return Standing.BETTER if (ours > theirs) == more else Standing.WORSE


@dataclass(frozen=True, slots=True)
class Default:
    """Where we have nothing to show beside a peer that has, or were found at fault where it was not."""

    own: Group
    peer: Group
    what: str


def cells(grid: Grid, metrics: Sequence[Metric] = COMPARED) -> list[Cell]:
    """Compare the first subject with each peer wherever both have a figure."""
    found = []
    for case in grid.cases:
        own, *peers = grid.row(case)
        for metric in metrics:
            ours = own.spread(metric)
            for peer in peers:
                theirs = peer.spread(metric)
                if ours and theirs:
                    found.append(Cell(metric, own, peer, ours, theirs, own.ratio(metric, peer)))
    return found


def losses(grid: Grid) -> list[Cell]:
    """The cells in which we are worse."""
    return [cell for cell in cells(grid) if cell.standing is Standing.WORSE]


def defaults(grid: Grid) -> list[Default]:
    """What we lose without a figure: rounds that failed or do not count, and findings that a peer does not have."""
    found = []
    for case in grid.cases:
        own, *peers = grid.row(case)
        for peer in peers:
            if not peer.valid:
                continue
            if own.status == "failed" or not own.valid:
                found += [Default(own, peer, trouble) for trouble in own.troubles]
            theirs = {finding.check for measurement in peer.valid for finding in measurement.findings}
            for measurement in own.valid:
                found += [
                    Default(own, peer, f"round {measurement.round}, {finding.check}: {finding.message}")
                    for finding in measurement.findings
                    if finding.check not in theirs
                ]
    return found
