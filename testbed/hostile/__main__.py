"""`python -m testbed.hostile`: a million mutated requests and a hundred thousand mutated connections."""

from __future__ import annotations

import sys

import click

from testbed.hostile.attack import attack


@click.command(help="Attack a collector, and say what came of it. Exits with 1 if anything is wrong.")
@click.option("--requests", default=1_000_000, show_default=True, help="Mutated requests, half over each protocol.")
@click.option("--connections", default=100_000, show_default=True, help="Mutated connections.")
@click.option("--seed", default=1, show_default=True, help="What is sent follows from it.")
def main(requests: int, connections: int, seed: int) -> None:
    """Attack and report."""
    live = sys.stderr.isatty()
    report = attack(
        requests, connections, seed, lambda text: click.echo(f"\r{text:78}", nl=False, err=True) if live else None
    )
    click.echo(f"{report}")
    for finding in report.findings[:20]:
        click.echo(f"finding: {finding}", err=True)
    if report.findings:
        sys.exit(1)


if __name__ == "__main__":
    main()
