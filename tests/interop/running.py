"""How the tests of `make interop` run other people's programs, and a collector with a backend behind it."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from testbed.backend import Backend
from testbed.process import CollectorProcess

HERE = Path(__file__).parent
BUILD = HERE / "build"
ENGINES = ("grpcio", "native")


def run(*command: str | Path, directory: Path = HERE, timeout: float = 60) -> str:
    """Run a program and give what it prints. Raises `AssertionError` with that if it fails."""
    done = subprocess.run(
        command, cwd=directory, capture_output=True, text=True, timeout=timeout, check=False, errors="replace"
    )
    assert done.returncode == 0, f"{command} ended with status {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@dataclass(frozen=True)
class Running:
    """A collector with a backend behind it."""

    grpc: str
    http: str
    backend: Backend
    process: CollectorProcess


CONFIGURATION = """
receivers:
  otlp:
    protocols:
      grpc: {endpoint: "127.0.0.1:0", engine: %(engine)s}
      http: {endpoint: "127.0.0.1:0"}
processors:
  batch: {timeout: 50ms}
exporters:
  otlp_grpc: {endpoint: "%(backend)s", tls: {insecure: true}}
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    traces: {receivers: [otlp], processors: [batch], exporters: [otlp_grpc]}
"""
