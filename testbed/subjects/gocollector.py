"""The Go collector, built from its modules by its own builder (`testbed/peers/gocollector/manifest.yaml`)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from testbed.subjects.base import COLLECTOR_TLS, Subject
from testbed.subjects.peer import PEERS, Peer, run

BUILDER = "go.opentelemetry.io/collector/cmd/builder@v0.164.0"


def _build(manifest: Path, folder: Path) -> None:
    environment = {**os.environ, "GOBIN": str(folder), "CGO_ENABLED": "0"}
    run("go", "install", BUILDER, directory=folder, environment=environment)
    shutil.copy(manifest, folder / "manifest.yaml")
    run(folder / "builder", "--skip-compilation", "--config=manifest.yaml", directory=folder, environment=environment)
    sources = folder / "build"
    run("go", "build", "-trimpath", "-ldflags=-s -w", "-o", folder / "gocollector", ".", directory=sources,
        environment=environment)  # fmt: skip
    shutil.rmtree(sources)
    (folder / "builder").unlink()


PEER = Peer("gocollector", PEERS / "gocollector" / "manifest.yaml", "gocollector", _build)


def _command(configuration: Path, variables: Mapping[str, str]) -> list[str]:
    return [str(PEER.path()), f"--config={configuration}"]


def _version() -> str:
    return run(PEER.path(), "--version", directory=PEER.folder).strip().rpartition(" ")[2]


SUBJECT = Subject(
    "gocollector",
    "Go collector",
    _command,
    _version,
    protocols=("grpc", "http", "json", "grpc-tls", "http-tls"),
    tls=COLLECTOR_TLS,
)
