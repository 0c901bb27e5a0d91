"""The testbed's commands.

python -m testbed list
python -m testbed run burst --subjects spanmill,gocollector --pipeline chain
python -m testbed run standard --out results/standard
python -m testbed compare results/before results/after
python -m testbed report results/standard
python -m testbed peers
"""

from __future__ import annotations

import datetime
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NoReturn, TypeVar, get_args

import click
import msgspec

from testbed import report
from testbed.compare import Verdict, compare, table
from testbed.measuring.errors import AbsentError
from testbed.measuring.pinning import Pin, pinning
from testbed.measuring.request import LoadSpec
from testbed.pipelines import PIPELINES
from testbed.profiles import PROFILES
from testbed.report import performance
from testbed.results import Result, Status, read, write
from testbed.running import Run
from testbed.scenarios import SCENARIOS
from testbed.subjects import DIRECT, SUBJECTS, gocollector, rotel
from testbed.subjects.base import ROOT, Compression, Protocol, SettingsName, Subject
from testbed.suites import SUITES, load
from testbed.terminal import Terminal

T = TypeVar("T")

RESULTS = ROOT / "results"
PERFORMANCE = ROOT / "docs" / "performance.md"


@click.group(help="Spans per second, processor time, memory, latency and loss: of Spanmill and of its peers.")
def cli() -> None:
    """Group the commands."""


def _one_of(what: str, known: Mapping[str, T], name: str) -> T:
    """Look up a name, or say which there are."""
    if name not in known:
        raise click.BadParameter(f"there is no {what} '{name}'; there are: {', '.join(known)}")
    return known[name]


@cli.command(name="list")
def list_() -> None:
    """Show scenarios, suites, profiles, pipelines and subjects."""
    for heading, rows in (
        ("Scenarios", {name: scenario.title for name, scenario in SCENARIOS.items()}),
        ("Suites", {name: suite.title for name, suite in SUITES.items()}),
        ("Profiles", {name: profile.title for name, profile in PROFILES.items()}),
        ("Pipelines", {name: pipeline.title for name, pipeline in PIPELINES.items()}),
        ("Subjects", {name: _availability(subject) for name, subject in SUBJECTS.items()} | {DIRECT: "no collector"}),
    ):
        click.echo(click.style(heading, bold=True))
        for name, title in rows.items():
            click.echo(f"  {name:18} {title}")


def _availability(subject: Subject) -> str:
    try:
        return f"{subject.title} {subject.version()}"
    except AbsentError as error:
        return f"{subject.title}, absent: {error}"


@cli.command()
@click.argument("scenario")
@click.option("--subjects", metavar="A,B", help="Who is measured, in turn. All, unless a suite says otherwise.")
@click.option("--profile", metavar="NAME", help="What spans are like.  [default: http]")
@click.option("--pipeline", metavar="NAME", help="What is done to them.  [default: pass]")
@click.option("--spans-per-request", type=click.IntRange(1, 10_000), metavar="N", help="The profile decides otherwise.")
@click.option("--duration", type=click.FloatRange(1), metavar="S", help="Seconds of load.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), metavar="R", help="Spans a second, or the multiple.")
@click.option("--protocol", type=click.Choice(get_args(Protocol)), default="grpc", show_default=True)
@click.option("--compression", type=click.Choice(["none", "gzip", "zstd"]), default="none", show_default=True)
@click.option("--settings", type=click.Choice(["same", "recommended"]), default="same", show_default=True)
@click.option("--rounds", type=click.IntRange(1, 100), help="How often each subject has its turn.  [default: 3]")
@click.option("--pin", type=click.Choice(["split", "none"]), default="split", show_default=True, help="Cores.")
@click.option("--cpu-limit", type=float, metavar="X", help="Multiple of protobuf's parsing that a span may cost.")
@click.option("--check", is_flag=True, help="Exit with 1 if anything is wrong with a subject.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Where the results go.")
def run(  # noqa: PLR0917  the command line names each
    scenario: str,
    subjects: str | None,
    profile: str | None,
    pipeline: str | None,
    spans_per_request: int | None,
    duration: float | None,
    rate: float | None,
    protocol: Protocol,
    compression: Compression,
    settings: SettingsName,
    rounds: int | None,
    pin: Pin,
    cpu_limit: float | None,
    check: bool,
    out: Path | None,
) -> None:
    """Put the load SCENARIO, or all loads of a suite, on subjects and write down what happens."""
    loads: list[tuple[LoadSpec, int]]
    if suite := SUITES.get(scenario):
        if profile or pipeline or spans_per_request or duration or rate:
            raise click.UsageError(f"'{scenario}' is a suite, which decides about its loads: name one of its scenarios")
        loads = [(spec, rounds or count) for spec, count in suite.loads]
    else:
        _one_of("scenario or suite", {**SCENARIOS, **SUITES}, scenario)
        _one_of("pipeline", PIPELINES, pipeline or "pass")
        _one_of("profile", PROFILES, profile or "http")
        spec = load(scenario, pipeline or "pass", profile or "http", spans_per_request)
        spec = replace(spec, seconds=duration or spec.seconds, rate=rate or spec.rate)
        loads = [(replace(spec, protocol=protocol, compression=compression, settings=settings), rounds or 3)]
    names = subjects.split(",") if subjects else suite.subjects if suite else SUBJECTS
    known: dict[str, Subject | None] = {**SUBJECTS, DIRECT: None}
    chosen = {name: _one_of("subject", known, name) for name in names}
    began = datetime.datetime.now().astimezone()
    directory = out or RESULTS / f"{scenario}-{began:%Y%m%d-%H%M%S}"
    command = ["python", "-m", "testbed", *sys.argv[1:]]
    work = Run(directory.name, loads, chosen, pinning(pin), command, cpu_limit)
    directory.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, _interrupt)
    terminal = Terminal()
    try:
        work(terminal.begins, terminal.ends)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        terminal.interrupted()
        if work.measurements:
            _keep(work.result(), directory)
        click.echo("Interrupted: no process is left.", err=True)
        sys.exit(130)
    result = work.result()
    _keep(result, directory)
    if check and (problems := _problems(result)):
        raise click.ClickException("the subjects are not all well:\n  " + "\n  ".join(problems))


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _keep(result: Result, directory: Path) -> None:
    try:
        write(result, directory / "result.json")
        report.write(result, directory)
    except OSError as error:
        raise click.ClickException(f"the results cannot be written to {directory}: {error.strerror}") from error
    click.echo(f"{directory}: result.json, report.md, report.html", err=True)


def _problems(result: Result) -> list[str]:
    problems = []
    for measurement in result.measurements:
        what = f"{measurement.scenario}, {measurement.pipeline}, {measurement.subject}"
        if measurement.status != Status.OK:
            problems.append(f"{what}: {measurement.status}: {measurement.reason}")
        problems += [f"{what}: {finding.message}" for finding in measurement.findings]
    return problems


def _read(path: Path) -> Result:
    try:
        return read(path)
    except OSError as error:
        raise click.ClickException(f"{path}: {(error.strerror or str(error)).lower()}") from error
    except msgspec.DecodeError as error:
        raise click.ClickException(f"{path} is no result of this testbed: {error}") from error


@cli.command(name="compare")
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
def compare_(before: Path, after: Path) -> None:
    """Compare two results, files or directories. Exits with 1 if AFTER is worse beyond the noise."""
    differences = compare(_read(before), _read(after))
    click.echo(table(differences))
    if any(difference.verdict == Verdict.REGRESSION for difference in differences):
        sys.exit(1)


@cli.command(name="report")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
def report_(directory: Path) -> None:
    """Write report.md and report.html anew from the result.json in DIRECTORY."""
    report.write(_read(directory), directory)
    click.echo(f"{directory}: report.md, report.html", err=True)


@cli.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
def document(directory: Path) -> None:
    """Write the result in DIRECTORY into docs/performance.md."""
    performance.write(_read(directory), PERFORMANCE)
    click.echo(f"{PERFORMANCE.relative_to(ROOT)} and its plots are written anew", err=True)


@cli.command()
def peers() -> None:
    """Build the peers into the cache, unless they are there. A peer that cannot be built is reported."""
    for peer in (gocollector.PEER, rotel.PEER):
        click.echo(f"{peer.name} …", err=True)
        try:
            click.echo(f"{peer.name}: {peer.ensure()}", err=True)
        except AbsentError as error:
            click.echo(f"{peer.name}: {error}", err=True)
