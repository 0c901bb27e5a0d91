"""Writes that fail, and what is in the file then."""

import asyncio
import contextlib
import os
import resource
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from record_files import refuses, span_names, started

from collector.component import Delivery
from collector.errors import RetryableError
from collector.testing import cancel_after, make_spans, running, until
from exporters.file.writer import RecordFile


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
        patch.setattr(os, "ftruncate", refuses)
        with largest_file(size + 10), pytest.raises(RetryableError, match="file too large"):
            await exporter.export(make_spans(1, first=1))
        assert path.stat().st_size == size + 10
        with pytest.raises(RetryableError, match="permission denied"):
            await exporter.export(make_spans(1, first=1))
    await exporter.export(make_spans(1, first=1))
    await exporter.shutdown()

    assert span_names(path) == ["span 0", "span 1"]


async def test_a_file_that_was_emptied_meanwhile_is_not_filled_with_zeros(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other programs copy the file and empty it: what was torn is gone then, too."""
    path = tmp_path / "spans.bin"
    exporter = await started(path)
    await exporter.export(make_spans(1))

    with monkeypatch.context() as patch:
        patch.setattr(os, "ftruncate", refuses)
        with largest_file(path.stat().st_size + 10), pytest.raises(RetryableError, match="file too large"):
            await exporter.export(make_spans(1, first=1))
    os.truncate(path, 0)
    await exporter.export(make_spans(1, first=1))
    await exporter.shutdown()

    assert span_names(path) == ["span 1"]


async def test_a_disk_that_hangs_takes_one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others wait on the loop, where a timeout reaches them, and the threads are there for other work."""
    path = tmp_path / "spans.bin"
    exporter = await started(path)
    begun: list[int] = []
    goes_on = threading.Event()
    append = RecordFile.append

    def hang(file: RecordFile, record: bytes) -> None:
        begun.append(len(record))
        assert goes_on.wait(10)
        append(file, record)

    monkeypatch.setattr(RecordFile, "append", hang)
    exports = [asyncio.ensure_future(exporter.export(make_spans(1, first=n))) for n in range(20)]
    await until(lambda: begun)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await exports[1]
    assert len(begun) == 1
    goes_on.set()
    await asyncio.gather(exports[0], *exports[2:])
    await exporter.shutdown()

    assert span_names(path) == [f"span {n}" for n in range(20) if n != 1]


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
