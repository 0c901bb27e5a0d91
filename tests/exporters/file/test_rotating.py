"""Files that are full: set aside, kept, and deleted."""

import asyncio
import os
from pathlib import Path

import pytest
from record_files import refuses, span_names, started

from collector.errors import RetryableError
from collector.testing import make_spans
from exporters.file.config import RotationConfig


def files_in(directory: Path) -> list[Path]:
    """All files, the oldest first."""
    return sorted(directory.iterdir(), key=lambda path: (path.name == "spans.bin", path.name))


def all_names(directory: Path, format: str = "json") -> list[list[str]]:
    """The names of the spans of each file."""
    return [span_names(path, format) for path in files_in(directory)]


@pytest.mark.parametrize("format", ["json", "proto"])
async def test_every_span_is_in_one_file_over_rotations_and_restarts(tmp_path: Path, format: str) -> None:
    """No file is larger than the bound, none is emptied, and each span is there once, in order."""
    path = tmp_path / "spans.bin"
    count = 0
    for _ in range(3):
        exporter = await started(path, format=format, rotation=RotationConfig(max_megabytes=1))
        for _ in range(30):
            await exporter.export(make_spans(200, first=count, attributes={"text": "x" * 300}))
            count += 200
        await exporter.shutdown()

    files = all_names(tmp_path, format)
    assert len(files) > 4
    assert [name for file in files for name in file] == [f"span {n}" for n in range(count)]
    assert all(0 < file.stat().st_size <= 1 << 20 for file in files_in(tmp_path))


async def test_many_at_a_time_rotate_once_each(tmp_path: Path) -> None:
    """Whoever finds the file full begins the next one, and nobody writes into the old one after."""
    exporter = await started(tmp_path / "spans.bin", rotation=RotationConfig(max_megabytes=1))
    batches = [make_spans(50, first=50 * n, attributes={"text": "x" * 3000}) for n in range(100)]

    await asyncio.gather(*(exporter.export(batch) for batch in batches))
    await exporter.shutdown()

    files = all_names(tmp_path)
    assert len(files) > 10
    assert sorted(name for file in files for name in file) == sorted(f"span {n}" for n in range(5000))


async def test_a_record_over_the_bound_has_a_file_of_its_own(tmp_path: Path) -> None:
    """It is written, where the Go collector refuses it."""
    exporter = await started(tmp_path / "spans.bin", rotation=RotationConfig(max_megabytes=1))

    await exporter.export(make_spans(1))
    await exporter.export(make_spans(1, first=1, attributes={"text": "x" * (2 << 20)}))
    await exporter.export(make_spans(1, first=2))
    await exporter.shutdown()

    assert all_names(tmp_path) == [["span 0"], ["span 1"], ["span 2"]]


async def test_old_files_are_deleted_at_start_and_at_rotation(tmp_path: Path) -> None:
    """Those over `max_backups`, the oldest first; what is not a backup stays."""
    other = tmp_path / "spans-old.bin"
    other.touch()
    for day in range(1, 6):
        (tmp_path / f"spans-2026-01-0{day}T00-00-00.000.bin").touch()
    exporter = await started(tmp_path / "spans.bin", rotation=RotationConfig(max_megabytes=1, max_backups=3))
    assert len(files_in(tmp_path)) == 3 + 2

    for n in range(3):
        await exporter.export(make_spans(1, first=n, attributes={"text": "x" * (1 << 20)}))
    await exporter.shutdown()

    left = [path.name for path in files_in(tmp_path)]
    assert len(left) == 3 + 2
    assert left[0] == "spans-2026-01-05T00-00-00.000.bin"
    assert other.exists()


async def test_what_is_set_aside_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Synced at rotation and at the stop: the file, and its directory for the name."""
    synced: list[str] = []
    fsync = os.fsync

    def watch(file: int) -> None:
        synced.append(Path(os.readlink(f"/proc/self/fd/{file}")).name)
        fsync(file)

    monkeypatch.setattr(os, "fsync", watch)
    exporter = await started(tmp_path / "spans.bin", rotation=RotationConfig(max_megabytes=1))
    await exporter.export(make_spans(1, attributes={"text": "x" * (1 << 20)}))
    assert synced == []
    await exporter.export(make_spans(1))
    backup, _ = [path.name for path in files_in(tmp_path)]
    assert synced == [backup, tmp_path.name]
    await exporter.shutdown()

    assert synced[2:] == ["spans.bin", tmp_path.name]


async def test_a_rotation_that_fails_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The batch is refused for now, and the file is as it was."""
    exporter = await started(tmp_path / "spans.bin", rotation=RotationConfig(max_megabytes=1))
    await exporter.export(make_spans(1, attributes={"text": "x" * (1 << 20)}))

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuses)
        with pytest.raises(RetryableError, match=r"cannot write .*: permission denied"):
            await exporter.export(make_spans(1, first=1))
    assert [path.name for path in files_in(tmp_path)] == ["spans.bin"]
    await exporter.export(make_spans(1, first=1))
    await exporter.shutdown()

    assert all_names(tmp_path) == [["span 0"], ["span 1"]]
