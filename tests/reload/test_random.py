"""One random configuration after another, under traffic: whatever they are, every accepted span comes to one end."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from collector.errors import ConfigError, ConsumeError, StartError
from collector.ledger import Reason
from collector.service import Service
from collector.testing import configure, make_spans, running, until

_PROCESSORS = ["filter", "attributes", "batch", "batch/2", "memory_limiter", "probabilistic_sampler"]
_QUEUES: list[dict[str, Any]] = [
    {},
    {"queue_size": 3},
    {"queue_size": 500, "sizer": "items", "num_consumers": 1},
    {"batch": {"min_size": 10, "flush_timeout": "5ms"}},
    {"storage": "file_storage"},
    {"storage": "file_storage", "batch": {"min_size": 10, "flush_timeout": "5ms"}, "queue_size": 20},
    {"wait_for_result": True},
    {"block_on_overflow": True, "queue_size": 2},
    {"enabled": False},
]


def configuration(dice: Random, directory: Path, *, wrong: bool = False) -> str:
    """Make one up. A `wrong` one can be read, and cannot be started."""
    exporters = {
        f"store/{id}": {
            "to": dice.choice("ab"),
            "sending_queue": dice.choice(_QUEUES),
            "retry_on_failure": {"initial_interval": "5ms", "max_interval": "10ms"},
        }
        for id in range(3)
    }
    processors = {
        "filter": {"trace_conditions": [f'span.name == "span {dice.randrange(40)}"']},
        "attributes": {"actions": [{"key": "a", "action": "insert", "value": dice.randrange(3)}]},
        "batch": {"timeout": dice.choice(["1ms", "1h"]), "send_batch_size": dice.choice([1, 20, 100])},
        "batch/2": {"timeout": "3ms"},
        "memory_limiter": {"check_interval": "1s", "limit_mib": dice.choice([10_000, 20_000])},
        "probabilistic_sampler": {"sampling_percentage": dice.choice([40, 100])},
    }
    pipelines = {
        name: {
            "receivers": ["feed"],
            "processors": dice.sample(_PROCESSORS, dice.randrange(4)),
            "exporters": dice.sample(list(exporters), dice.randint(1, 2)),
        }
        for name in dice.sample(["traces", "traces/2"], dice.randint(1, 2))
    }
    storage = {"directory": str(directory / dice.choice("xy")), "create_directory": not wrong}
    if wrong:
        storage["directory"] = str(directory / "nowhere")
    return json.dumps(
        {
            "extensions": {"file_storage": storage | {"fsync": dice.random() < 0.5}},
            "receivers": {"feed": {}},
            "processors": processors,
            "exporters": exporters,
            "service": {"extensions": ["file_storage"], "pipelines": pipelines},
        }
    )


@pytest.mark.parametrize("seed", range(6))
async def test_nothing_is_lost_without_a_number_and_a_reason(store: Any, tmp_path: Path, seed: int) -> None:
    """Backends fail now and then; figures never fall; and what the ledger calls delivered has arrived, once."""
    dice = Random(seed)
    stop = asyncio.Event()
    refused = 0

    async def traffic(first: int) -> None:
        nonlocal refused
        while not stop.is_set():
            feed: Any = service.machine.receivers["feed"]
            try:
                await feed.send(make_spans(4, first=first))
            except ConsumeError:
                refused += 1
            first += 4
            await asyncio.sleep(0.001)

    async with running(configuration(dice, tmp_path), shutdown_timeout=1) as service:
        clients = [asyncio.create_task(traffic(1_000_000 * number)) for number in range(3)]
        before = figures(service)
        for _ in range(12):
            await asyncio.sleep(0.01)
            store.down ^= set(dice.choice(["", "a", "b"]))
            wrong = dice.random() < 0.2
            with contextlib.suppress(ConfigError, StartError) if wrong else contextlib.nullcontext():
                await service.reload(configure(configuration(dice, tmp_path, wrong=wrong)))
            after = figures(service)
            assert all(after[name] >= count for name, count in before.items())
            before = after
        stop.set()
        store.down.clear()
        await asyncio.gather(*clients)
        held = [sender.settings.account for sender in service.machine.exporters.values()]
        await until(lambda: not any(account.held() for account in held))

    assert service.ledger.problems() == []
    accounts = service.ledger.exporters.values()
    assert sum(account.delivered for account in accounts) == store.arrived("a") + store.arrived("b")
    reasons = {reason for account in accounts for reason, spans in account.failed.items() if spans}
    assert reasons <= {Reason.SHUTDOWN, Reason.QUEUE_FULL}
    assert service.ledger.receivers["feed"].on("test").accepted > 0


def figures(service: Service) -> dict[str, int]:
    """What may only grow."""
    ledger = service.ledger
    ledger.refresh()
    return {
        **{f"{id} delivered": account.delivered for id, account in ledger.exporters.items()},
        **{f"{id} failed": account.failed.total() for id, account in ledger.exporters.items()},
        **{f"{id} taken": account.taken for id, account in ledger.pipelines.items()},
        **{f"{id} passed on": account.passed_on for id, account in ledger.pipelines.items()},
        **{f"{key} filtered": account.filtered for key, account in ledger.processors.items()},
    }
