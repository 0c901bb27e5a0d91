"""The command line: `spanmill run`, `validate`, `components`, `status`.

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
    """Run the collector until SIGINT or SIGTERM. SIGHUP has it read its configuration again."""
    config = _load(sources, overrides, ignore_other_signals)
    from collector import service
    from collector.config.loading import load

    def read() -> CollectorConfig:
        return load(sources, overrides, ignore_other_signals=ignore_other_signals)

    try:
        status = service.run(config, read, shutdown_timeout=shutdown_timeout)
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
    _fail(f"the configuration is wrong\n{report}")


def _fail(message: str) -> NoReturn:
    click.echo(f"Error: {message}", err=True)
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


@cli.command()
@click.option(
    "--endpoint",
    default="localhost:8888",
    show_default=True,
    metavar="HOST:PORT",
    help="Where the collector serves its own figures: service::telemetry::metrics.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the document that the collector gives.")
def status(endpoint: str, as_json: bool) -> None:
    """Say what became of all spans of a running collector."""
    import http.client
    import json

    from collector.errors import StartError
    from collector.telemetry.pages import STATUS
    from collector.telemetry.status import lines
    from collector.transport.settings import split_endpoint

    try:
        host, port = split_endpoint(endpoint.removeprefix("http://").rstrip("/"))
        connection = http.client.HTTPConnection(host or "localhost", port, timeout=10)
        connection.request("GET", STATUS)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
    except (StartError, OSError, http.client.HTTPException) as error:
        _fail(f"no collector answers at {endpoint}: {error}")
    try:
        text = list(lines(json.loads(body))) if answer.status == http.HTTPStatus.OK else None
    except (ValueError, KeyError, TypeError, AttributeError):
        text = None
    if text is None:
        _fail(f"what answers at {endpoint} is no collector with a status page ({answer.status} {answer.reason})")
    click.echo(body.decode() if as_json else "\n".join(text))
