"""A collector with its queue on disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from durable_queues import CONFIGURATION, Configure


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
