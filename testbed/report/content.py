"""What stands in a report, from the summary to every single round."""

from __future__ import annotations

from collections.abc import Sequence

from testbed.report import setting, tables
from testbed.report.document import Block, Folded, Heading, Items, Text
from testbed.report.grid import Case, Grid
from testbed.report.metrics import CPU, DRAIN, IDLE, MEAN, PEAK, RATE, SLOPE, STARTUP
from testbed.report.pictures import pictures
from testbed.report.rounds import findings, logs, rounds
from testbed.report.summary import losing, summary
from testbed.results import Result


def title(result: Result) -> str:
    """What a report is called."""
    return f"Testbed: {result.name}"


def content(result: Result) -> list[Block]:
    """Put a report together."""
    grid = Grid(result)
    blocks: list[Block] = [Heading(title(result), 1), Heading("Summary")]
    blocks += [*summary(grid)]
    if grid.subjects:
        blocks += [Heading(f"Where {grid.title(grid.subjects[0])} loses"), *losing(grid)]
    blocks += [Heading("Setting"), *setting.setting(result), *setting.configurations(result)]
    for scenario in grid.scenarios:
        blocks += _scenario(grid, scenario)
    blocks += [Heading("Absent, invalid, failed"), *absent(grid)]
    blocks += setting.definitions()
    return blocks


def _scenario(grid: Grid, scenario: str) -> list[Block]:
    cases = grid.of(scenario)
    blocks: list[Block] = [Heading(scenario)]
    if said := setting.about(scenario):
        blocks.append(Text(said))
    blocks += [Text(setting.conditions(grid, cases)), *pictures(grid, scenario)]
    for metric in (CPU, RATE, PEAK):
        blocks += [Heading(metric.heading, 3), tables.comparison(grid, cases, metric)]
    blocks += [Heading("Spans", 3), tables.accounting(grid, cases)]
    blocks += latencies(grid, cases)
    blocks += [Heading("Memory, startup and drain", 3)]
    blocks += [tables.figures(grid, cases, (IDLE, MEAN, PEAK, SLOPE, STARTUP, DRAIN))]
    found = findings(grid, cases)
    blocks += [Heading("Findings", 3), Items(found) if found else Text("The checks found nothing wrong with anybody.")]
    blocks += [Folded("Every round", rounds(grid, cases)), *logs(grid, cases)]
    return blocks


def latencies(grid: Grid, cases: Sequence[Case]) -> list[Block]:
    """The tables of both kinds of latency, where somebody has one."""
    valid = [measurement for case in cases for group in grid.row(case) for measurement in group.valid]
    blocks: list[Block] = []
    if any(measurement.acknowledgement for measurement in valid):
        blocks += [Heading("Latency of the acknowledgement", 3)]
        blocks += [tables.latencies(grid, cases, lambda it: it.acknowledgement)]
    if any(measurement.end_to_end for measurement in valid):
        blocks += [Heading("Latency end to end", 3), tables.latencies(grid, cases, lambda it: it.end_to_end)]
    return blocks


def absent(grid: Grid) -> list[Block]:
    """Everything without a figure, and why."""
    table = tables.troubles(grid)
    return [table] if table.rows else [Text("Everything was measured, and every round counts.")]
