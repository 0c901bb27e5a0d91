"""Record what the Go collector's `tail_sampling` does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import yaml

from testbed.corpus.tail import timed
from testbed.corpus.tail.cases import FOLDER, load
from testbed.corpus.tail.decisions import kept, output, refused
from testbed.corpus.tail.traffic import digest, requests
from testbed.measuring.errors import AbsentError
from testbed.subjects import gocollector


@click.command(help="Run the cases of tests/data/tail_sampling through the Go collector, and write down what it does.")
@click.option("--out", type=click.Path(path_type=Path), default=FOLDER, help="Where the recordings go.")
def main(out: Path) -> None:
    """Record and write. What does not come out the same twice is not recorded."""
    try:
        program = gocollector.PEER.path()
    except AbsentError as error:
        raise click.ClickException(str(error)) from error
    decisions, refusals, stories = load("decisions"), load("refusals"), timed.load()
    first, second = kept(program, decisions), kept(program, decisions)
    if differing := [name for name in first if first[name] != second[name]]:
        raise click.ClickException(f"this is decided at random: {', '.join(differing)}")
    _write(out / "decisions.json", first)
    _write(out / "refusals.json", refused(program, refusals))
    _write(out / "timed.json", timed.play(program, stories))
    entries = yaml.safe_load((FOLDER / "output.yaml").read_text(encoding="utf-8"))
    _write(
        out / "output.json",
        {entry["name"]: output(program, entry["options"], entry.get("gates", [])) for entry in entries},
    )


def _write(path: Path, cases: dict[str, Any]) -> None:
    encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
    lines = [f"{json.dumps(name)}: {encoder.encode(case)}" for name, case in cases.items()]
    head = {"collector": gocollector.SUBJECT.version(), "traffic": digest(requests())}
    text = f'{{"recorded": {json.dumps(head)}, "cases": {{\n' + ",\n".join(lines) + "\n}}\n"
    path.write_text(text, encoding="utf-8")
    click.echo(f"{path.stem}: {len(cases)} cases")


if __name__ == "__main__":
    main()
