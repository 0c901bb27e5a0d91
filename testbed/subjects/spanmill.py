"""Spanmill, as it is in this repository: as it comes, and with a receiver and an exporter that need no grpcio."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

from testbed.machine import revision
from testbed.subjects.base import Subject


def _command(*settings: str) -> Callable[[Path, Mapping[str, str]], list[str]]:
    """Run a configuration with some settings on top."""

    def command(configuration: Path, variables: Mapping[str, str]) -> list[str]:
        overrides = (part for setting in settings for part in ("--set", setting))
        return [sys.executable, "-m", "collector", "run", "--config", str(configuration), *overrides]

    return command


def _version() -> str:
    return f"{version('spanmill')} ({revision()})"


SUBJECT = Subject("spanmill", "Spanmill", _command(), _version, compressions=("none", "gzip"))

NATIVE = Subject(
    "spanmill-native",
    "Spanmill, native engine",
    _command("receivers.otlp.protocols.grpc.engine=native", "exporters.otlp_grpc.engine=native"),
    _version,
    configured_as="spanmill",
)
