"""A result by what can be compared: cases are its rows, subjects its columns, and a group of rounds each cell."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple, Self

from testbed.report.metrics import CPU, Metric
from testbed.results import Measurement, Result, Status

OURS = "spanmill"
TROUBLE = re.compile(r"^(.*; )?(rounds? [\d, ]+ )?(invalid|failed|absent|not measured)\b")
"""Finds a cell that speaks of measurements that do not count."""


class Case(NamedTuple):
    """What all subjects are put through alike, and what makes two measurements comparable."""

    scenario: str
    pipeline: str
    settings: str
    profile: str
    protocol: str
    compression: str
    spans_per_request: int

    @classmethod
    def of(cls, measurement: Measurement) -> Self:
        """Read the case of a measurement."""
        return cls(*(getattr(measurement, field) for field in cls._fields))


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over the rounds that are valid."""

    median: float
    low: float
    high: float
    rounds: int

    def overlaps(self, other: Spread) -> bool:
        """Whether some round of one lies between rounds of the other, or the two have no more than a round each."""
        single = self.rounds == other.rounds == 1
        return not single and self.low <= other.high and other.low <= self.high


@dataclass(frozen=True, slots=True)
class Group:
    """All rounds of a subject in a case."""

    case: Case
    subject: str
    measurements: tuple[Measurement, ...]
    missing: str = "not measured"
    """Why there are none, if there are none."""

    @property
    def valid(self) -> list[Measurement]:
        """The rounds whose figures count."""
        return [measurement for measurement in self.measurements if measurement.status is Status.OK]

    @property
    def status(self) -> str:
        """`failed` if any round did, `ok` if any is valid, and otherwise why there is nothing to compare."""
        found = {measurement.status for measurement in self.measurements}
        for status in (Status.FAILED, Status.OK, Status.INVALID, Status.ABSENT):
            if status in found:
                return status.value
        return "missing"

    def spread(self, metric: Metric) -> Spread | None:
        """Sum up a figure over the valid rounds; none if no round has it."""
        values = [value for value in map(metric.read, self.valid) if value is not None]
        return Spread(median(values), min(values), max(values), len(values)) if values else None

    def ratio(self, metric: Metric, peer: Group) -> float | None:
        """Divide by a peer's figure in the same round, and take the median; none without a round to pair."""
        theirs = {measurement.round: metric.read(measurement) for measurement in peer.valid}
        ratios = []
        for measurement in self.valid:
            own, other = metric.read(measurement), theirs.get(measurement.round)
            if own is not None and other:
                ratios.append(own / other)
        return median(ratios) if ratios else None

    @property
    def typical(self) -> Measurement | None:
        """The valid round in the middle by CPU per span, for a plot; the first if they have none."""
        priced = [(cost, measurement) for measurement in self.valid if (cost := CPU.read(measurement)) is not None]
        if not priced:
            return next(iter(self.valid), None)
        priced.sort(key=lambda pair: pair[0])
        return priced[(len(priced) - 1) // 2][1]

    @property
    def troubles(self) -> list[str]:
        """Sentences about the rounds that do not count: `rounds 1, 2 invalid: the sink was busy`."""
        if not self.measurements:
            return [self.missing]
        rounds: dict[tuple[str, str], list[int]] = defaultdict(list)
        for measurement in self.measurements:
            if measurement.status is not Status.OK:
                rounds[measurement.status.value, measurement.reason].append(measurement.round)
        sentences = []
        for (status, reason), which in rounds.items():
            said = f"{status}: {reason}" if reason else status
            partial = len(which) < len(self.measurements)
            listed = ", ".join(map(str, sorted(which)))
            sentences.append(f"{'rounds' if len(which) > 1 else 'round'} {listed} {said}" if partial else said)
        return sentences


class Grid:
    """All groups of a result, also the empty ones: a subject that is not there has a cell that says why."""

    def __init__(self, result: Result) -> None:
        self.result = result
        rounds: dict[tuple[Case, str], list[Measurement]] = defaultdict(list)
        for measurement in result.measurements:
            rounds[Case.of(measurement), measurement.subject].append(measurement)
        self.cases = list(dict.fromkeys(case for case, _ in rounds))
        names = dict.fromkeys([*result.subjects, *(subject for _, subject in rounds)])
        self.subjects = sorted(names, key=lambda name: name != OURS)
        """Ours first, which is what the others are related to; then in the order of the result."""
        self._groups = {
            (case, subject): Group(
                case,
                subject,
                tuple(sorted(rounds.get((case, subject), ()), key=lambda measurement: measurement.round)),
                self._missing(subject),
            )
            for case in self.cases
            for subject in self.subjects
        }

    def _missing(self, subject: str) -> str:
        known = self.result.subjects.get(subject)
        return f"absent: {known.absent}" if known and known.absent else "not measured"

    @property
    def scenarios(self) -> list[str]:
        """In the order in which they ran."""
        return list(dict.fromkeys(case.scenario for case in self.cases))

    def of(self, scenario: str) -> list[Case]:
        """The cases of a scenario."""
        return [case for case in self.cases if case.scenario == scenario]

    def group(self, case: Case, subject: str) -> Group:
        """The rounds of a subject in a case."""
        return self._groups[case, subject]

    def get(self, case: Case, subject: str) -> Group:
        """The same, of a case or a subject that need not be in the result."""
        return self._groups.get((case, subject)) or Group(case, subject, (), self._missing(subject))

    def row(self, case: Case) -> list[Group]:
        """The groups of all subjects in a case."""
        return [self._groups[case, subject] for subject in self.subjects]

    def title(self, subject: str) -> str:
        """What a subject is called among people."""
        known = self.result.subjects.get(subject)
        return known.title if known else subject
