"""Queues on disk: what was taken outlives the process."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from collector.component import Delivery
from collector.config.types import Duration
from collector.errors import PermanentError, RetryableError, StartError, TooLargeError
from collector.extensions.file_storage import FileStorageConfig, FileStorageExtension
from collector.ledger import ExporterAccount, Reason
from collector.sending.config import QueueBatchConfig, QueueConfig, RetryConfig, SendingConfig, Sizer
from collector.sending.sender import Sender
from collector.spans import SpanBatch
from collector.telemetry.exposition import exposition
from collector.testing import SinkExporter, StubHost, extension_settings, make_spans, spans_in, until

SOON = RetryConfig(initial_interval=Duration(0.001), max_interval=Duration(0.001), max_elapsed_time=Duration(0))
LATE = RetryConfig(initial_interval=Duration(1000), max_interval=Duration(1000), max_elapsed_time=Duration(0))
NEVER = RetryConfig(enabled=False)


class Dead(SinkExporter):
    """Its backend is away."""

    async def export(self, batch: SpanBatch) -> Delivery:
        raise RetryableError("away")


def host(directory: Path, **storage: Any) -> StubHost:
    """A service with a storage in this directory."""
    config = FileStorageConfig(directory=str(directory), timeout=Duration(0), **storage)
    return StubHost({"file_storage": FileStorageExtension(config, extension_settings("file_storage"))})


@asynccontextmanager
async def running(
    exporter: SinkExporter, host: StubHost, retry: RetryConfig = SOON, **queue: Any
) -> AsyncIterator[Sender]:
    config = SendingConfig(retry_on_failure=retry, sending_queue=QueueConfig(storage="file_storage", **queue))
    sender = Sender(exporter, config, exporter.settings)
    await sender.start(host)
    try:
        yield sender
    finally:
        await sender.shutdown()


def account(exporter: SinkExporter) -> ExporterAccount:
    return exporter.settings.account


def names(exporter: SinkExporter) -> list[str]:
    return [span.name for span in spans_in(*exporter.batches)]


def segments(directory: Path) -> list[Path]:
    """The files that hold spans."""
    return sorted(directory.glob("*/*.journal"))


async def leave(directory: Path, *batches: SpanBatch) -> None:
    """Leave batches on disk, as a run does whose backend is away."""
    exporter = Dead()
    async with running(exporter, host(directory), LATE) as sender:
        for batch in batches:
            await sender.consume(batch)
    assert account(exporter).held() >= sum(len(batch) for batch in batches)


async def test_delivers_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """In the order of arrival, and the disk is empty at the end."""
    exporter = SinkExporter()
    async with running(exporter, host(tmp_path), num_consumers=1) as sender:
        for first in range(0, 30, 3):
            await sender.consume(make_spans(3, first=first))
        await until(lambda: account(exporter).delivered == 30)

    assert names(exporter) == [f"span {i}" for i in range(30)]
    assert account(exporter).problem() is None
    assert account(exporter).held() == 0
    assert segments(tmp_path) == []


async def test_what_an_earlier_run_has_left_comes_first(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is offered and delivered in this run, and was lost in none."""
    await leave(tmp_path, make_spans(2), make_spans(2, first=2))

    exporter = SinkExporter()
    with caplog.at_level(logging.INFO):
        async with running(exporter, host(tmp_path), num_consumers=1) as sender:
            await sender.consume(make_spans(1, first=4))
            await until(lambda: account(exporter).delivered == 5)

    assert names(exporter) == [f"span {i}" for i in range(5)]
    assert (account(exporter).offered, account(exporter).problem()) == (5, None)
    assert "4 spans in 2 batches are on disk from an earlier run" in caplog.text


async def test_shutdown_leaves_on_disk_what_the_backend_does_not_take(tmp_path: Path) -> None:
    """Whatever is under way, waits for a retry, or was never tried."""
    exporter = Dead()
    async with running(exporter, host(tmp_path), LATE, num_consumers=2) as sender:
        for first in range(8):
            await sender.consume(make_spans(1, first=first))

    assert (account(exporter).held(), account(exporter).failed.total()) == (8, 0)
    assert account(exporter).abandon() == 0
    assert account(exporter).problem() is None


async def test_a_shutdown_that_is_cancelled_loses_nothing(tmp_path: Path) -> None:
    """An attempt that hangs is cut off, and its batch is there at the next start."""

    class Hanging(SinkExporter):
        async def export(self, batch: SpanBatch) -> Delivery:
            await asyncio.Event().wait()
            raise AssertionError

    exporter = Hanging()
    config = SendingConfig(timeout=Duration(0), sending_queue=QueueConfig(storage="file_storage"))
    sender = Sender(exporter, config, exporter.settings)
    await sender.start(host(tmp_path))
    await sender.consume(make_spans(3))
    await until(lambda: sender.in_flight == 1)
    stopping = asyncio.ensure_future(sender.shutdown())
    await asyncio.sleep(0)
    stopping.cancel()
    await asyncio.wait([stopping])

    again = SinkExporter()
    async with running(again, host(tmp_path)):
        await until(lambda: account(again).delivered == 3)


async def test_without_retries_a_loss_is_final_and_counted(tmp_path: Path) -> None:
    """The disk keeps nothing that nobody will send again."""
    exporter = Dead()
    async with running(exporter, host(tmp_path), NEVER) as sender:
        await sender.consume(make_spans(3))
        await until(lambda: account(exporter).failed.total() == 3)

    assert account(exporter).failed == {Reason.RETRIES_EXHAUSTED: 3}
    assert segments(tmp_path) == []


async def test_what_is_damaged_is_counted_and_takes_nothing_along(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A flipped byte costs its batch, with a number and a reason."""
    for first in (0, 2):
        await leave(tmp_path, make_spans(2, first=first))
    older = segments(tmp_path)[0]
    data = bytearray(older.read_bytes())
    data[-3] ^= 1
    older.write_bytes(data)

    exporter = SinkExporter()
    async with running(exporter, host(tmp_path)):
        await until(lambda: account(exporter).delivered == 2)

    assert names(exporter) == ["span 2", "span 3"]
    assert account(exporter).failed == {Reason.DAMAGED: 2}
    assert (account(exporter).offered, account(exporter).problem()) == (4, None)
    assert "2 spans lost (damaged on disk)" in caplog.text


async def test_what_is_missing_is_counted_at_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Somebody has deleted a file."""
    for first in (0, 2):
        await leave(tmp_path, make_spans(2, first=first))
    segments(tmp_path)[0].unlink()

    exporter = SinkExporter()
    async with running(exporter, host(tmp_path)):
        await until(lambda: account(exporter).delivered == 2)

    assert account(exporter).failed == {Reason.DAMAGED: 2}
    assert account(exporter).problem() is None
    assert "is missing, up to 2 spans" in caplog.text


async def test_a_full_queue_refuses_until_the_backend_takes_something(tmp_path: Path) -> None:
    """What is under way counts, as in memory."""
    exporter = Dead()
    async with running(exporter, host(tmp_path), LATE, sizer=Sizer.ITEMS, queue_size=5) as sender:
        with pytest.raises(TooLargeError, match="larger than the sending queue's queue_size 5"):
            await sender.consume(make_spans(6))
        await sender.consume(make_spans(3))
        with pytest.raises(RetryableError, match="sending queue is full"):
            await sender.consume(make_spans(3))
        await sender.consume(make_spans(2))
        assert (sender.queue_size, account(exporter).refused) == (5, 9)


async def test_a_full_storage_refuses(tmp_path: Path) -> None:
    """`max_size` bounds the files, and what is larger than it will never fit."""
    exporter = Dead()
    size = make_spans(10).size
    async with running(exporter, host(tmp_path, max_size=10 * size), LATE) as sender:
        with pytest.raises(TooLargeError, match="larger than the storage takes"):
            await sender.consume(make_spans(200))
        for first in range(0, 70, 10):
            await sender.consume(make_spans(10, first=first))
        with pytest.raises(RetryableError, match="storage is full"):
            await asyncio.gather(*(sender.consume(make_spans(10, first=first)) for first in range(70, 120, 10)))
        assert sum(path.stat().st_size for path in segments(tmp_path)) <= 10 * size
    assert account(exporter).problem() is None


async def test_callers_may_wait_for_room(tmp_path: Path) -> None:
    """With `block_on_overflow`, in the order in which they came."""
    exporter = SinkExporter()
    async with running(exporter, host(tmp_path), queue_size=1, num_consumers=1, block_on_overflow=True) as sender:
        async with asyncio.timeout(20):
            await asyncio.gather(*(sender.consume(make_spans(1, first=first)) for first in range(10)))
        await until(lambda: account(exporter).delivered == 10)

    assert names(exporter) == [f"span {i}" for i in range(10)]


async def test_memory_holds_a_bounded_part_of_what_the_disk_holds(tmp_path: Path) -> None:
    """What does not fit into `max_bytes` is read from disk when it is its turn."""
    exporter = Dead()
    size = make_spans(50).pinned
    async with running(exporter, host(tmp_path), LATE, num_consumers=1, max_bytes=3 * size) as sender:
        for first in range(20):
            await sender.consume(make_spans(50, first=50 * first))
        page = exposition(exporter.settings.metrics)
        held = re.search(r"^spanmill_exporter_queue_bytes\{.*\} (\d+)$", page, re.MULTILINE)
        assert held
        assert 0 < int(held[1]) <= 5 * size
        assert re.search(r"^spanmill_exporter_queue_disk_bytes\{.*\} [1-9]", page, re.MULTILINE)

    again = SinkExporter()
    async with running(again, host(tmp_path), num_consumers=1, max_bytes=3 * size):
        await until(lambda: account(again).delivered == 1000)
    assert names(again) == [f"span {i}" for i in range(1000)]


async def test_what_the_disk_does_not_take_is_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The client is told to come back, and it is said once."""
    exporter = SinkExporter()
    async with running(exporter, host(tmp_path)) as sender:
        directory = tmp_path / "exporters_test"
        moved = directory.rename(tmp_path / "moved")
        for _ in range(2):
            with pytest.raises(RetryableError, match="the sending queue cannot write: No such file"):
                await sender.consume(make_spans(1))
        moved.rename(directory)
        await sender.consume(make_spans(1))
        await until(lambda: account(exporter).delivered == 1)

    assert (account(exporter).offered, account(exporter).refused) == (1, 2)
    assert caplog.text.count("spans are refused: the sending queue cannot write") == 1


async def test_a_directory_belongs_to_one_queue(tmp_path: Path) -> None:
    """A second collector must not deliver the same spans."""
    async with running(SinkExporter(), host(tmp_path)):
        with pytest.raises(StartError, match=r"sending_queue::storage: cannot open .* it is in use by process \d+"):
            async with running(SinkExporter(), host(tmp_path)):
                pass


async def test_a_refused_batch_is_not_kept(tmp_path: Path) -> None:
    """Nor is one that the backend will never take."""
    exporter = SinkExporter()
    exporter.outcomes = [PermanentError("never")]
    async with running(exporter, host(tmp_path)) as sender:
        await sender.consume(make_spans(2))
        await until(lambda: account(exporter).failed.total() == 2)
    assert segments(tmp_path) == []


async def test_gathers_behind_the_disk(tmp_path: Path) -> None:
    """Many small requests become a few large ones, and each is finished with the one it is in."""
    await leave(tmp_path, *(make_spans(10, first=10 * i) for i in range(20)))

    exporter = SinkExporter()
    batch = QueueBatchConfig(min_size=50, flush_timeout=Duration(1000))
    async with running(exporter, host(tmp_path), num_consumers=1, batch=batch):
        await until(lambda: account(exporter).delivered == 200)

    assert [len(batch) for batch in exporter.batches] == [50, 50, 50, 50]
    assert names(exporter) == [f"span {i}" for i in range(200)]
    assert segments(tmp_path) == []


async def test_what_is_damaged_among_what_is_gathered_is_counted(tmp_path: Path) -> None:
    """The others of its batch are delivered."""
    await leave(tmp_path, *(make_spans(10, first=10 * i) for i in range(3)))
    await leave(tmp_path, make_spans(10, first=30))
    older = segments(tmp_path)[0]
    data = bytearray(older.read_bytes())
    data[-3] ^= 1
    older.write_bytes(data)

    exporter = SinkExporter()
    batch = QueueBatchConfig(min_size=30, flush_timeout=Duration(1000))
    async with running(exporter, host(tmp_path), batch=batch):
        await until(lambda: account(exporter).delivered == 30)

    assert names(exporter) == [f"span {i}" for i in (*range(20), *range(30, 40))]
    assert (account(exporter).failed, account(exporter).problem()) == ({Reason.DAMAGED: 10}, None)


async def test_what_is_gathered_and_not_sent_is_kept(tmp_path: Path) -> None:
    """A shutdown does not hurry a batch that is on disk."""
    exporter = SinkExporter()
    batch = QueueBatchConfig(min_size=50, flush_timeout=Duration(1000))
    async with running(exporter, host(tmp_path), batch=batch) as sender:
        await sender.consume(make_spans(10))

    assert (exporter.batches, account(exporter).held()) == ([], 10)
