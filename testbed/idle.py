"""`python -m testbed.idle`: how long a collector takes to start, and what it costs while nobody sends anything.

Processor time is that of all threads by the scheduler's own clock, in nanoseconds: ticks of 10 ms would be too coarse.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import click

from testbed.process import CollectorProcess

CONFIGURATION = Path(__file__).parents[1] / "collector.yaml"
_FREE_PORTS = (
    "receivers.otlp.protocols.grpc.endpoint=127.0.0.1:0",
    "receivers.otlp.protocols.http.endpoint=127.0.0.1:0",
    "extensions.health_check.endpoint=127.0.0.1:0",
    "service.telemetry.metrics.readers=[{pull: {exporter: {prometheus: {host: 127.0.0.1, port: 0}}}}]",
)


def _cpu(pid: int) -> float:
    """Seconds that all threads have run."""
    files = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(file.read_text(encoding="ascii").split()[0]) for file in files) / 1e9


def _once(settings: tuple[str, ...], seconds: float) -> tuple[float, float, float]:
    """Give seconds until it is ready, share of a core, and MiB."""
    overrides = (part for setting in (*_FREE_PORTS, *settings) for part in ("--set", setting))
    began = time.monotonic()
    with CollectorProcess(["--config", str(CONFIGURATION), *overrides]) as collector:
        ready = time.monotonic() - began
        time.sleep(1)  # until what starting left behind is done
        pid, before, then = collector.usage.pid, _cpu(collector.usage.pid), time.monotonic()
        time.sleep(seconds)
        share = (_cpu(pid) - before) / (time.monotonic() - then)
        return ready, share, collector.usage.memory_info().rss / (1 << 20)


@click.command(help="Start collector.yaml, with SETTINGS on top, some times, and leave it alone.")
@click.argument("settings", nargs=-1)
@click.option("--rounds", default=5, show_default=True)
@click.option("--seconds", default=5.0, show_default=True, help="How long it is left alone.")
def main(settings: tuple[str, ...], rounds: int, seconds: float) -> None:
    """Measure, and print the medians."""
    ready, share, rss = map(statistics.median, zip(*(_once(settings, seconds) for _ in range(rounds)), strict=True))
    click.echo(f"ready after {ready:.2f} s; idle: {share:.2%} of a core, {rss:.0f} MiB")


if __name__ == "__main__":
    main()
