"""The end of a collector: stopping stage after stage under one deadline, and the account of it all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Protocol

from collector.ledger import ExporterAccount, Ledger, ProcessorAccount, name_reasons
from collector.telemetry.logs import log

_FIRST_MOMENT = 0.05
"""Seconds that a component gets however late it is, so that it can at least release what it has."""

_LAST_MOMENT = 1.0
"""Seconds that a component gets to react when its shutdown is cancelled."""


class Stoppable(Protocol):
    """What can be shut down."""

    async def shutdown(self) -> None:
        """Hand over what is held and release everything."""


class Drain:
    """One deadline, in the time of the loop, for everything that is shut down; `hurry` moves it to now."""

    def __init__(self, deadline: float, hurry: asyncio.Event) -> None:
        self._deadline = deadline
        self._hurry = hurry

    async def stage(self, chains: Sequence[Sequence[tuple[str, Stoppable]]], *, share: float = 1.0) -> None:
        """Shut down some components, in order within a chain, all chains at the same time.

        The stage may use that share of the time that is left: who is stuck must not take the time of those behind.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + share * max(0.0, self._deadline - loop.time())
        stopping = {loop.create_task(_stop(chain)) for chain in chains if chain}
        hurry = loop.create_task(self._hurry.wait())
        try:
            while (pending := {task for task in stopping if not task.done()}) and not hurry.done():
                if loop.time() >= until:
                    break
                await asyncio.wait({*pending, hurry}, timeout=until - loop.time(), return_when=asyncio.FIRST_COMPLETED)
        finally:
            hurry.cancel()
        if pending:
            await asyncio.wait(pending, timeout=_FIRST_MOMENT)
            for task in pending:
                task.cancel()
            await asyncio.wait(pending, timeout=_LAST_MOMENT)


async def _stop(chain: Sequence[tuple[str, Stoppable]]) -> None:
    """Shut down one after the other. When it is cancelled, those that are left are still told, and at once."""
    cancelled = False
    for name, component in chain:
        stopping = asyncio.ensure_future(component.shutdown())
        if cancelled:
            await asyncio.wait([stopping], timeout=_FIRST_MOMENT)
            stopping.cancel()
        try:
            await stopping
        except asyncio.CancelledError:
            cancelled = True
            log.warning(f"{name} did not finish its shutdown in time")
        except Exception:
            log.exception(f"a bug in {name}: its shutdown failed")


def abandon(accounts: Iterable[tuple[str, ProcessorAccount | ExporterAccount]]) -> None:
    """Book what those still hold that are shut down, and that is not on disk, as lost."""
    for name, account in accounts:
        if spans := account.abandon():
            log.error(f"{name} lost {spans} spans: the shutdown deadline passed before they could be handed on")


def report(ledger: Ledger) -> None:
    """Book what is still held as lost, and say what became of all spans."""
    ledger.refresh()
    abandon((f"processors::{id} in {pipeline}", account) for (pipeline, id), account in ledger.processors.items())
    abandon((f"exporters::{id}", account) for id, account in ledger.exporters.items())
    for id, accounts in ledger.receivers.items():
        for transport, inn in accounts.transports.items():
            log.info(
                f"receivers::{id}: received {inn.received} spans over {transport}, accepted {inn.accepted},"
                f" refused {inn.refused}; requests {inn.requests_received}, refused {inn.requests_refused}"
            )
    for pipeline, account in ledger.pipelines.items():
        log.info(
            f"pipelines::{pipeline}: took {account.taken} spans,"
            f" filtered {account.filtered}, sampled out {account.sampled_out},"
            f" failed {name_reasons(account.all_failed)}, passed on {account.passed_on}"
        )
        if account.saved:
            log.info(f"pipelines::{pipeline}: saved {account.saved} spans for the next start")
    for id, out in ledger.exporters.items():
        log.info(
            f"exporters::{id}: was offered {out.offered} spans, delivered {out.delivered},"
            f" failed {name_reasons(out.failed)}"
        )
        if out.is_durable and (kept := out.held()):
            log.info(f"exporters::{id}: keeps {kept} spans on disk for the next start")
    for id, connector in ledger.connectors.items():
        log.info(
            f"connectors::{id}: was shown {connector.taken} spans, counted {connector.counted},"
            f" without service.name {connector.unnamed}, without room {connector.homeless},"
            f" failed {name_reasons(connector.failed)}"
        )
    for id, points in ledger.metrics_exporters.items():
        log.info(
            f"exporters::{id}: was offered {points.offered} data points of metrics, delivered {points.delivered},"
            f" superseded {points.superseded}, failed {name_reasons(points.failed)}"
        )
    for problem in ledger.problems():
        log.warning(f"the ledger does not balance: {problem}")
