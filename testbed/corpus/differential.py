"""`python -m testbed.corpus.differential`: Spanmill beside the Go collector, on cases made at random.

Each difference is printed with all that it takes to see it again. The exit status is 1 if there is any.
"""

from __future__ import annotations

import json
import time
from random import Random

import click

from testbed.corpus.generator import case
from testbed.corpus.judge import judge
from testbed.corpus.ours import agree, ours
from testbed.measuring.errors import AbsentError

_BATCH = 200


@click.command(help="Compare Spanmill with the Go collector on processors and spans made at random.")
@click.option("--seed", type=int, default=1, help="The same seed gives the same cases.")
@click.option("--seconds", type=float, default=60.0, help="How long.")
@click.option("--most", type=int, default=20, help="End after so many differences.")
def main(seed: int, seconds: float, most: int) -> None:
    """Generate, run and compare."""
    random = Random(seed)
    until = time.monotonic() + seconds
    total = changed = differences = 0
    while time.monotonic() < until and differences < most:
        cases = [case(total + number, random) for number in range(_BATCH)]
        try:
            for made, theirs in judge(cases):
                total += 1
                found = ours(made)
                changed += bool(found.get("changes"))
                if not agree(found, theirs):
                    differences += 1
                    shown = {"processors": made.processors, "span": made.span, "spanmill": found, "go": theirs}
                    click.echo(json.dumps(shown, ensure_ascii=False))
        except AbsentError as error:
            raise click.ClickException(str(error)) from error
    click.echo(f"{total} cases, {changed} of which changed their span, {differences} differences")
    if differences:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
