"""What became of every span.

Every span that was accepted ends in exactly one place, and these equations hold at any quiet moment:

    received  = accepted + refused                                                     per receiver, spans and requests
    taken     = filtered + sampled out + failed + held in processors + passed on       per pipeline
    offered   = delivered + failed + held in the queue                                 per exporter
    taken     = counted + without service.name + without room + failed                 per connector

What connectors make of spans is counted in data points, where it leaves:

    offered   = delivered + failed + superseded + held                                 per exporter of metrics

Spans that a processor saves at the end of a run are counted as `saved` there, and as `restored` by the next one.

Components count in their account, in plain integers; metrics, the status page and tests read them. A component
that loses a span without naming a `Reason` has a bug.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from collector.errors import ComponentError, PermanentError, RetryableError, TooLargeError
from collector.set_aside import Shelf, shelf


class Reason(StrEnum):
    """Why spans were lost."""

    QUEUE_FULL = "queue_full"
    """A sibling exporter took the batch, this one had no room for it."""
    REFUSED = "refused_by_backend"
    """The next hop said that it will never take them."""
    REJECTED = "rejected_in_success"
    """The backend took the batch and rejected these as part of a partial success."""
    RETRIES_EXHAUSTED = "retries_exhausted"
    """`max_elapsed_time` ran out, or retries are switched off."""
    TOO_LARGE = "too_large"
    """A single span that is larger than the next hop takes."""
    COMPONENT_ERROR = "component_error"
    """A bug in a component."""
    DAMAGED = "damaged_on_disk"
    """A durable queue can no longer read them. Some may have been delivered before."""
    SHUTDOWN = "shutdown_deadline"
    """The collector stopped before they could be handed on."""


def reason_for(error: BaseException) -> Reason:
    """Say how spans are booked that were lost because the next stage raised this."""
    match error:
        case ComponentError():
            return Reason.COMPONENT_ERROR
        case TooLargeError():
            return Reason.TOO_LARGE
        case PermanentError():
            return Reason.REFUSED
        case RetryableError() | asyncio.CancelledError():
            return Reason.QUEUE_FULL
    return Reason.COMPONENT_ERROR


def name_reasons(failed: Mapping[Reason, int] | Mapping[str, int]) -> str:
    """Write `0`, or `12 (10 queue_full, 2 too_large)`."""
    parts = ", ".join(f"{spans} {reason}" for reason, spans in failed.items() if spans)
    return f"{sum(failed.values())} ({parts})" if parts else "0"


def nothing_held() -> int:
    """The answer of a component that holds no spans."""
    return 0


@dataclass(slots=True)
class Account:
    """The counts of one component. All figures are spans unless they say otherwise."""

    def problem(self) -> str | None:
        """Say which equation does not hold, or `None`. Meaningful at quiet moments only."""
        return None


@dataclass(slots=True)
class ReceiverAccount(Account):
    """received = accepted + refused, in spans and in requests."""

    received: int = 0
    accepted: int = 0
    refused: int = 0
    requests_received: int = 0
    requests_accepted: int = 0
    requests_refused: int = 0
    requests_malformed: int = 0
    """Requests that could not be read: they have no spans to count, and are among the refused."""
    repaired_strings: int = 0
    """Strings that were not UTF-8 and were repaired."""
    slow_clients: int = 0
    """Connections and requests that were cut because they took too long to arrive."""
    broken_connections: int = 0
    """Connections that ended because of what was sent."""
    strangers: int = 0
    """Connections that came to no TLS."""
    unauthenticated: int = 0
    """Requests among the refused that came from nobody we know."""
    throttled: int = 0
    """Requests among the refused whose client had its part of what there was room for."""
    crowded: int = 0
    """Times that there was no room for another connection."""

    def problem(self) -> str | None:
        """Say which equation does not hold, or `None`."""
        if self.received != self.accepted + self.refused:
            return f"received {self.received} spans, but accepted {self.accepted} + refused {self.refused}"
        if self.requests_received != self.requests_accepted + self.requests_refused:
            return (
                f"received {self.requests_received} requests, but accepted {self.requests_accepted}"
                f" + refused {self.requests_refused}"
            )
        return None


@dataclass(slots=True)
class ReceiverAccounts(Account):
    """The accounts of one receiver: one for each transport it listens on."""

    transports: dict[str, ReceiverAccount] = field(default_factory=dict)
    sources: list[Callable[[], None]] = field(default_factory=list)
    """Called before the accounts are read: they write down what was counted elsewhere."""

    def on(self, transport: str) -> ReceiverAccount:
        """Give the account of a transport (`grpc`, `http`), opening it the first time."""
        return self.transports.setdefault(transport, ReceiverAccount())

    def problem(self) -> str | None:
        """Say which equation does not hold, or `None`."""
        for transport, account in self.transports.items():
            if problem := account.problem():
                return f"({transport}) {problem}"
        return None


@dataclass(slots=True)
class ProcessorAccount(Account):
    """taken + restored = filtered + sampled out + failed + held + saved + passed on."""

    taken: int = 0
    filtered: int = 0
    sampled_out: int = 0
    passed_on: int = 0
    failed: Counter[Reason] = field(default_factory=Counter)
    set_aside: Shelf = field(default_factory=shelf)
    """The last spans that were too large for the next stage."""
    held: Callable[[], int] = nothing_held
    """Asks the component how many spans it holds."""
    saved: int = 0
    """Spans that were held, and are on disk for the next run."""
    restored: int = 0
    """Spans that an earlier run has saved, and that came in besides those that were taken."""

    def abandon(self) -> int:
        """Book what is still held as lost at shutdown, and say how many spans that is."""
        return _abandon(self)

    def problem(self) -> str | None:
        """Say which equation does not hold, or `None`."""
        ends = self.filtered + self.sampled_out + self.failed.total() + self.held() + self.saved + self.passed_on
        came = self.taken + self.restored
        return None if came == ends else f"took {came} spans, but {ends} are accounted for: {self}"


@dataclass(slots=True)
class PipelineAccount(Account):
    """taken + restored = filtered + sampled out + failed + held in processors + saved + passed on."""

    processors: list[ProcessorAccount] = field(default_factory=list)
    taken: int = 0
    """Spans that the first stage took."""
    passed_on: int = 0
    """Spans that the fan-out to the exporters took."""
    failed: Counter[Reason] = field(default_factory=Counter)
    """Spans that the first stage refused while another pipeline of the same receiver took them."""

    @property
    def filtered(self) -> int:
        """Spans that its processors dropped by a filter."""
        return sum(account.filtered for account in self.processors)

    @property
    def sampled_out(self) -> int:
        """Spans that its processors dropped by sampling."""
        return sum(account.sampled_out for account in self.processors)

    @property
    def all_failed(self) -> Counter[Reason]:
        """Spans that were lost, in its processors or before."""
        return sum((account.failed for account in self.processors), self.failed)

    @property
    def saved(self) -> int:
        """Spans that its processors have saved for the next run."""
        return sum(account.saved for account in self.processors)

    @property
    def restored(self) -> int:
        """Spans that its processors have from an earlier run."""
        return sum(account.restored for account in self.processors)

    def held(self) -> int:
        """Say how many spans its processors hold."""
        return sum(account.held() for account in self.processors)

    def lose(self, spans: int, reason: Reason) -> None:
        """Book spans that were offered to this pipeline and lost, because another pipeline took them."""
        self.taken += spans
        self.failed[reason] += spans

    def problem(self) -> str | None:
        """Say which equation does not hold, or `None`."""
        ends = self.passed_on + self.filtered + self.sampled_out + self.all_failed.total() + self.held() + self.saved
        came = self.taken + self.restored
        return None if came == ends else f"took {came} spans, but {ends} are accounted for: {self}"


@dataclass(slots=True)
class ExporterAccount(Account):
    """offered = delivered + failed + held in the queue."""

    offered: int = 0
    """Spans that this exporter took, or lost because a sibling took the batch and it could not."""
    delivered: int = 0
    failed: Counter[Reason] = field(default_factory=Counter)
    set_aside: Shelf = field(default_factory=shelf)
    """The last spans that were too large for the backend."""
    refused: int = 0
    """Spans turned away by a full queue, whoever kept them. They count as offered only when they are lost."""
    retries: int = 0
    """Attempts beyond the first."""
    held: Callable[[], int] = nothing_held
    """Asks the queue how many spans it holds, those in flight included."""
    is_durable: bool = False
    """Whether what is held is on disk, and there again at the next start."""

    def lose(self, spans: int, reason: Reason) -> None:
        """Book spans that were offered, and lost before the exporter took them."""
        self.offered += spans
        self.failed[reason] += spans

    def abandon(self) -> int:
        """Book what is still held, and not on disk, as lost at shutdown, and say how many spans that is."""
        return 0 if self.is_durable else _abandon(self)

    def problem(self) -> str | None:
        """Say which equation does not hold, or `None`."""
        ends = self.delivered + self.failed.total() + self.held()
        return (
            None if self.offered == ends else f"was offered {self.offered} spans, but {ends} are accounted for: {self}"
        )


@dataclass(slots=True)
class ConnectorAccount(Account):
    """taken = counted + without service.name + without room + failed. The spans themselves go elsewhere."""

    taken: int = 0
    counted: int = 0
    unnamed: int = 0
    """Spans that cannot be counted, since their resource has no `service.name`."""
    homeless: int = 0
    """Spans that were not counted, since there was no memory for another resource."""
    failed: Counter[Reason] = field(default_factory=Counter)

    def lose(self, spans: int, reason: Reason) -> None:
        """Book spans that were shown to the connector in vain."""
        self.taken += spans
        self.failed[reason] += spans

    def problem(self) -> str | None:
        """Say which equation does not hold, or `None`."""
        ends = self.counted + self.unnamed + self.homeless + self.failed.total()
        return None if self.taken == ends else f"took {self.taken} spans, but {ends} are accounted for: {self}"


@dataclass(slots=True)
class PointsAccount(Account):
    """offered = delivered + failed + superseded + held, in data points of metrics."""

    offered: int = 0
    delivered: int = 0
    failed: Counter[Reason] = field(default_factory=Counter)
    superseded: int = 0
    """Data points that were not sent, since later ones say the same and more."""
    retries: int = 0
    """Attempts beyond the first."""
    held: Callable[[], int] = nothing_held

    def problem(self) -> str | None:
        """Say which equation does not hold, or `None`."""
        ends = self.delivered + self.failed.total() + self.superseded + self.held()
        if self.offered == ends:
            return None
        return f"was offered {self.offered} data points, but {ends} are accounted for: {self}"


def _abandon(account: ProcessorAccount | ExporterAccount) -> int:
    lost = account.held()
    account.held = nothing_held
    if lost:
        account.failed[Reason.SHUTDOWN] += lost
    return lost


@dataclass(slots=True)
class Ledger:
    """All accounts of a collector, by component id; processors by pipeline and id."""

    receivers: dict[str, ReceiverAccounts] = field(default_factory=dict)
    pipelines: dict[str, PipelineAccount] = field(default_factory=dict)
    processors: dict[tuple[str, str], ProcessorAccount] = field(default_factory=dict)
    exporters: dict[str, ExporterAccount] = field(default_factory=dict)
    connectors: dict[str, ConnectorAccount] = field(default_factory=dict)
    metrics_exporters: dict[str, PointsAccount] = field(default_factory=dict)
    sources: list[Callable[[], None]] = field(default_factory=list)
    """Called before the accounts are read: they write down what was counted elsewhere."""

    def refresh(self) -> None:
        """Bring all accounts up to date. To be called by everybody who reads them."""
        for accounts in self.receivers.values():
            for source in accounts.sources:
                source()
        for source in self.sources:
            source()

    def problems(self) -> list[str]:
        """Say, a line each, which equations do not hold. Empty at any quiet moment."""
        self.refresh()
        named: list[tuple[str, Account]] = [
            *((f"receivers::{id}", account) for id, account in self.receivers.items()),
            *((f"pipelines::{id}", account) for id, account in self.pipelines.items()),
            *((f"processors::{id} in {pipeline}", account) for (pipeline, id), account in self.processors.items()),
            *((f"exporters::{id}", account) for id, account in self.exporters.items()),
            *((f"connectors::{id}", account) for id, account in self.connectors.items()),
            *((f"exporters::{id} (metrics)", account) for id, account in self.metrics_exporters.items()),
        ]
        return [f"{name} {problem}" for name, account in named if (problem := account.problem())]
