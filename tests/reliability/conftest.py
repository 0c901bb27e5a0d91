"""A collector with its queue on disk, and a backend."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from durable_queues import CONFIGURATION, Configure

from testbed.backend import Backend


@pytest.fixture
def durable(tmp_path: Path) -> Configure:
    """Arguments for a collector whose exporter sends to `backend` from a queue on disk."""
    storage = tmp_path / "storage"
    storage.mkdir()

    def arguments(backend: str, *, queue: str = "", engine: str = "native") -> list[str]:
        path = tmp_path / "collector.yaml"
        settings = {"directory": storage, "backend": backend, "engine": engine, "queue": queue}
        path.write_text(CONFIGURATION.format(**settings), encoding="utf-8")
        return ["--config", str(path)]

    return arguments


@pytest.fixture
def backend() -> Iterator[Backend]:
    """A backend that listens."""
    with Backend() as backend:
        yield backend
