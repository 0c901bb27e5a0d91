"""The command line: `spanmill run`, `validate`, `components`.

A wrong configuration starts nothing: the report goes to stderr, and the exit status is 1.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from collector.errors import ConfigError

# What a command needs is imported in it: `--help` and a typo should not wait for gRPC.
# ruff: noqa: PLC0415

if TYPE_CHECKING:
    from collector.config.model import CollectorConfig
    from collector.config.types import Duration

Command = TypeVar("Command", bound=Callable[..., Any])


class _DurationType(click.ParamType["Duration"]):
    """A duration in Go's notation."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Duration:
        from collector.config.types import Duration

        if isinstance(value, Duration):
            return value
        try:
            return Duration.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _configuration(command: Command) -> Command:
    """Add the options that say where the configuration comes from."""
    options = (
        click.option(
            "--config",
            "sources",
            multiple=True,
            metavar="SOURCE",
            help="A file, or env:NAME, or yaml:TEXT. May be repeated: later ones are laid over earlier ones.",
        ),
        click.option(
            "--set",
            "overrides",
            multiple=True,
            metavar="KEY=VALUE",
            help="Override one option, such as processors.batch.timeout=2s. May be repeated.",
        ),
        click.option(
            "--ignore-other-signals",
            is_flag=True,
            help="Leave out pipelines of metrics, logs and profiles instead of refusing them.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="spanmill", prog_name="spanmill")
def cli() -> None:
    """Spanmill, an OpenTelemetry span-processing collector."""


@cli.command()
@_configuration
@click.option(
    "--shutdown-timeout",
    type=_DurationType(),
    default="30s",
    show_default=True,
    help="How long the drain at shutdown may take. What is held then is dropped and counted.",
)
def run(
    sources: tuple[str, ...], overrides: tuple[str, ...], ignore_other_signals: bool, shutdown_timeout: Duration
) -> None:
    """Run the collector until SIGINT or SIGTERM."""
    config = _load(sources, overrides, ignore_other_signals)
    from collector import service

    try:
        status = service.run(config, shutdown_timeout=shutdown_timeout)
    except ConfigError as error:
        _refuse(config.explain(str(error)))
    sys.exit(status)


@cli.command()
@_configuration
def validate(sources: tuple[str, ...], overrides: tuple[str, ...], ignore_other_signals: bool) -> None:
    """Check a configuration without starting anything."""
    config = _load(sources, overrides, ignore_other_signals)
    from collector import pipeline

    try:
        machine = pipeline.build(config)
    except ConfigError as error:
        _refuse(config.explain(str(error)))
    for notice in (*config.notices, *machine.notices):
        click.echo(f"notice: {notice}", err=True)


@cli.command()
def components() -> None:
    """List the components of this distribution, as YAML."""
    from importlib.metadata import version

    from collector import distribution
    from collector.component import Kind

    click.echo(f"buildinfo:\n  command: spanmill\n  version: {version('spanmill')}")
    for kind in Kind:
        known = distribution.references(kind)
        click.echo(f"{kind.section}:" if known else f"{kind.section}: []")
        for type_, reference in sorted(known.items()):
            click.echo(f"  - name: {type_}\n    module: {reference.partition(':')[0]}")


def _load(sources: tuple[str, ...], overrides: tuple[str, ...], ignore_other_signals: bool) -> CollectorConfig:
    from collector.config.loading import load

    try:
        return load(sources, overrides, ignore_other_signals=ignore_other_signals)
    except ConfigError as error:
        _refuse(str(error))


def _refuse(report: str) -> NoReturn:
    click.echo(f"Error: the configuration is wrong\n{report}", err=True)
    sys.exit(1)


def main() -> None:
    """Run the command line. Wrong usage exits with 1, as the Go collector does."""
    try:
        sys.exit(cli.main(standalone_mode=False) or 0)
    except click.exceptions.Abort:
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(1)
