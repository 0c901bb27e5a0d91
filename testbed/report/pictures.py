"""Which pictures a scenario is shown by, with a caption that names whoever is missing from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from matplotlib.figure import Figure

from testbed.report import tables
from testbed.report.document import Picture, slug
from testbed.report.grid import Case, Grid, Group
from testbed.report.metrics import CPU, PEAK, Metric
from testbed.report.plots import canvas, sizes
from testbed.report.plots.percentiles import percentiles
from testbed.report.plots.sizes import Panels, Point
from testbed.report.plots.timeline import timeline
from testbed.results import Measurement

Draw = Callable[[Sequence[Measurement], dict[str, str], dict[str, canvas.Style]], Figure | None]


def pictures(grid: Grid, scenario: str) -> list[Picture]:
    """Draw what a scenario is about: sizes of requests in a closed loop, and time and latency under a schedule."""
    cases = grid.of(scenario)
    found: list[Picture] = []
    if closed(grid, cases):
        found += _by_size(grid, scenario, cases, CPU, sizes.lines)
        found += _by_size(grid, scenario, cases, PEAK, sizes.bars)
        return found
    for case in cases:
        found += _over_time(grid, case, cases)
    return found


def closed(grid: Grid, cases: Sequence[Case]) -> bool:
    """Whether clients waited for answers, so that time and latency show the clients as much as the subject."""
    measurements = [measurement for case in cases for group in grid.row(case) for measurement in group.valid]
    return all(measurement.target_rate is None for measurement in measurements)


def _by_size(
    grid: Grid,
    scenario: str,
    cases: Sequence[Case],
    metric: Metric,
    draw: Callable[[Panels, str, dict[str, str], dict[str, canvas.Style]], Figure | None],
) -> Iterator[Picture]:
    fields = [field for field in tables.varying(cases) if field != "spans_per_request"]
    shown = [subject for subject in grid.subjects if any(grid.group(case, subject).valid for case in cases)]
    panels: Panels = {}
    for case in cases:
        points = panels.setdefault(tables.place(case, fields) or case.pipeline, [])
        for subject in shown:
            group = grid.group(case, subject)
            points.append(Point(subject, case.spans_per_request, group.spread(metric), group.status))
    figure = draw(panels, metric.heading, _titles(grid), canvas.styles(grid.subjects))
    if figure:
        caption = f"{metric.title} by size of requests: {metric.definition}. Medians; whiskers reach from the lowest "
        caption += f"to the highest round.{missing(grid, cases)}"
        yield Picture(slug(f"{scenario} {metric.title}"), figure, caption)


def _over_time(grid: Grid, case: Case, cases: Sequence[Case]) -> Iterator[Picture]:
    fields = tables.varying(cases) if len(cases) > 1 else []
    name = " ".join([case.scenario, *tables.labels(case, fields)])
    shown = [group.typical for group in grid.row(case)]
    typical = [measurement for measurement in shown if measurement]
    chosen = "Of each subject the round in the middle by CPU per span."
    about = f" ({tables.place(case, fields)})" if fields else ""
    plots: tuple[tuple[str, Draw, str], ...] = (
        ("over time", timeline, "spans accepted and delivered, and resident memory, over time"),
        (
            "latency",
            percentiles,
            "latency by percentile, of the acknowledgement and end to end, from the moment a request was due",
        ),
    )
    for what, draw, caption in plots:
        figure = draw(typical, _titles(grid), canvas.styles(grid.subjects))
        if figure:
            said = f"{case.scenario}{about}: {caption}. {chosen}{missing(grid, [case])}"
            yield Picture(slug(f"{name} {what}"), figure, said[:1].upper() + said[1:])


def missing(grid: Grid, cases: Sequence[Case]) -> str:
    """Say who has no figure in any, or in some, of the cases."""
    sentences = []
    for subject in grid.subjects:
        empty: list[Group] = [group for case in cases if not (group := grid.group(case, subject)).valid]
        if not empty:
            continue
        reasons = "; ".join(dict.fromkeys(trouble for group in empty for trouble in group.troubles))
        where = "Not shown" if len(empty) == len(cases) else f"Not shown in {len(empty)} of {len(cases)} cases"
        sentences.append(f" {where}: {grid.title(subject)} ({reasons}).")
    return "".join(sentences)


def _titles(grid: Grid) -> dict[str, str]:
    return {subject: grid.title(subject) for subject in grid.subjects}
