"""Progress for the person who waits: a line for each measurement, and, on a terminal, what is going on in it."""

from __future__ import annotations

import shutil
import sys

import click

from testbed.measuring.driving import Watch
from testbed.results import Measurement, Status


class Terminal:
    """Prints to the standard error stream: standard output is for results."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._head = ""

    def begins(self, number: int, total: int, title: str) -> Watch:
        """Show what is measured next, and give what shows how it goes."""
        self._head = f"[{number:>{len(str(total))}}/{total}] {title}"
        self._show("")
        return self._show

    def _show(self, words: str) -> None:
        if self._live:
            line = f"{self._head}: {words}" if words else self._head
            click.echo(f"\r\x1b[K{line[: shutil.get_terminal_size().columns - 1]}", nl=False, err=True)

    def ends(self, measurement: Measurement) -> None:
        """Show what came of it."""
        click.echo(("\r\x1b[K" if self._live else "") + f"{self._head}: {summary(measurement)}", err=True)
        for line in measurement.log:
            click.echo(f"    | {line}", err=True)
        for finding in measurement.findings:
            click.echo(f"    ! {finding.check}: {finding.message}", err=True)

    def interrupted(self) -> None:
        """Leave the line that was being written."""
        click.echo("", err=True)


def summary(measurement: Measurement) -> str:
    """Say in a line what came of a measurement."""
    if measurement.status != Status.OK:
        return f"{measurement.status}: {measurement.reason}"
    words = [f"{measurement.accepted_rate:,.0f} spans/s"]
    if measurement.cost:
        words.append(f"{measurement.cost.us_per_span:.2f} µs a span")
    if measurement.memory:
        words.append(f"{measurement.memory.max:.0f} MiB")
    if measurement.acknowledgement:
        words.append(f"p99 {measurement.acknowledgement.p99:,.1f} ms")
    if measurement.effort and not measurement.cost:
        effort = measurement.effort
        words.append(f"load {effort.load_cores:.2f} and sink {effort.sink_cores:.2f} cores")
    if measurement.spans:
        words.append(f"{measurement.spans.lost:,} lost")
    return ", ".join(words)
