"""The life of a file: begun, written, gone."""

import asyncio
import json
import os
from pathlib import Path

import pytest
from record_files import span_names, started

from collector.component import Delivery
from collector.errors import RetryableError, StartError
from collector.testing import exporter_settings, make_spans
from exporters.file import FileConfig, FileExporter


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
