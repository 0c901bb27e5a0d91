"""`make bench`: the kernel alone, then the whole process."""

from __future__ import annotations

import json
import os
import platform

import click

from testbed.bench import kernel, whole


def machine() -> dict[str, object]:
    """Say what the figures were measured on."""
    model = ""
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return {
        "processor": model or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
    }


@click.command(help="Measure what a span costs.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
@click.option("--seconds", default=5.0, show_default=True, help="Seconds of load at each size of requests.")
@click.option("--only", type=click.Choice(["kernel", "whole"]), help="Measure only one of the two.")
def main(as_json: bool, seconds: float, only: str | None) -> None:
    """Measure and print."""
    spans = [] if only == "whole" else kernel.measure()
    requests = [] if only == "kernel" else whole.measure(seconds)
    if as_json:
        result = {"machine": machine(), "kernel": kernel.as_json(spans), "whole": whole.as_json(requests)}
        print(json.dumps(result, indent=2))
        return
    print(*(f"{name}: {value}" for name, value in machine().items()), sep=", ")
    if spans:
        print("\n" + kernel.table(spans))
    if requests:
        print("\n" + whole.table(requests))


if __name__ == "__main__":
    main()
