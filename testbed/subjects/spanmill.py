"""Spanmill, as it is in this repository: as it comes, without offload, and with grpcio for gRPC."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

from testbed.machine import revision
from testbed.subjects.base import COLLECTOR_TLS, Subject

_GRPC = "endpoint: ${env:TESTBED_GRPC}"
_SINK = "endpoint: ${env:TESTBED_SINK}"


def _command(*settings: str) -> Callable[[Path, Mapping[str, str]], list[str]]:
    """Run a configuration with some settings on top."""

    def command(configuration: Path, variables: Mapping[str, str]) -> list[str]:
        overrides = (part for setting in settings for part in ("--set", setting))
        return [sys.executable, "-m", "collector", "run", "--config", str(configuration), *overrides]

    return command


def _version() -> str:
    return f"{version('spanmill')} ({revision()})"


def _another(text: str, number: int) -> str:
    """Have the receiver, the batch processor and the exporter be others, and say more."""
    return _behind(text.replace(_GRPC, f"{_GRPC}\n        max_recv_msg_size_mib: {4 + number % 2}"), number)


def _behind(text: str, number: int) -> str:
    """The same without the receiver."""
    odd = number % 2
    return (
        text.replace(_SINK, f"{_SINK}\n    timeout: {5 + odd}s")
        .replace("timeout: 200ms", f"timeout: {200 + odd}ms")
        .replace("level: warn", "level: info")
    )


def _subject(name: str, title: str, *settings: str, another: Callable[[str, int], str] = _another) -> Subject:
    return Subject(
        name,
        title,
        _command(*settings),
        _version,
        protocols=("grpc", "http", "json", "grpc-tls", "http-tls"),
        tls=COLLECTOR_TLS,
        compressions=("none", "gzip"),
        another=another,
        configured_as="spanmill",
    )


SUBJECT = _subject("spanmill", "Spanmill")

GRPCIO = _subject(
    "spanmill-grpcio",
    "Spanmill, grpcio for gRPC",
    "receivers.otlp.protocols.grpc.engine=grpcio",
    "exporters.otlp_grpc.engine=grpcio",
    # A server of grpcio that ends breaks off what arrives just then.
    another=_behind,
)

TICKETS = _subject(
    "spanmill-tickets",
    "Spanmill without offload",
    "receivers.otlp.protocols.grpc.offload=false",
    "receivers.otlp.protocols.http.offload=false",
)
