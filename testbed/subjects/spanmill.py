"""Spanmill, as it is in this repository."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from testbed.machine import revision
from testbed.subjects.base import Subject


def _command(configuration: Path, variables: Mapping[str, str]) -> list[str]:
    return [sys.executable, "-m", "collector", "run", "--config", str(configuration)]


def _version() -> str:
    return f"{version('spanmill')} ({revision()})"


SUBJECT = Subject("spanmill", "Spanmill", _command, _version, protocols=("grpc",), compressions=("none", "gzip"))
