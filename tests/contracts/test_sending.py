"""The same promises for what stands before every exporter, in each of its ways to work."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.component import Delivery, Kind
from collector.errors import ConsumeError, PermanentError, RetryableError
from collector.sending.config import SendingConfig
from collector.service import Service
from collector.spans import SpanBatch
from collector.testing import Feed, SinkExporter, cancel_after, known, make_spans, running


class Slow(SinkExporter):
    """Takes a few turns of the loop for each batch."""

    config_type = SendingConfig

    async def export(self, batch: SpanBatch) -> Delivery:
        for _ in range(3):
            await asyncio.sleep(0)
        return await super().export(batch)


RETRY = "retry_on_failure: {initial_interval: 1ms, max_interval: 2ms, max_elapsed_time: 1s}"
WAYS = {
    "queue": RETRY,
    "no queue": f"{RETRY}, sending_queue: {{enabled: false}}",
    "no queue, no retries": "retry_on_failure: {enabled: false}, sending_queue: {enabled: false}",
    "wait for result": f"{RETRY}, sending_queue: {{wait_for_result: true}}",
    "small queue": f"{RETRY}, sending_queue: {{queue_size: 1, num_consumers: 1}}",
    "small queue that blocks": f"{RETRY}, sending_queue: {{queue_size: 1, num_consumers: 1, block_on_overflow: true}}",
    "queue on disk": f"{RETRY}, sending_queue: {{storage: file_storage}}",
    "small queue on disk": f"{RETRY}, sending_queue: {{storage: file_storage, queue_size: 1, num_consumers: 1}}",
    "small queue on disk that blocks": (
        f"{RETRY}, sending_queue: {{storage: file_storage, queue_size: 1, num_consumers: 1, block_on_overflow: true}}"
    ),
}

ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@pytest.fixture(autouse=True)
def _components(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("STORAGE", str(tmp_path))
    with known(Kind.EXPORTER, slow=Slow):
        yield


def yaml(*settings: str) -> str:
    exporters = ", ".join(f"slow/{index}: {{{text}}}" for index, text in enumerate(settings))
    ids = ", ".join(f"slow/{index}" for index in range(len(settings)))
    return f"""
extensions: {{file_storage: {{directory: "${{env:STORAGE}}"}}}}
receivers: {{feed: }}
exporters: {{{exporters}}}
service: {{extensions: [file_storage], pipelines: {{traces: {{receivers: [feed], exporters: [{ids}]}}}}}}
"""


def feed(service: Service) -> Feed:
    receiver = service.machine.receivers["feed"]
    assert isinstance(receiver, Feed)
    return receiver


def slow(service: Service, index: int = 0) -> Slow:
    exporter = service.machine.exporters[f"slow/{index}"].exporter
    assert isinstance(exporter, Slow)
    return exporter


def ends(service: Service, index: int = 0) -> int:
    account = service.machine.ledger.exporters[f"slow/{index}"]
    # What is on disk is there again at the next start.
    return account.delivered + account.failed.total() + (account.held() if account.is_durable else 0)


@ways
@pytest.mark.parametrize("error", [None, RetryableError("not now"), PermanentError("never"), ZeroDivisionError("bug")])
async def test_what_was_taken_is_delivered_or_counted(way: str, error: Exception | None) -> None:
    """After the shutdown every accepted span has come to one end."""
    async with running(yaml(way)) as service:
        slow(service).outcomes = [error, error] if error else []

        async def send(first: int) -> None:
            with contextlib.suppress(ConsumeError):
                await feed(service).send(make_spans(5, first=first))

        await asyncio.gather(*(send(first) for first in range(0, 40, 5)))

    assert feed(service).account.received == 40
    assert feed(service).account.accepted == ends(service)
    assert sum(len(batch) for batch in slow(service).batches) == service.machine.ledger.exporters["slow/0"].delivered


@ways
@pytest.mark.parametrize("steps", range(14))
async def test_cancelled_at_any_moment_nothing_is_half_taken(way: str, steps: int) -> None:
    """What was delivered was accepted, and what was accepted is delivered or counted."""
    async with running(yaml(way)) as service:
        await cancel_after(steps, lambda: feed(service).send(make_spans(5)))

    assert feed(service).account.accepted == ends(service)


@pytest.mark.parametrize("steps", range(14))
async def test_a_fan_out_that_is_cancelled_balances_in_every_branch(steps: int) -> None:
    """What one branch took is accepted, and booked in each of the others."""
    async with running(yaml(WAYS["queue"], WAYS["no queue"], WAYS["wait for result"])) as service:
        await cancel_after(steps, lambda: feed(service).send(make_spans(5)))

    assert {ends(service, index) for index in range(3)} == {feed(service).account.accepted}
