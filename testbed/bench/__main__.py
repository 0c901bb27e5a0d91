"""`make bench`: the kernel alone, beside a yardstick."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict

import click

from testbed.bench import kernel, routing, traces
from testbed.machine import processor


@click.command(help="Measure what a span costs in the kernel.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def main(as_json: bool) -> None:
    """Measure and print."""
    machine = {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
    }
    tables = {
        "kernel, 512 spans": kernel.measure(),
        "OTTL, one more statement": kernel.measure_statements(),
        "redaction": kernel.measure_redaction(),
        f"routing, {routing.BACKENDS} backends": kernel.measure_routing(),
        "span metrics": kernel.measure_span_metrics(),
    }
    if as_json:
        figures = {title.partition(",")[0].lower(): kernel.as_json(table) for title, table in tables.items()}
        print(json.dumps({"machine": machine, **figures, "traces": asdict(traces.measure())}, indent=2))
        return
    print(*(f"{name}: {value}" for name, value in machine.items()), sep=", ")
    for title, table in tables.items():
        print("\n" + kernel.table(table, title))
    print("\n" + traces.table(traces.measure()))


if __name__ == "__main__":
    main()
