"""Every measurement as it was taken, whether it counts or not: what the other tables are made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from testbed.report import numbers, tables
from testbed.report.document import Code, Table
from testbed.report.grid import Case, Grid
from testbed.results import Measurement

_HEADS = (
    "subject",
    "round",
    "status",
    "µs a span",
    "user s",
    "system s",
    "accepted/s",
    "peak MiB",
    "peak PSS MiB",
    "startup s",
    "drain s",
    "load cores",
    "sink cores",
    "lag p99 ms",
    "answers",
)


def rounds(grid: Grid, cases: Sequence[Case]) -> Table:
    """A row for each measurement."""
    fields = tables.varying(cases)
    rows = [
        [*tables.labels(case, fields), *_row(grid.title(group.subject), measurement)]
        for case in cases
        for group in grid.row(case)
        for measurement in group.measurements
    ]
    return Table([*tables.heads(fields), *_HEADS], rows, len(fields) + 3)


def _row(title: str, of: Measurement) -> list[str]:
    cost, memory, effort = of.cost, of.memory, of.effort
    figures = [
        cost and cost.us_per_span,
        cost and cost.user_seconds,
        cost and cost.system_seconds,
        of.accepted_rate if of.spans else None,
        memory and memory.max,
        memory and memory.pss_max,
        of.startup_seconds,
        of.drain_seconds,
        effort and effort.load_cores,
        effort and effort.sink_cores,
        effort and effort.lag_p99,
    ]
    status = f"{of.status.value}: {of.reason}" if of.reason else of.status.value
    written = [numbers.short(figure) if isinstance(figure, (int, float)) else numbers.NOTHING for figure in figures]
    answers = ", ".join(f"{name} {numbers.count(count)}" for name, count in of.answers.items())
    return [title, str(of.round), status, *written, answers or numbers.NOTHING]


def findings(grid: Grid, cases: Sequence[Case]) -> list[str]:
    """What the checks found wrong, of all subjects and in all rounds, also those that do not count."""
    fields = tables.varying(cases)
    found = []
    for case in cases:
        for group in grid.row(case):
            for measurement in group.measurements:
                where = [grid.title(group.subject), tables.place(case, fields), f"round {measurement.round}"]
                if measurement.status.value != "ok":
                    where.append(measurement.status.value)
                found += [f"{', '.join(where)}: {it.check}: {it.message}" for it in measurement.findings]
    return found


def logs(grid: Grid, cases: Sequence[Case]) -> Iterator[Code]:
    """The last words of subjects that failed."""
    fields = tables.varying(cases)
    for case in cases:
        for group in grid.row(case):
            for measurement in group.measurements:
                if measurement.log:
                    place = f"{tables.place(case, fields)}, round {measurement.round}"
                    yield Code(f"Last lines of {grid.title(group.subject)}: {place}", "\n".join(measurement.log))
