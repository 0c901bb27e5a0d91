"""How the subjects stand on the whole: how many cells each peer is better in, and what was wrong with anybody."""

from __future__ import annotations

from collections import Counter, defaultdict

from testbed.report import numbers, tables
from testbed.report.document import Block, Items, Table, Text
from testbed.report.grid import Grid
from testbed.report.metrics import COMPARED
from testbed.report.standing import RULE, Cell, Default, Standing, cells, defaults, losses
from testbed.results import Spans, Status

_FAULTS = ("lost", "wrongly_kept", "leaked", "foreign", "duplicated")


def summary(grid: Grid) -> list[Block]:
    """Sum up a run."""
    statuses = Counter(measurement.status.value for measurement in grid.result.measurements)
    counted = ", ".join(f"{count} {status}" for status, count in statuses.items())
    blocks: list[Block] = [Text(f"{len(grid.result.measurements)} measurements: {counted or 'none'}.")]
    if len(grid.subjects) > 1:
        first = grid.title(grid.subjects[0])
        blocks += [Text(f"{first} beside each of the others, over all cases in which both have a figure:")]
        blocks += [_standings(grid)]
    blocks += [Text("Rounds that count, what they lost, and what the checks found, in all cases of a scenario:")]
    blocks += [_faults(grid)]
    return blocks


def _standings(grid: Grid) -> Table:
    first, *peers = grid.subjects
    found = cells(grid)
    rows = []
    for metric in COMPARED:
        for peer in peers:
            own = [cell for cell in found if cell.metric is metric and cell.peer.subject == peer]
            if own:
                counts = Counter(cell.standing for cell in own)
                ratios = [cell.ratio for cell in own if cell.ratio is not None and not metric.count]
                extent = f"{numbers.ratio(min(ratios))} to {numbers.ratio(max(ratios))}" if ratios else numbers.NOTHING
                standings = [str(counts[standing]) for standing in Standing]
                rows.append([metric.title, grid.title(peer), str(len(own)), *standings, extent])
    head = ["figure", "beside", "cases", *(f"{grid.title(first)} {standing.value}" for standing in Standing), "ratio"]
    return Table(head, rows, 2)


def _faults(grid: Grid) -> Table:
    rows = []
    for scenario in grid.scenarios:
        for subject in grid.subjects:
            groups = [grid.group(case, subject) for case in grid.of(scenario)]
            everything = [measurement for group in groups for measurement in group.measurements]
            valid = [measurement for group in groups for measurement in group.valid]
            # Who died may have lost spans before that.
            spans = [it.spans for it in everything if it.spans and it.status is not Status.INVALID]
            checks = Counter(finding.check for measurement in everything for finding in measurement.findings)
            troubles = "; ".join(dict.fromkeys(trouble for group in groups for trouble in group.troubles))
            rows.append(
                [
                    scenario,
                    grid.title(subject),
                    f"{len(valid)} of {len(everything)}",
                    *(_sum(spans, fault) for fault in _FAULTS),
                    ", ".join(f"{check} ({count})" for check, count in checks.items()),
                    troubles,
                ]
            )
    head = ["scenario", "subject", "rounds", *(fault.replace("_", " ") for fault in _FAULTS), "findings", "not counted"]
    return Table(head, rows, 2)


def _sum(spans: list[Spans], field: str) -> str:
    return numbers.count(sum(getattr(one, field) for one in spans)) if spans else numbers.NOTHING


def losing(grid: Grid) -> list[Block]:
    """Every cell in which the first subject is worse than another, with the figures; and where it has none to show."""
    first, *peers = grid.subjects
    title = grid.title(first)
    lost, missing = losses(grid), defaults(grid)
    if not peers:
        return [Text("There was nobody to compare with.")]
    if not lost and not missing:
        return [Text(f"{title} is not worse than any other subject in any case that was measured. {RULE}")]
    blocks: list[Block] = [
        Text(f"{title} is worse than another subject in {len(lost)} of {len(cells(grid))} comparisons. {RULE}")
    ]
    if lost:
        fields = tables.varying(grid.cases)
        head = [*tables.heads(fields), "figure", "beside", title, "the other", "ratio", "note"]
        rows = [_loss(grid, fields, cell) for cell in lost if not cell.metric.before_load]
        blocks.append(Table(head, [*rows, *_before_load(grid, fields, lost)], len(fields) + 2))
    if missing:
        blocks += [
            Text(f"{title} has nothing to show, or was found at fault, where another subject was not:"),
            Items([_default(grid, default) for default in missing]),
        ]
    return blocks


def _loss(grid: Grid, fields: list[str], cell: Cell) -> list[str]:
    metric = cell.metric
    if metric.count:
        figures = [f"{metric.write(spread.high)} in the worst round" for spread in (cell.ours, cell.theirs)]
    else:
        figures = [tables.spread(spread, metric.write) for spread in (cell.ours, cell.theirs)]
    ratio = numbers.NOTHING if cell.ratio is None or metric.count else numbers.ratio(cell.ratio)
    note = "within what the rounds differ by" if cell.within_spread else ""
    place = tables.labels(cell.own.case, fields)
    return [*place, metric.heading, grid.title(cell.peer.subject), *figures, ratio, note]


def _before_load(grid: Grid, fields: list[str], lost: list[Cell]) -> list[list[str]]:
    """A row, for the case in which it is worst, for each figure and peer: all cases measure the same thing."""
    found: dict[tuple[str, str], list[Cell]] = defaultdict(list)
    for cell in lost:
        if cell.metric.before_load:
            found[cell.metric.title, cell.peer.subject].append(cell)
    rows = []
    for cells_of in found.values():
        row = _loss(grid, fields, max(cells_of, key=lambda cell: cell.ratio or 0.0))
        rows.append([*row[:-1], f"before any load: the worst of {len(cells_of)} cases"])
    return rows


def _default(grid: Grid, default: Default) -> str:
    place = tables.place(default.own.case, tables.varying(grid.cases))
    return f"{place}, beside {grid.title(default.peer.subject)}: {default.what}"
