"""Another configuration for a collector that runs: built beside the running one, started, and put in its place.

    build → start what is new → swap → end what is old

Until the swap nothing of what runs has changed, and whatever fails leaves it so. The swap is one step, in which nothing
waits. Then the last requests leave the old parts, which hand over or hand on what they hold and are shut down, while
the new ones work already. No port is closed, and nothing that was accepted is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol

from collector.component import Extension, Host, Leavings, Processor
from collector.drain import Drain, abandon
from collector.ledger import ExporterAccount, Ledger, ProcessorAccount
from collector.parts import Named, Stages, chain, stages
from collector.pipeline import Machine
from collector.sending.change import Leaving
from collector.sending.sender import Sender
from collector.succession import Succession, leave_on_disk
from collector.telemetry.logs import log
from collector.telemetry.metrics import Metrics

_PAUSE = 0.01
"""Seconds between looks whether the last requests have left a part that is about to end."""


class Startable(Protocol):
    """What is started and stopped: components, senders, servers."""

    async def start(self, host: Host) -> None:
        """Acquire what is needed to work."""

    async def shutdown(self) -> None:
        """Hand over what is held and release everything."""


Start = Callable[[Startable, str], Awaitable[None]]
"""Starts something, for which a section of the configuration is to blame. Raises `StartError`."""


class Replacement:
    """The way from one machine to the next, which was built beside it."""

    def __init__(self, old: Machine, new: Machine) -> None:
        self.old = old
        self.new = new
        self._before, self._after = stages(old), stages(new)
        self._stays = {id(each.part) for each in self._after.in_order()}
        self._fresh: list[tuple[str, Startable]] = []
        self._changed: list[tuple[str, Leaving]] = []
        self._succession: Succession | None = None

    @property
    def leavings(self) -> Leavings:
        """What the parts that end leave to those that are started in their places, by keys that name it."""
        changing = {id(change.sender) for change in self.new.changes}
        found: dict[str, Callable[[], Any]] = {}
        for each in self._before.in_order():
            if id(each.part) not in self._stays or id(each.part) in changing:
                found |= (each.part.exporter if isinstance(each.part, Sender) else each.part).leaves()
        return found

    async def start(self, start: Start) -> None:
        """Start what is new, back to front. Raises `StartError`; then `undo` is to be called."""
        runs = {id(each.part) for each in self._before.in_order()}
        changes = {id(change.sender): change.exporter for change in self.new.changes}
        for each in self._after.in_order():
            part: Startable | None = changes.get(id(each.part))
            if part is None and id(each.part) not in runs:
                part = each.part
            if part is not None:
                self._fresh.append((each.name, part))
                await start(part, each.path)

    async def undo(self, drain: Drain) -> None:
        """Shut down what was started in vain, front to back. What came to it meanwhile is handed on."""
        for each in reversed(self._fresh):
            await drain.stage([[each]])
        abandon(self._accounts(self._after, {id(part) for _, part in self._fresh}))

    def swap(self, ledger: Ledger, metrics: Metrics, host: Host) -> None:
        """Put the new machine in the place of the old one, whose ledger and metrics go on."""
        new = self.new
        self._succession = Succession(ledger, new.ledger)
        metrics.parts[:] = new.metrics.parts
        new.ledger, new.metrics = ledger, metrics
        self._changed = [(f"exporters::{each.sender.settings.id}", each.make(host)) for each in new.changes]
        new.changes.clear()
        new.connect()
        for each in self._ended(self._before.extensions):
            if isinstance(each.part, Extension):
                each.part.not_ready()
        for _, part in self._fresh:
            if isinstance(part, Extension):
                part.ready()

    async def end(self, drain: Drain) -> None:
        """Shut down what is not part of the new machine, front to back, when the last requests have left it."""
        before = self._before
        await drain.stage([chain([each]) for each in self._ended(before.receivers)], share=0.4)
        await drain.stage([[("the old pipelines", _Emptying(self.old))]], share=0.4)
        self._inherit()
        await drain.stage([chain(self._ended(processors)) for processors in before.chains], share=0.5)
        await drain.stage([[each] for each in chain(self._ended(before.connectors))], share=0.5)
        await drain.stage([[each] for each in (*chain(self._ended(before.exporters)), *self._changed)])
        await drain.stage([chain(reversed(self._ended(before.extensions)))])
        self._close_books()

    def _ended(self, named: Iterable[Named]) -> list[Named]:
        return [each for each in named if id(each.part) not in self._stays]

    def _inherit(self) -> None:
        """Have processors take over what those hold whose places they have."""
        heirs = {each.name: each.part for processors in self._after.chains for each in processors}
        for processors in self._before.chains:
            for each in self._ended(processors):
                heir = heirs.get(each.name)
                if isinstance(heir, Processor) and type(heir) is type(each.part):
                    heir.inherit(each.part)

    def _close_books(self) -> None:
        gone = {id(each.part) for each in self._ended(self._before.in_order())}
        accounts = self._accounts(self._before, gone)
        abandon(accounts)
        for name, account in accounts:
            if isinstance(account, ExporterAccount) and account.is_durable and (kept := leave_on_disk(account)):
                log.warning(f"{name} as it was has left {kept} spans on disk, which nobody reads now")
        if self._succession:
            self._succession.end()

    @staticmethod
    def _accounts(parts: Stages, which: set[int]) -> list[tuple[str, ProcessorAccount | ExporterAccount]]:
        """The accounts of those parts that may hold spans."""
        return [
            (each.name, each.part.settings.account)
            for each in parts.in_order()
            if isinstance(each.part, Processor | Sender) and id(each.part) in which
        ]


class _Emptying:
    """Waits for the last requests on their way through a machine's pipelines. It is stopped as a component is."""

    def __init__(self, machine: Machine) -> None:
        self._heads = list(machine.heads.values())
        self._offloads = list(machine.offloads.values())

    async def shutdown(self) -> None:
        while not self._empty():  # noqa: ASYNC110  the kernel's counts have nobody to set an event
            await asyncio.sleep(_PAUSE)

    def _empty(self) -> bool:
        return not any(head.in_flight for head in self._heads) and all(each.is_idle for each in self._offloads)
