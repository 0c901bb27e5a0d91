"""The results in `docs/performance.md`: written from a run, between two marks, and nobody edits them by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from testbed.report import setting, tables
from testbed.report.content import absent
from testbed.report.document import Block, Heading, Items, Picture, Text
from testbed.report.grid import Case, Grid
from testbed.report.markdown import markdown
from testbed.report.metrics import ACK_P50, ACK_P99, CPU, END_P50, END_P99, PEAK, RATE
from testbed.report.pictures import closed, pictures
from testbed.report.plots import canvas
from testbed.report.rounds import findings
from testbed.report.summary import losing
from testbed.results import Result

BEGIN = "<!-- results: written by make testbed -->"
END = "<!-- end of results -->"
_FIELDS = ("offered", "accepted", "refused", "unanswered", "unsent", "delivered", "lost", "duplicated")


def update(text: str, generated: str) -> str:
    """Put the results between the marks. Raises `ValueError` if the marks are not there once each, in order."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError(f"the page must have one line '{BEGIN}' and after it one line '{END}'")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n\n{generated.strip()}\n\n{END}{after}"


def write(result: Result, page: Path) -> None:
    """Write the results into the page, and their plots beside it. Raises `OSError`, and `ValueError` without marks."""
    blocks = content(result)
    folder = page.with_suffix("")
    text = update(page.read_text(encoding="utf-8"), _written(blocks, folder.name))
    folder.mkdir(exist_ok=True)
    drawn = {f"{it.name}.svg": canvas.svg(it.figure, it.name) for it in blocks if isinstance(it, Picture)}
    for stale in folder.glob("*.svg"):
        if stale.name not in drawn:
            stale.unlink()
    for name, drawing in drawn.items():
        (folder / name).write_text(drawing, encoding="utf-8")
    page.write_text(text, encoding="utf-8")


def generated(result: Result, folder: str = "performance") -> str:
    """Write the results, with links to the plots in a folder."""
    return _written(content(result), folder)


def _written(blocks: Sequence[Block], folder: str) -> str:
    return markdown(blocks, lambda picture: f"{folder}/{picture.name}.svg")


def content(result: Result) -> list[Block]:
    """Put the results together."""
    grid = Grid(result)
    loops = [scenario for scenario in grid.scenarios if closed(grid, grid.of(scenario))]
    schedules = [scenario for scenario in grid.scenarios if scenario not in loops]
    blocks: list[Block] = [Heading("Beside other collectors"), *setting.setting(result)]
    for scenario in loops:
        blocks += _loop(grid, scenario)
    timed = [case for scenario in schedules for case in grid.of(scenario)]
    if timed:
        blocks += [Heading("Latency under a schedule", 3)]
        blocks += [tables.figures(grid, timed, (ACK_P50, ACK_P99, END_P50, END_P99))]
    for scenario in schedules:
        blocks += _schedule(grid, scenario)
    found = findings(grid, grid.cases)
    blocks += [Heading("What the checks found", 3)]
    blocks += [Items(found) if found else Text("Nothing wrong with anybody.")]
    blocks += [Heading("Where we lose", 3), *losing(grid)]
    blocks += [Heading("Absent, invalid, failed", 3), *absent(grid)]
    blocks += setting.definitions(3)
    return blocks


def _about(grid: Grid, scenario: str, cases: Sequence[Case]) -> Text:
    return Text(f"{setting.about(scenario)} {setting.conditions(grid, cases)}".strip())


def _loop(grid: Grid, scenario: str) -> list[Block]:
    cases = grid.of(scenario)
    blocks: list[Block] = [Heading(scenario.capitalize(), 3), _about(grid, scenario, cases), *pictures(grid, scenario)]
    for metric in (CPU, RATE, PEAK):
        blocks += [Text(f"{metric.heading}: {metric.definition}."), tables.comparison(grid, cases, metric)]
    return blocks


def _schedule(grid: Grid, scenario: str) -> list[Block]:
    cases = grid.of(scenario)
    blocks: list[Block] = [Heading(scenario.capitalize(), 3), _about(grid, scenario, cases), *pictures(grid, scenario)]
    blocks += [tables.accounting(grid, cases, tables.OUTCOME, _FIELDS)]
    return blocks
