"""Another configuration for a collector that runs: what stays, what is replaced, and where its spans go."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from collector.errors import ConfigError, RetryableError, StartError
from collector.ledger import Reason
from collector.service import Service
from collector.telemetry.exposition import exposition
from collector.testing import configure, make_spans, running, spans_in, until

YAML = """
extensions: {file_storage: {directory: "${env:STORAGE}"}}
receivers: {feed: }
processors:
  filter: {traces: {span: ['name == "span 0"']}}
  batch: {send_batch_size: 1000, timeout: 1h}
exporters:
  store: {to: a, retry_on_failure: {initial_interval: 10ms, max_interval: 20ms}}
service:
  extensions: [file_storage]
  pipelines:
    traces: {receivers: [feed], processors: [filter, batch], exporters: [store]}
"""
DIRECT = YAML.replace("processors: [filter, batch]", "processors: [filter]")


@pytest.fixture(autouse=True)
def _storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE", str(tmp_path))


async def send(service: Service, spans: int, first: int = 1) -> None:
    feed: Any = service.machine.receivers["feed"]
    await feed.send(make_spans(spans, first=first))


def with_queue(text: str, yaml: str = DIRECT) -> str:
    return yaml.replace("to: a,", f"to: a, sending_queue: {{{text}}},")


def samples(service: Service, name: str) -> list[str]:
    return [line for line in exposition(service.metrics).splitlines() if line.startswith(name)]


async def test_what_is_the_same_stays() -> None:
    """With the same text again no component is another one, and what is held is where it was."""
    async with running(YAML) as service:
        before = service.machine
        await send(service, 5)

        await service.reload(configure(YAML))

        after = service.machine
        assert after is not before
        assert after.extensions == before.extensions
        assert after.receivers == before.receivers
        assert after.exporters == before.exporters
        assert (
            dict(after.processors["traces"])["processors::batch"]
            is dict(before.processors["traces"])["processors::batch"]
        )
        assert after.members == before.members
        assert service.ledger.processors["traces", "batch"].held() == 5
        assert service.ledger.problems() == []
        assert samples(service, "spanmill_reloads") == [
            'spanmill_reloads{outcome="applied"} 1',
            'spanmill_reloads{outcome="refused"} 0',
        ]


async def test_another_processor_in_its_place_goes_on_counting(store: Any) -> None:
    """Spans go through the new one from then on, and figures under the id never fall."""
    async with running(DIRECT) as service:
        await send(service, 3, first=0)
        await until(lambda: store.arrived("a") == 2)

        await service.reload(configure(DIRECT.replace("span 0", "span 1")))
        await send(service, 3, first=0)

        await until(lambda: store.arrived("a") == 4)
        assert [span.name for span in spans_in(*store.backends["a"])] == ["span 1", "span 2", "span 0", "span 2"]
        account = service.ledger.processors["traces", "filter"]
        assert (account.taken, account.filtered, account.passed_on) == (6, 2, 4)
        assert service.ledger.pipelines["traces"].filtered == 2
        assert service.ledger.problems() == []


async def test_a_processor_that_is_gone_is_still_accounted_for(store: Any) -> None:
    """What it dropped is part of what its pipeline took; when it comes back, it counts on."""
    without = DIRECT.replace("processors: [filter]", "processors: []")
    async with running(DIRECT) as service:
        await send(service, 3, first=0)
        await service.reload(configure(without))
        await send(service, 3, first=0)

        assert service.ledger.pipelines["traces"].taken == 6
        assert service.ledger.pipelines["traces"].filtered == 1
        assert service.ledger.problems() == []

        await service.reload(configure(DIRECT))
        await send(service, 3, first=0)
        assert service.ledger.processors["traces", "filter"].filtered == 2
        assert service.ledger.problems() == []
    assert store.arrived("a") == 7


async def test_what_a_batch_processor_holds_goes_to_its_heir(store: Any) -> None:
    """The new settings decide when it leaves, also over a backend that refuses."""
    async with running(YAML) as service:
        await send(service, 5)
        await service.reload(configure(YAML.replace("send_batch_size: 1000", "send_batch_size: 8")))
        assert service.ledger.processors["traces", "batch"].held() == 5
        assert store.arrived("a") == 0

        await send(service, 5, first=6)

        await until(lambda: store.arrived("a") == 10)
        assert [len(batch) for batch in store.backends["a"]] == [10]
        account = service.ledger.processors["traces", "batch"]
        assert (account.taken, account.passed_on) == (10, 10)
        assert service.ledger.problems() == []


async def test_a_batch_processor_that_is_gone_hands_on_what_it_holds(store: Any) -> None:
    """To the stages that it knew, which lead to the exporter that is there."""
    async with running(YAML) as service:
        await send(service, 5)

        await service.reload(configure(DIRECT))

        await until(lambda: store.arrived("a") == 5)
        assert service.ledger.processors["traces", "batch"].held() == 0
        assert service.ledger.problems() == []


QUEUES = {
    "memory": "queue_size: 50",
    "larger": "queue_size: 500, sizer: items",
    "gathering": "batch: {min_size: 3, flush_timeout: 10ms}",
    "few consumers": "num_consumers: 1, block_on_overflow: true",
    "disk": "storage: file_storage",
    "disk, gathering": "storage: file_storage, batch: {min_size: 3, flush_timeout: 10ms}",
    "waiting": "wait_for_result: true",
    "none": "enabled: false",
}
HOLDING = [name for name in QUEUES if name not in {"waiting", "none"}]


@pytest.mark.parametrize("after", QUEUES)
@pytest.mark.parametrize("before", HOLDING)
async def test_what_a_queue_holds_goes_to_the_new_backend(store: Any, before: str, after: str) -> None:
    """The old one never answers. Whatever the queues are like, everything arrives once, and nothing is lost."""
    store.down.add("a")
    async with running(with_queue(QUEUES[before])) as service:
        for first in range(1, 40, 4):
            await send(service, 4, first=first)
        await until(lambda: service.ledger.exporters["store"].retries)

        await service.reload(configure(with_queue(QUEUES[after]).replace("to: a", "to: b")))

        await send(service, 4, first=41)
        await until(lambda: store.arrived("b") == 44)
        await until(lambda: service.ledger.exporters["store"].held() == 0)
        account = service.ledger.exporters["store"]
        assert (account.offered, account.delivered, account.failed.total()) == (44, 44, 0)
        assert service.ledger.problems() == []
    ids = {span.span_id for span in spans_in(*store.backends["b"])}
    assert len(ids) == 44


async def test_what_is_too_large_for_the_queue_that_follows_goes_in_parts(store: Any) -> None:
    """A batch that the old one took is not lost because the new one takes smaller ones."""
    store.down.add("a")
    smaller = with_queue("storage: file_storage, sizer: items, queue_size: 20").replace("to: a", "to: b")
    async with running(with_queue("queue_size: 50")) as service:
        await send(service, 70)
        await service.reload(configure(smaller))
        await until(lambda: store.arrived("b") == 70)
        assert service.ledger.exporters["store"].failed.total() == 0


async def test_the_kernel_feeds_a_queue_as_long_as_nobody_waits_for_room(store: Any) -> None:
    """Which the new settings say, also while the old ones are still in force."""
    async with running(with_queue("queue_size: 50")) as service:
        assert service.machine.offloads
        await service.reload(configure(with_queue("queue_size: 50, block_on_overflow: true")))
        assert not service.machine.offloads
        await service.reload(configure(with_queue("queue_size: 60")))
        assert service.machine.offloads


@pytest.mark.parametrize("queue", ["waiting", "none"])
async def test_who_waits_for_the_backend_hears_its_answer(store: Any, queue: str) -> None:
    """A request that is under way ends in the new configuration."""
    store.down.add("a")
    async with running(with_queue(QUEUES[queue])) as service:
        sending = asyncio.create_task(send(service, 4))
        await until(lambda: service.ledger.exporters["store"].retries > 1)

        await service.reload(configure(with_queue(QUEUES[queue]).replace("to: a", "to: b")))

        await sending
    assert store.arrived("b") == 4


async def test_a_queue_in_another_directory_follows(store: Any, tmp_path: Path) -> None:
    """What is on disk in the old one goes to the new one, and the old one is left empty."""
    store.down.add("a")
    (tmp_path / "b").mkdir()
    disk = with_queue("storage: file_storage")
    async with running(disk) as service:
        await send(service, 4)
        await service.reload(configure(disk.replace("${env:STORAGE}", "${env:STORAGE}/b")))
        assert service.ledger.exporters["store"].held() == 4
        assert list((tmp_path / "exporters_store").glob("*.journal")) == []
        store.down.clear()
        await until(lambda: store.arrived("a") == 4)


async def test_limits_of_a_queue_on_disk_change_where_it_is(store: Any) -> None:
    """The extension is another one, the directory the same: nobody closes the queue."""
    store.down.add("a")
    disk = with_queue("storage: file_storage, queue_size: 1")
    async with running(disk) as service:
        await send(service, 1)
        with pytest.raises(RetryableError, match="full"):
            await send(service, 1)
        sender = service.machine.exporters["store"]

        larger = (
            disk.replace("queue_size: 1", "queue_size: 3")
            .replace("STORAGE}", "STORAGE}")
            .replace("file_storage: {directory", "file_storage: {fsync: false, directory")
        )
        await service.reload(configure(larger))

        assert service.machine.exporters["store"] is sender
        await send(service, 1, first=2)
        assert service.ledger.exporters["store"].held() == 2
        assert service.ledger.exporters["store"].failed == {}
        store.down.clear()


async def test_a_durable_exporter_that_is_gone_leaves_its_spans_on_disk(
    store: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Which is said, and they are delivered when it comes back."""
    store.down.add("a")
    disk = with_queue("storage: file_storage")
    other = disk.replace("  store:", "  store/2: {to: b}\n  store:").replace("[store]", "[store/2]")
    async with running(disk, shutdown_timeout=2) as service:
        await send(service, 4)

        await service.reload(configure(other))
        assert "exporters::store as it was has left 4 spans on disk, which nobody reads now" in caplog.text
        assert service.ledger.problems() == []
        assert service.ledger.exporters["store"].failed == {}

        store.down.clear()
        await service.reload(configure(disk))
        await until(lambda: store.arrived("a") == 4)
        account = service.ledger.exporters["store"]
        assert (account.offered, account.delivered) == (4, 4)


async def test_an_exporter_that_is_gone_loses_by_number_what_it_cannot_deliver(
    store: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """As at a shutdown: one last attempt, a reason, and a line in the log."""
    store.down.add("a")
    other = DIRECT.replace("  store:", "  store/2: {to: b}\n  store:").replace("[store]", "[store/2]")
    async with running(DIRECT, shutdown_timeout=2) as service:
        await send(service, 4)
        await service.reload(configure(other))
        assert service.ledger.exporters["store"].failed == {Reason.SHUTDOWN: 4}
        assert "4 spans lost (shutdown deadline)" in caplog.text
        assert service.ledger.problems() == []


WRONG = {
    "unknown processor": ("processors: [filter]", "processors: [nope]"),
    "wrong statement": ('name == \\"span 0\\"', "name =="),
    "nothing to start": ('directory: "${env:STORAGE}"', 'directory: "${env:STORAGE}/nowhere"'),
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_wrong_configuration_leaves_the_old_one(store: Any, wrong: str) -> None:
    """Whether it cannot be read, built or started: nothing has changed, and nothing of it is left."""
    before, after = WRONG[wrong]
    broken = (
        DIRECT.replace("'name == \"span 0\"'", '"name == \\"span 0\\""')
        .replace(before, after)
        .replace("to: a", "to: b")
    )
    assert after in broken
    async with running(DIRECT) as service:
        machine, tasks = service.machine, asyncio.all_tasks()
        await send(service, 3, first=0)

        with pytest.raises((ConfigError, StartError)):
            await service.reload(configure(broken))

        assert service.machine is machine
        await until(lambda: asyncio.all_tasks() == tasks)
        await send(service, 3, first=0)
        await until(lambda: store.arrived("a") == 4)
        assert service.ledger.processors["traces", "filter"].filtered == 2
        assert service.ledger.problems() == []


async def test_pipelines_come_and_go(store: Any) -> None:
    """A receiver feeds the ones that there are, and a figure of one that is gone stays."""
    two = DIRECT.replace("pipelines:", "pipelines:\n    traces/2: {receivers: [feed], exporters: [store/2]}").replace(
        "  store:", "  store/2: {to: b}\n  store:"
    )
    async with running(DIRECT) as service:
        await send(service, 2)
        await service.reload(configure(two))
        await send(service, 2)
        await service.reload(configure(DIRECT))
        await send(service, 2)

        await until(lambda: (store.arrived("a"), store.arrived("b")) == (6, 2))
        assert service.ledger.pipelines["traces/2"].taken == 2
        assert service.ledger.problems() == []


async def test_a_shutdown_waits_for_what_is_left_of_the_old_configuration(store: Any) -> None:
    """Within its deadline, and what could not be handed over is counted."""
    store.down.add("a")
    none = DIRECT.replace("  store:", "  store/2: {to: b}\n  store:").replace("[store]", "[store/2]")
    slow = YAML.replace("retry_on_failure: {", "sending_queue: {queue_size: 1}, retry_on_failure: {")
    service = Service(configure(slow), shutdown_timeout=1)
    await service.start()
    await send(service, 2)
    await service.reload(configure(slow.replace("timeout: 1h", "timeout: 1ms")))
    await send(service, 2, first=10)
    await until(service.ledger.exporters["store"].held)
    reloading = asyncio.create_task(service.reload(configure(none)))
    await until(lambda: service.machine.exporters.keys() == {"store/2"})

    await service.shutdown()

    await asyncio.wait([reloading])
    assert service.ledger.problems() == []
    lost = (
        service.ledger.exporters["store"].failed[Reason.SHUTDOWN]
        + service.ledger.pipelines["traces"].all_failed.total()
    )
    assert lost == 4
