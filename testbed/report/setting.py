"""What a run was taken on, of and with: the machine, the versions, the load, and what each figure means."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from statistics import median

from testbed.report import numbers, tables
from testbed.report.document import Block, Code, Heading, Items, Table, Text
from testbed.report.grid import Case, Grid
from testbed.report.metrics import COMPARED
from testbed.report.plots.timeline import ALIKE
from testbed.results import Measurement, Result
from testbed.scenarios import SCENARIOS


def setting(result: Result) -> list[Block]:
    """Say what it was measured on."""
    machine = result.machine
    subjects = [
        [subject.title, subject.version or numbers.NOTHING, f"absent: {subject.absent}" if subject.absent else ""]
        for subject in result.subjects.values()
    ]
    blocks: list[Block] = [
        Items(
            [
                f"Machine: {machine.processor}, {machine.cores} cores, {machine.memory / 1024:.0f} GiB of memory",
                f"System: {machine.system}, Python {machine.python}",
                f"Pinning: {machine.pinning}",
                f"Date: {result.began}, {_duration(result.seconds)}",
                f"Revision: {result.revision}",
                f"To get it again: {shlex.join(result.command)}",
            ]
        ),
        Table(["subject", "version", ""], subjects, 3),
    ]
    if result.calibrations:
        rows = [
            [it.profile, str(it.spans_per_request), numbers.significant(it.protobuf_us_per_span)]
            for it in result.calibrations
        ]
        blocks += [
            Text("A yardstick for this machine: parsing the same requests with Python's protobuf (upb)."),
            Table(["profile", "spans a request", "µs a span"], rows, 1),
        ]
    return blocks


def configurations(result: Result) -> list[Block]:
    """The files that configured the subjects."""
    return [Code(path, text) for path, text in sorted(result.configurations.items())]


def definitions(level: int = 2) -> list[Block]:
    """Say what each figure means."""
    return [
        Heading("What the figures mean", level),
        Items([f"{metric.heading}: {metric.definition}." for metric in COMPARED]),
        Text(
            "Figures are medians over the valid rounds, with the lowest and the highest round in brackets. Counts of "
            "spans are means over the valid rounds, so that offered = accepted + refused + unanswered + unsent holds "
            "for them, too; the warm-up is included, and each span is looked up by its id. Subjects take turns: all "
            "have their first round before any has its second. A ratio is taken between the same rounds of two "
            "subjects, and the median of the rounds is given: 0.36x means 0.36 times the other's figure. A round in "
            "which the testbed itself was at a limit is invalid, and does not count."
        ),
    ]


def about(name: str) -> str:
    """Say in a sentence what a scenario is; of one that is not known any more there is nothing to say."""
    known = SCENARIOS.get(name)
    return f"{known.title[:1].upper()}{known.title[1:]}." if known else ""


def conditions(grid: Grid, cases: Sequence[Case]) -> str:
    """Say in a sentence how the load of a scenario was made."""
    all_of = [measurement for case in cases for group in grid.row(case) for measurement in group.measurements]
    parts = [
        _listed("pipeline", [case.pipeline for case in cases]),
        _listed("settings", [case.settings for case in cases]),
        _listed("profile", [case.profile for case in cases]),
        _listed("protocol", [case.protocol for case in cases]),
        _listed("compression", [case.compression for case in cases]),
        _listed("spans a request", [str(case.spans_per_request) for case in cases]),
        _range("bytes a request", all_of, lambda it: it.request_bytes),
        _range("connections", all_of, lambda it: it.connections),
        _range("requests in flight", all_of, lambda it: it.in_flight),
        _range("seconds of load", all_of, lambda it: it.seconds or None),
        _range("spans/s by the schedule", all_of, lambda it: it.target_rate),
    ]
    return "; ".join(part for part in parts if part) + "." + _own_rates(grid, cases)


def _own_rates(grid: Grid, cases: Sequence[Case]) -> str:
    """Say who was offered what, where it is not the same for all: then what was accepted says little by itself."""
    fields, sentences = tables.varying(cases), []
    for case in cases:
        rates = {group.subject: [it.target_rate for it in group.valid if it.target_rate] for group in grid.row(case)}
        medians = {subject: median(values) for subject, values in rates.items() if values}
        if medians and max(medians.values()) > ALIKE * min(medians.values()):
            listed = ", ".join(f"{grid.title(name)} {numbers.short(rate)} spans/s" for name, rate in medians.items())
            sentences.append(f" Each had a load of its own ({tables.place(case, fields)}): {listed}.")
    return "".join(sentences)


def _listed(name: str, values: Sequence[str]) -> str:
    return f"{name}: {', '.join(dict.fromkeys(values))}"


def _range(name: str, measurements: Sequence[Measurement], read: Callable[[Measurement], float | None]) -> str:
    values = [value for value in map(read, measurements) if value is not None]
    if not values:
        return ""
    low, high = numbers.short(min(values)), numbers.short(max(values))
    return f"{name}: {low}" if low == high else f"{name}: {low} to {high}"


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"
