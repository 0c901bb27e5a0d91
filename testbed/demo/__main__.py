"""`make demo`: some seconds of traffic, then what became of it.

Options: `--endpoint` (default: OTEL_EXPORTER_OTLP_ENDPOINT, or http://localhost:4317), `--rounds`, `--file`.
"""

from __future__ import annotations

import sys
import time
import uuid
from pathlib import Path

import click
import grpc

from testbed.demo.application import Application
from testbed.demo.summary import Written, changes, read, table


@click.command(help="Send the traffic of a small LLM application to a collector.")
@click.option("--endpoint", envvar="OTEL_EXPORTER_OTLP_ENDPOINT", default="http://localhost:4317", show_default=True)
@click.option("--rounds", default=20, show_default=True, help="Requests of each kind.")
@click.option(
    "--file", default="spans.jsonl", show_default=True, type=Path, help="What the collector's file exporter writes."
)
def main(endpoint: str, rounds: int, file: Path) -> None:
    """Send the traffic, wait for the file, and print both."""
    _await_collector(endpoint)
    application = Application(endpoint, str(uuid.uuid4()))
    print(f"Sending {rounds} requests of each kind to {endpoint} …")
    started = time.monotonic()
    for _ in range(rounds):
        application.round()
        time.sleep(0.1)
    application.close()
    sent = application.sent.spans
    print(f"Sent {len(sent)} spans in {time.monotonic() - started:.1f} s.\n")

    written = _await_file(file, application.instance)
    print("\n".join(table(sent, written)))
    if written is None:
        print(f"\nThere is nothing of them in {file}: look where your collector sends them.")
    else:
        print(f"\nIn {file}, of the spans that were kept:\n")
        print("\n".join(changes(sent, written)))


def _await_collector(endpoint: str) -> None:
    target = endpoint.removeprefix("http://")
    with grpc.insecure_channel(target) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=3)
        except grpc.FutureTimeoutError:
            sys.exit(f"No collector answers at {endpoint}: start one with `make run` in another terminal.")


def _await_file(path: Path, instance: str) -> list[Written] | None:
    """Read the file until it has not grown for a second: batches and the file's buffer are on their way."""
    written: list[Written] = []
    grown = time.monotonic()
    while time.monotonic() - grown < 1.0:
        time.sleep(0.1)
        now = list(read(path, instance)) if path.exists() else []
        if len(now) > len(written):
            written, grown = now, time.monotonic()
    return written or None


if __name__ == "__main__":
    main()
