"""Tables of a result. A group without figures keeps its row, with the reason in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from testbed.report import numbers
from testbed.report.document import Table
from testbed.report.grid import Case, Grid, Group, Spread
from testbed.report.metrics import ACK_P99, DRAIN, END_P99, PEAK, Metric
from testbed.report.numbers import NOTHING
from testbed.results import Latency, Measurement, Spans

ABSENT = "absent"
_WORDS = {"spans_per_request": "spans a request"}


def varying(cases: Sequence[Case]) -> list[str]:
    """The fields in which cases differ, which are what a table of them names; the size of requests in any case."""
    fields = [field for field in Case._fields if len({getattr(case, field) for case in cases}) > 1]
    return fields if "spans_per_request" in fields else [*fields, "spans_per_request"]


def labels(case: Case, fields: Sequence[str]) -> list[str]:
    """What a case is called beside others."""
    return [str(getattr(case, field)) for field in fields]


def place(case: Case, fields: Sequence[str]) -> str:
    """What a case is called in a sentence."""
    words = zip(fields, labels(case, fields), strict=True)
    return ", ".join(f"{label} {_WORDS[field]}" if field in _WORDS else label for field, label in words)


def heads(fields: Sequence[str]) -> list[str]:
    """What the columns of these fields are called."""
    return [_WORDS.get(field, field) for field in fields]


def spread(figure: Spread | None, write: Callable[[float], str] = numbers.significant) -> str:
    """Write the median, with the lowest and the highest round behind it."""
    if figure is None:
        return NOTHING
    median, low, high = write(figure.median), write(figure.low), write(figure.high)
    return median if low == high else f"{median} ({low} to {high})"


def cell(group: Group, metric: Metric) -> str:
    """Write a figure of a group, and why rounds are missing from it. Why somebody is absent stands elsewhere."""
    figure = group.spread(metric)
    if not group.valid and group.troubles and group.troubles[0].startswith(ABSENT):
        return ABSENT
    parts = [spread(figure, metric.write)] if figure or group.valid else []
    return "; ".join([*parts, *group.troubles] if group.measurements or not group.valid else parts)


def comparison(grid: Grid, cases: Sequence[Case], metric: Metric) -> Table:
    """One figure: a row for each case, a column for each subject, and the ratio of the first to each other one."""
    fields = varying(cases)
    first, *peers = grid.subjects
    ratios = {peer: [grid.group(case, first).ratio(metric, grid.group(case, peer)) for case in cases] for peer in peers}
    # A column for who is not there at all would be empty.
    ratios = {peer: column for peer, column in ratios.items() if any(ratio is not None for ratio in column)}
    head = [*heads(fields), *map(grid.title, grid.subjects)]
    head += [f"{grid.title(first)} / {grid.title(peer)}" for peer in ratios]
    rows = []
    for at, case in enumerate(cases):
        figures = [cell(group, metric) for group in grid.row(case)]
        own = [column[at] for column in ratios.values()]
        written = [NOTHING if ratio is None else numbers.ratio(ratio) for ratio in own]
        rows.append([*labels(case, fields), *figures, *written])
    return Table(head, rows, len(fields))


def _tall(grid: Grid, cases: Sequence[Case], columns: Sequence[str], write: Callable[[Group], Sequence[str]]) -> Table:
    """A row for each subject in each case. One without a valid round has the reason in its first figure."""
    fields = varying(cases)
    rows = []
    for case in cases:
        for group in grid.row(case):
            name = [*labels(case, fields), grid.title(group.subject)]
            troubles = "; ".join(group.troubles)
            if group.valid:
                rows.append([*name, *write(group), troubles])
            else:
                rows.append([*name, *[NOTHING] * len(columns), troubles])
    head = [*heads(fields), "subject", *columns, "not counted"]
    if not any(row[-1] for row in rows):
        head, rows = head[:-1], [row[:-1] for row in rows]
    return Table(head, rows, len(fields) + 1)


def mean(group: Group, field: str) -> float | None:
    """Count some spans in a round, on average: unlike a median, that shows what was lost in one round of three."""
    counts = [getattr(measurement.spans, field) for measurement in group.valid if measurement.spans]
    return sum(counts) / len(counts) if counts else None


def accounting(
    grid: Grid, cases: Sequence[Case], metrics: Sequence[Metric] = (), fields: Sequence[str] = Spans.__struct_fields__
) -> Table:
    """What became of the spans of a round, and figures beside it."""

    def write(group: Group) -> list[str]:
        means = [mean(group, field) for field in fields]
        counts = [NOTHING if value is None else numbers.count(value) for value in means]
        return [str(len(group.valid)), *counts, *(spread(group.spread(metric), metric.write) for metric in metrics)]

    heads = ["rounds", *(field.replace("_", " ") for field in fields), *(metric.heading for metric in metrics)]
    return _tall(grid, cases, heads, write)


def figures(grid: Grid, cases: Sequence[Case], metrics: Sequence[Metric]) -> Table:
    """Several figures of each subject."""
    heads = [metric.heading for metric in metrics]
    return _tall(grid, cases, heads, lambda group: [spread(group.spread(metric), metric.write) for metric in metrics])


def latencies(grid: Grid, cases: Sequence[Case], which: Callable[[Measurement], Latency | None]) -> Table:
    """The percentiles of one kind of latency."""
    names = {"p50": "p50", "p90": "p90", "p99": "p99", "p999": "p99.9", "max": "max"}

    def metric(field: str) -> Metric:
        def read(measurement: Measurement) -> float | None:
            latency = which(measurement)
            return None if latency is None else float(getattr(latency, field))

        return Metric(names[field], "ms", "", read)

    return figures(grid, cases, [metric(field) for field in names])


OUTCOME = (PEAK, ACK_P99, END_P99, DRAIN)
"""What stands beside the accounting of a burst or an overload."""


def troubles(grid: Grid) -> Table:
    """Everything that was absent, invalid or failed: who, why, and where."""
    fields = varying(grid.cases)
    places: dict[tuple[str, str], list[str]] = defaultdict(list)
    for case in grid.cases:
        for group in grid.row(case):
            for trouble in group.troubles:
                places[grid.title(group.subject), trouble].append(place(case, fields))
    rows = [
        [title, trouble, "everywhere" if len(where) == len(grid.cases) else "; ".join(where)]
        for (title, trouble), where in places.items()
    ]
    return Table(["subject", "what", "where"], rows, 3)
