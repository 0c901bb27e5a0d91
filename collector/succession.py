"""The accounts of one configuration after another: what was counted before goes on, under the same ids.

A component that is replaced has an account of its own, and so has its successor. What the old one still counts while it
drains moves over whenever somebody reads, so that a figure never falls. Accounts without a successor stay as they are:
what became of their spans is part of the story.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import TypeVar

from collector.ledger import Account, ExporterAccount, Ledger, PointsAccount, ProcessorAccount, nothing_held

Held = Callable[[], int]
_Holder = ProcessorAccount | ExporterAccount | PointsAccount
_Key = TypeVar("_Key")
_AccountT = TypeVar("_AccountT", bound=Account)


class Succession:
    """The time during which old accounts and new ones count for the same ids, from its creation to its `end`."""

    def __init__(self, ledger: Ledger, draft: Ledger) -> None:
        self._ledger = ledger
        self._receivers = _replace(ledger.receivers, draft.receivers)
        self._pipelines = _replace(ledger.pipelines, draft.pipelines)
        self._processors = _replace(ledger.processors, draft.processors)
        self._exporters = _replace(ledger.exporters, draft.exporters)
        self._connectors = _replace(ledger.connectors, draft.connectors)
        self._metrics_exporters = _replace(ledger.metrics_exporters, draft.metrics_exporters)
        self._own_held: list[tuple[_Holder, Held]] = []
        for (pipeline, _), account in ledger.processors.items():
            # One that is gone has dropped spans which the pipeline took.
            known = ledger.pipelines[pipeline].processors
            if not any(other is account for other in known):
                known.append(account)
        for processor, old_processor in self._processors:
            self._hold_together(processor, old_processor)
        for exporter, old_exporter in self._exporters:
            self._hold_together(exporter, old_exporter)
        for points, old_points in self._metrics_exporters:
            self._hold_together(points, old_points)
        self._ending = [*ledger.sources, self._settle]
        ledger.sources[:] = [*self._ending, *draft.sources]

    def end(self) -> None:
        """Hear that what was replaced has ended."""
        self._ledger.refresh()
        for account, held in self._own_held:
            account.held = held
        del self._ledger.sources[: len(self._ending)]

    def _hold_together(self, new: _Holder, old: _Holder) -> None:
        own = new.held
        self._own_held.append((new, own))
        new.held = lambda: own() + old.held()

    def _settle(self) -> None:
        """Move what the old accounts have counted by now."""
        for receiver, old_receiver in self._receivers:
            for source in old_receiver.sources:
                source()
            for transport, account in old_receiver.transports.items():
                _move(account, receiver.on(transport))
        for pairs in (
            self._pipelines,
            self._processors,
            self._exporters,
            self._connectors,
            self._metrics_exporters,
        ):
            for new, old in pairs:
                _move(old, new)


def leave_on_disk(account: ExporterAccount) -> int:
    """Take what stays on disk off the books of an exporter that is gone, and say how many spans that is.

    Whoever opens that queue again is offered them.
    """
    kept = account.held()
    account.offered -= kept
    account.held = nothing_held
    return kept


def _replace(accounts: dict[_Key, _AccountT], drafts: Mapping[_Key, _AccountT]) -> list[tuple[_AccountT, _AccountT]]:
    """Put new accounts in the place of old ones, and give the pairs."""
    pairs = [(new, old) for key, new in drafts.items() if (old := accounts.get(key)) and old is not new]
    accounts.update(drafts)
    return pairs


def _move(source: Account, target: Account) -> None:
    for field in fields(source):
        value = getattr(source, field.name)
        if isinstance(value, Counter):
            getattr(target, field.name).update(value)
            value.clear()
        elif isinstance(value, deque):
            getattr(target, field.name).extend(value)
            value.clear()
        elif isinstance(value, int) and not isinstance(value, bool):
            setattr(target, field.name, getattr(target, field.name) + value)
            setattr(source, field.name, 0)
