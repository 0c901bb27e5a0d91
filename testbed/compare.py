"""Two runs beside each other: what became worse, and what of that is more than chance.

Machines differ between runs and so do their days: processor time is compared in units of the calibration, if both runs
have one. All other figures are compared as they are, so both runs should come from the same kind of machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from testbed.report import numbers, tables
from testbed.report.grid import Case, Grid, Group, Spread
from testbed.report.metrics import (
    ACK_P50,
    ACK_P99,
    CPU,
    DUPLICATED,
    END_P99,
    GRAVE,
    PEAK,
    RATE,
    STARTUP,
    Metric,
)
from testbed.results import Result


@dataclass(frozen=True, slots=True)
class Bands:
    """By how much a figure may become worse before it is taken for more than noise, as a share of it."""

    cpu: float = 0.15
    """Moves by a tenth from run to run on shared cores; the calibration takes out less than all of it."""
    rate: float = 0.15
    """In a closed loop it is the inverse of the processor time."""
    memory: float = 0.20
    """Depends on when allocators give back pages, and on how large a batch happened to be at the peak."""
    latency: float = 0.50
    """Tails are made by few requests, and a busy neighbour doubles them."""
    startup: float = 0.50
    """A few hundred milliseconds, mostly of reading files that may or may not be cached."""
    duplicated: float = 0.50
    """How many spans were on the way when a connection broke is chance."""


class Verdict(StrEnum):
    """What a difference amounts to."""

    REGRESSION = "regression"
    IMPROVEMENT = "improvement"
    UNCHANGED = "unchanged"
    NEW = "new"
    """Not in the run before, so there is nothing to compare."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure of a subject in a case, before and after."""

    case: Case
    subject: str
    figure: str
    before: str
    after: str
    change: float | None
    """As a share of the figure before; none if that was 0, or is not a number."""
    verdict: Verdict
    note: str = ""


CALIBRATED = "CPU per span, in units of the calibration"
"""What the processor time is called where it was divided by that of parsing the same requests with protobuf."""

BANDS = Bands()
"""The bands to judge by, unless somebody knows better."""


def compare(before: Result, after: Result, bands: Bands = BANDS) -> list[Difference]:
    """Compare all groups of two runs. What was not measured again is a regression, since nobody knows."""
    old, new = Grid(before), Grid(after)
    measured = dict.fromkeys(
        (case, subject)
        for grid in (old, new)
        for case in grid.cases
        for subject in grid.subjects
        if grid.group(case, subject).measurements
    )
    found: list[Difference] = []
    for case, subject in measured:
        units = (_unit(before, case), _unit(after, case))
        found += _group(old.get(case, subject), new.get(case, subject), bands, units)
    return found


def _unit(result: Result, case: Case) -> float | None:
    """What parsing a span of such a request costs with protobuf."""
    for calibration in result.calibrations:
        if (calibration.profile, calibration.spans_per_request) == (case.profile, case.spans_per_request):
            return calibration.protobuf_us_per_span or None
    return None


def _group(before: Group, after: Group, bands: Bands, units: tuple[float | None, float | None]) -> Iterator[Difference]:
    yield _status(before, after)
    if not before.valid or not after.valid:
        return
    metrics = (
        (CPU, bands.cpu),
        (RATE, bands.rate),
        (PEAK, bands.memory),
        (ACK_P50, bands.latency),
        (ACK_P99, bands.latency),
        (END_P99, bands.latency),
        (STARTUP, bands.startup),
        (DUPLICATED, bands.duplicated),
        *((metric, 0.0) for metric in GRAVE),
    )
    for metric, band in metrics:
        old, new = before.spread(metric), after.spread(metric)
        name = metric.heading
        if metric is CPU and units[0] and units[1]:
            name, old, new = CALIBRATED, _divided(old, units[0]), _divided(new, units[1])
        if difference := _figure(before, (name, metric, band), old, new):
            yield difference


def _divided(spread: Spread | None, unit: float) -> Spread | None:
    return spread and Spread(spread.median / unit, spread.low / unit, spread.high / unit, spread.rounds)


def _status(before: Group, after: Group) -> Difference:
    worse = (before.valid and not after.valid) or (after.status == "failed" and before.status != "failed")
    better = (after.valid and not before.valid) or (before.status == "failed" and after.status != "failed")
    verdict = Verdict.UNCHANGED
    if not before.measurements:
        verdict = Verdict.NEW
    elif worse:
        verdict = Verdict.REGRESSION
    elif better:
        verdict = Verdict.IMPROVEMENT
    note = "; ".join(after.troubles)
    return Difference(before.case, before.subject, "status", before.status, after.status, None, verdict, note)


def _figure(
    group: Group, what: tuple[str, Metric, float], before: Spread | None, after: Spread | None
) -> Difference | None:
    name, metric, band = what
    if before is None and after is None:
        return None
    change, note = None, ""
    if before is None:
        verdict = Verdict.NEW
    elif after is None:
        verdict, note = Verdict.REGRESSION, "was not measured again"
    else:
        change = after.median / before.median - 1 if before.median else None
        verdict, note = _judge(metric, band, before, after)
    texts = (tables.spread(before, metric.write), tables.spread(after, metric.write))
    return Difference(group.case, group.subject, name, *texts, change, verdict, note)


def _judge(metric: Metric, band: float, before: Spread, after: Spread) -> tuple[Verdict, str]:
    """Judge by the median, which must leave the band and all rounds of the run before; a first fault always counts."""
    if metric in GRAVE and before.high == 0 < after.high:
        return Verdict.REGRESSION, "there was none before"
    if metric in GRAVE and after.high == 0 < before.high:
        return Verdict.IMPROVEMENT, ""
    higher = after.median > before.median * (1 + band) and after.median > before.high
    lower = after.median < before.median * (1 - band) and after.median < before.low
    if higher or lower:
        return (Verdict.IMPROVEMENT if higher == metric.more else Verdict.REGRESSION), f"band {band:.0%}"
    if after.median != before.median and abs(after.median - before.median) > band * before.median:
        return Verdict.UNCHANGED, "within what the rounds before differ by"
    return Verdict.UNCHANGED, ""


def table(differences: list[Difference]) -> str:
    """Write differences for people: regressions first, then improvements, then the rest."""
    order = list(Verdict)
    ranked = sorted(differences, key=lambda difference: order.index(difference.verdict))
    fields = tables.varying([difference.case for difference in ranked]) if ranked else []
    head = ["verdict", "subject", "case", "figure", "before", "after", "change", "note"]
    rows = [
        [
            it.verdict.value,
            it.subject,
            tables.place(it.case, ["scenario", *(field for field in fields if field != "scenario")]),
            it.figure,
            it.before,
            it.after,
            numbers.NOTHING if it.change is None else f"{it.change:+.0%}",
            it.note,
        ]
        for it in ranked
    ]
    widths = [max(len(row[at]) for row in [head, *rows]) for at in range(len(head))]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in [head, *rows]
    ]
    counts = ", ".join(f"{sum(it.verdict is verdict for it in ranked)} {verdict.value}" for verdict in order)
    lines += ["", f"{counts}."]
    if any(it.figure == CALIBRATED for it in ranked):
        lines += ["Processor time was divided by what parsing the same requests with protobuf cost in its own run."]
    if any(it.figure == CPU.heading for it in ranked):
        lines += ["Processor time in µs is as measured: not both runs have a calibration for that case."]
    return "\n".join(lines)
