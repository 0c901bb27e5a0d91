"""Rotel, a collector in Rust: its package brings the agent as a binary (`testbed/peers/rotel/requirements.txt`)."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import yaml

from testbed.subjects.base import Subject, expand
from testbed.subjects.peer import PEERS, Peer, run


def _build(requirements: Path, folder: Path) -> None:
    install = ("install", "--quiet", "--no-deps", "--require-hashes", "--target", folder, "--requirement", requirements)
    run(sys.executable, "-m", "pip", *install, directory=folder)


PEER = Peer("rotel", PEERS / "rotel" / "requirements.txt", "rotel/rotel-agent", _build)


def _command(configuration: Path, variables: Mapping[str, str]) -> list[str]:
    arguments = yaml.safe_load(configuration.read_text(encoding="utf-8"))["arguments"]
    return [str(PEER.path()), "start", *(expand(argument, variables) for argument in arguments)]


def _version() -> str:
    agent = run(PEER.path(), "--version", directory=PEER.folder).strip().rpartition(" ")[2]
    package = next(PEER.folder.glob("rotel-*.dist-info")).name.removeprefix("rotel-").removesuffix(".dist-info")
    return f"{package} (agent {agent})"


SUBJECT = Subject("rotel", "Rotel", _command, _version, compressions=("none", "gzip"))
