"""The ledger from outside: what became of all spans, as a document and as lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from collector.ledger import Ledger, Reason, name_reasons
from collector.set_aside import SetAside

Document = Mapping[str, Any]


def document(ledger: Ledger) -> Document:
    """Say what all accounts say at this moment, in plain values: sections, ids, and counts of spans by name."""
    ledger.refresh()
    return {
        "receivers": {
            id: {
                transport: {
                    "received": account.received,
                    "accepted": account.accepted,
                    "refused": account.refused,
                    "requests_received": account.requests_received,
                    "requests_accepted": account.requests_accepted,
                    "requests_refused": account.requests_refused,
                    "requests_malformed": account.requests_malformed,
                }
                for transport, account in accounts.transports.items()
            }
            for id, accounts in ledger.receivers.items()
        },
        "pipelines": {
            id: {
                "taken": account.taken,
                "filtered": account.filtered,
                "sampled_out": account.sampled_out,
                "failed": _named(account.all_failed),
                "held": account.held(),
                "passed_on": account.passed_on,
                "saved": account.saved,
                "restored": account.restored,
                "set_aside": [asdict(span) for processor in account.processors for span in processor.set_aside],
            }
            for id, account in ledger.pipelines.items()
        },
        "exporters": {
            id: {
                "offered": account.offered,
                "delivered": account.delivered,
                "failed": _named(account.failed),
                "held": account.held(),
                "on_disk": account.is_durable,
                "refused": account.refused,
                "retries": account.retries,
                "set_aside": [asdict(span) for span in account.set_aside],
            }
            for id, account in ledger.exporters.items()
        },
        "connectors": {
            id: {
                "taken": account.taken,
                "counted": account.counted,
                "unnamed": account.unnamed,
                "homeless": account.homeless,
                "failed": _named(account.failed),
            }
            for id, account in ledger.connectors.items()
        },
        "metrics_exporters": {
            id: {
                "offered": account.offered,
                "delivered": account.delivered,
                "failed": _named(account.failed),
                "superseded": account.superseded,
                "held": account.held(),
            }
            for id, account in ledger.metrics_exporters.items()
        },
        "problems": ledger.problems(),
    }


def lines(status: Document) -> Iterator[str]:
    """Write the equations of the ledger, one for each account."""
    for id, transports in status["receivers"].items():
        for transport, it in transports.items():
            yield (
                f"receivers::{id} ({transport}): received {it['received']}"
                f" = accepted {it['accepted']} + refused {it['refused']}"
            )
            malformed = f", {it['requests_malformed']} of them malformed" if it["requests_malformed"] else ""
            yield (
                f"    requests: received {it['requests_received']} = accepted {it['requests_accepted']}"
                f" + refused {it['requests_refused']}{malformed}"
            )
    for id, it in status["pipelines"].items():
        yield (
            f"pipelines::{id}: taken {it['taken']} = filtered {it['filtered']} + sampled out {it['sampled_out']}"
            f" + failed {name_reasons(it['failed'])} + held {it['held']} + passed on {it['passed_on']}"
        )
        if it["saved"] or it["restored"]:
            yield f"    besides, restored from an earlier run {it['restored']}, saved for the next one {it['saved']}"
        yield from _set_aside(it)
    for id, it in status["exporters"].items():
        where = " on disk" if it["on_disk"] else ""
        yield (
            f"exporters::{id}: offered {it['offered']} = delivered {it['delivered']}"
            f" + failed {name_reasons(it['failed'])} + held {it['held']}{where}"
        )
        if it["refused"] or it["retries"]:
            yield f"    turned away by a full queue {it['refused']}, attempts beyond the first {it['retries']}"
        yield from _set_aside(it)
    for id, it in status.get("connectors", {}).items():
        yield (
            f"connectors::{id}: taken {it['taken']} = counted {it['counted']} + without service.name {it['unnamed']}"
            f" + without room {it['homeless']} + failed {name_reasons(it['failed'])}"
        )
    for id, it in status.get("metrics_exporters", {}).items():
        yield (
            f"exporters::{id}: data points of metrics offered {it['offered']} = delivered {it['delivered']}"
            f" + failed {name_reasons(it['failed'])} + superseded {it['superseded']} + held {it['held']}"
        )
    if status["problems"]:
        yield "These do not add up, as it happens for a moment while spans are on their way:"
        yield from (f"    {problem}" for problem in status["problems"])


def _set_aside(account: Document) -> Iterator[str]:
    """Name the last spans that the next hop found too large."""
    for span in account["set_aside"]:
        at = datetime.fromtimestamp(span["at"], UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        yield f"    set aside at {at}: {SetAside(**span)}"


def _named(failed: Mapping[Reason, int]) -> dict[str, int]:
    return {reason.value: spans for reason, spans in failed.items() if spans}
