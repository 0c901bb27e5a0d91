"""What a subject is: a program that is configured by a file and takes OTLP at one port to hand it on to another."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from testbed.measuring.errors import AbsentError

Protocol = Literal["grpc", "http", "json", "grpc-tls", "http-tls"]
"""What is spoken to a subject; `json` is OTLP/HTTP with JSON."""
Compression = Literal["none", "gzip", "zstd"]
SettingsName = Literal["same", "recommended"]

ROOT = Path(__file__).parents[2]
PIPELINES = ROOT / "testbed" / "pipelines"


IN_PLACE = "The new configuration is in place"


def is_grpc(protocol: Protocol) -> bool:
    """Whether it is gRPC, on HTTP/2, or else HTTP/1.1."""
    return protocol.startswith("grpc")


def has_tls(protocol: Protocol) -> bool:
    """Whether it is spoken with TLS."""
    return protocol.endswith("-tls")


COLLECTOR_TLS = tuple(
    f"--set=receivers.otlp.protocols.{protocol}.tls.{what}_file=${{env:TESTBED_{what.upper()}}}"
    for protocol in ("grpc", "http")
    for what in ("cert", "key")
)
"""What makes the receiver `otlp` of a collector speak TLS."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a subject shall listen, and where it shall send to: hosts with ports."""

    grpc: str
    http: str
    sink: str
    compression: Compression
    cert: str = ""
    """Paths of a certificate and its key, where TLS is spoken."""
    key: str = ""
    storage: str = ""
    """An empty directory for what shall survive."""

    def receiver(self, protocol: Protocol) -> str:
        """Where it takes a protocol."""
        return self.grpc if is_grpc(protocol) else self.http

    def environment(self) -> dict[str, str]:
        """The variables that configurations refer to."""
        return {
            "TESTBED_GRPC": self.grpc,
            "TESTBED_HTTP": self.http,
            "TESTBED_SINK": self.sink,
            "TESTBED_COMPRESSION": self.compression,
            "TESTBED_CERT": self.cert,
            "TESTBED_KEY": self.key,
            "TESTBED_STORAGE": self.storage,
        }


@dataclass(frozen=True, slots=True)
class Subject:
    """A program that can be measured."""

    name: str
    title: str
    command: Callable[[Path, Mapping[str, str]], Sequence[str]]
    """Of the configuration file and the variables in it. Raises `AbsentError`."""
    version: Callable[[], str]
    """Raises `AbsentError`."""
    protocols: tuple[Protocol, ...] = ("grpc", "http")
    tls: tuple[str, ...] = ()
    """More arguments for it to speak TLS at its receivers."""
    compressions: tuple[Compression, ...] = ("none", "gzip", "zstd")
    environment: Mapping[str, str] = field(default_factory=dict)
    pipelines: Path = PIPELINES
    another: Callable[[str, int], str] | None = None
    """Makes other configurations of one, by number, which it reads at a SIGHUP and then says `IN_PLACE`."""
    configured_as: str = ""
    """The subject whose configurations it takes; its own where there is none."""

    def configuration(self, pipeline: str, settings: SettingsName) -> Path:
        """The file for a pipeline. Raises `AbsentError`."""
        suffix = ".yaml" if settings == "same" else f".{settings}.yaml"
        path = self.pipelines / pipeline / f"{self.configured_as or self.name}{suffix}"
        if not path.exists():
            there = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
            raise AbsentError(f"{self.title} has no configuration for this pipeline ({there})")
        return path

    def check(self, protocol: Protocol, compression: Compression) -> None:
        """Raise `AbsentError` if it cannot be sent such requests."""
        if protocol not in self.protocols:
            raise AbsentError(f"{self.title} does not take OTLP over {protocol}")
        if compression not in self.compressions:
            raise AbsentError(f"{self.title} does not take {compression}")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace `${env:NAME}` by the variable."""
    return re.sub(r"\$\{env:(\w+)\}", lambda match: variables[match[1]], text)


def cache() -> Path:
    """Where peers are built: outside of the repository, and kept."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "spanmill-testbed"
