"""Record what the Go collector does in every case."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path

import click

from testbed.corpus.cases import FOLDER, load
from testbed.corpus.judge import judge


@click.command(help="Run the cases of tests/ottl/cases through the Go collector, and write down what it does.")
@click.option("--file", "files", multiple=True, help="Only this file of cases. May be given several times.")
@click.option("--out", type=click.Path(path_type=Path), default=FOLDER / "recorded", help="Where the recordings go.")
def main(files: tuple[str, ...], out: Path) -> None:
    """Judge and write."""
    cases = [case for case in load() if not files or case.file in files]
    out.mkdir(exist_ok=True)
    for file, group in groupby(judge(cases), key=lambda judged: judged[0].file):
        outcomes = {case.name: outcome for case, outcome in group}
        lines = (f"{json.dumps(name)}: {json.dumps(outcome, sort_keys=True)}" for name, outcome in outcomes.items())
        (out / f"{file}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
        click.echo(f"{file}: {len(outcomes)} cases")


if __name__ == "__main__":
    main()
