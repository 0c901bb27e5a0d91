"""The life of a file: begun, written, gone, full."""

import asyncio
import contextlib
import errno
import json
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from record_files import span_names

from collector.component import Delivery
from collector.errors import RetryableError, StartError
from collector.testing import StubHost, cancel_after, exporter_settings, make_spans, running
from exporters.file import FileConfig, FileExporter
from exporters.file.config import RotationConfig


async def started(path: Path, **options: object) -> FileExporter:
    exporter = FileExporter(FileConfig(path=str(path), **options), exporter_settings("file"))  # type: ignore[arg-type]
    await exporter.start(StubHost())
    return exporter


async def test_writes_a_request_a_line(tmp_path: Path) -> None:
    """Each batch is one OTLP/JSON object, there as soon as it counts as delivered."""
    path = tmp_path / "spans.jsonl"
    exporter = await started(path)

    assert await exporter.export(make_spans(2)) == Delivery()
    await exporter.export(make_spans(1, first=2))

    assert [len(json.loads(line)["resourceSpans"]) for line in path.read_text().splitlines()] == [1, 1]
    assert span_names(path) == ["span 0", "span 1", "span 2"]
    assert json.loads(path.read_text().splitlines()[0])["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"] == (
        f"{1:032x}"
    )
    await exporter.shutdown()


async def test_lines_of_many_at_a_time_do_not_mix(tmp_path: Path) -> None:
    """Whoever writes has the file to himself."""
    path = tmp_path / "spans.jsonl"
    exporter = await started(path)

    await asyncio.gather(*(exporter.export(make_spans(50, first=50 * n)) for n in range(20)))
    await exporter.shutdown()

    assert sorted(span_names(path)) == sorted(f"span {n}" for n in range(1000))


@pytest.mark.parametrize(("append", "expected"), [(False, ["span 9"]), (True, ["span 0", "span 9"])])
async def test_a_restart_empties_the_file_unless_told_otherwise(
    tmp_path: Path, append: bool, expected: list[str]
) -> None:
    """As in the Go collector."""
    path = tmp_path / "spans.jsonl"
    for first in (0, 9):
        exporter = await started(path, append=append)
        await exporter.export(make_spans(1, first=first))
        await exporter.shutdown()

    assert span_names(path) == expected


@pytest.mark.parametrize("how", ["deleted", "moved"])
async def test_begins_a_new_file_when_the_old_one_is_gone(tmp_path: Path, how: str) -> None:
    """Nothing is written into a file that nobody can find."""
    path, moved = tmp_path / "spans.jsonl", tmp_path / "old.jsonl"
    exporter = await started(path)
    await exporter.export(make_spans(1))

    if how == "deleted":
        path.unlink()
    else:
        path.rename(moved)
    await exporter.export(make_spans(1, first=1))
    await exporter.shutdown()

    assert span_names(path) == ["span 1"]
    assert how == "deleted" or span_names(moved) == ["span 0"]


async def test_waits_for_its_directory_to_come_back(tmp_path: Path) -> None:
    """What cannot be written now may be written later."""
    path = tmp_path / "out" / "spans.jsonl"
    exporter = await started(path, create_directory=True)
    path.unlink()
    path.parent.rmdir()

    with pytest.raises(RetryableError, match=r"cannot write .*: no such file or directory"):
        await exporter.export(make_spans(1))
    path.parent.mkdir()
    await exporter.export(make_spans(1, first=1))
    await exporter.shutdown()

    assert span_names(path) == ["span 1"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
async def test_a_full_disk_is_no_loss() -> None:
    """It can be retried."""
    exporter = await started(Path("/dev/full"))

    with pytest.raises(RetryableError, match="cannot write /dev/full: no space left on device"):
        await exporter.export(make_spans(1))
    await exporter.shutdown()


async def test_permissions(tmp_path: Path) -> None:
    """Of a new file, and of the directory that is made for it."""
    path = tmp_path / "a" / "spans.jsonl"
    before = os.umask(0)
    try:
        exporter = await started(path, file_permissions="0600", create_directory=True, directory_permissions="0700")
        await exporter.shutdown()
    finally:
        os.umask(before)

    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


async def test_a_missing_directory_is_an_error_at_start(tmp_path: Path) -> None:
    """The message knows the way out."""
    path = tmp_path / "nowhere" / "spans.jsonl"
    with pytest.raises(StartError) as caught:
        await started(path)

    assert str(caught.value) == (
        f"path: cannot write {path}: no such file or directory; with create_directory: true its directory is made"
    )


async def test_shuts_down_twice_and_without_start(tmp_path: Path) -> None:
    """There is nothing to close then, and nothing is written after."""
    path = tmp_path / "spans.jsonl"
    exporter = FileExporter(FileConfig(path=str(path)), exporter_settings("file"))

    await exporter.shutdown()
    await exporter.shutdown()

    with pytest.raises(RetryableError, match="the file is closed"):
        await exporter.export(make_spans(1))
    assert not path.exists()


# --- files that are full


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
        patch.setattr(os, "open", _refuses)
        with pytest.raises(RetryableError, match=r"cannot write .*: permission denied"):
            await exporter.export(make_spans(1, first=1))
    assert [path.name for path in files_in(tmp_path)] == ["spans.bin"]
    await exporter.export(make_spans(1, first=1))
    await exporter.shutdown()

    assert all_names(tmp_path) == [["span 0"], ["span 1"]]


def _refuses(*_: object, **__: object) -> int:
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


# --- writes that fail


@contextlib.contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let the system refuse to make files larger than `size` bytes, as a full disk does in the middle of a write."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("format", ["json", "proto"])
async def test_nothing_is_left_of_a_record_that_did_not_fit(tmp_path: Path, format: str) -> None:
    """The file stays readable, and the batch can be written later."""
    path = tmp_path / "spans.bin"
    exporter = await started(path, format=format)
    await exporter.export(make_spans(1))
    size = path.stat().st_size

    with largest_file(size + 1000), pytest.raises(RetryableError, match=r"cannot write .*: file too large"):
        await exporter.export(make_spans(100, first=1))
    assert path.stat().st_size == size
    await exporter.export(make_spans(1, first=1))
    await exporter.shutdown()

    assert span_names(path, format) == ["span 0", "span 1"]


async def test_what_could_not_be_cut_off_is_before_the_next_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written behind half a record."""
    path = tmp_path / "spans.bin"
    exporter = await started(path)
    await exporter.export(make_spans(1))
    size = path.stat().st_size

    with monkeypatch.context() as patch:
        patch.setattr(os, "ftruncate", _refuses)
        with largest_file(size + 10), pytest.raises(RetryableError, match="file too large"):
            await exporter.export(make_spans(1, first=1))
        assert path.stat().st_size == size + 10
        with pytest.raises(RetryableError, match="permission denied"):
            await exporter.export(make_spans(1, first=1))
    await exporter.export(make_spans(1, first=1))
    await exporter.shutdown()

    assert span_names(path) == ["span 0", "span 1"]


async def test_who_gives_up_waiting_hears_whether_it_was_written(tmp_path: Path) -> None:
    """A thread cannot be called back: a batch that is in the file counts as delivered, or it would be there twice."""
    path = tmp_path / "spans.bin"
    exporter = await started(path)

    ends = set()
    for steps in range(6):
        end = await cancel_after(steps, lambda n=steps: exporter.export(make_spans(1, first=n)))  # type: ignore[misc]
        written = f"span {steps}" in span_names(path)
        assert isinstance(end, Delivery) is written, steps
        ends.add(written)
    await exporter.shutdown()

    assert ends == {False, True}  # cancelled before it began, and after


@pytest.mark.parametrize("queue", [False, True])
async def test_what_is_refused_is_counted(tmp_path: Path, queue: bool) -> None:
    """Without a queue the client hears why, with one the spans are booked as lost; the ledger balances."""
    path = tmp_path / "out" / "spans.bin"
    async with running(f"""
        receivers: {{feed: }}
        exporters: {{file: {{path: {path}, create_directory: true, sending_queue: {{enabled: {str(queue).lower()}}}}}}}
        service: {{pipelines: {{traces: {{receivers: [feed], exporters: [file]}}}}}}
        """) as service:
        path.unlink()
        path.parent.rmdir()
        feed: Any = service.machine.receivers["feed"]
        hears = contextlib.nullcontext() if queue else pytest.raises(RetryableError, match="no such file or directory")
        with hears:
            await feed.send(make_spans(3))

    account = service.machine.ledger.exporters["file"]
    assert (account.failed.total(), feed.account.refused) == ((3, 0) if queue else (0, 3))
