"""The contract of every component.

    receiver → processor → … → fan-out → exporter        exceptions travel back

A component is built, started, used, and shut down. Its constructor stores what it is given; `start` acquires
ports, files and tasks; `shutdown` hands over what is held and releases everything. `shutdown` may be called twice,
and without `start`. Exporters start first and stop last.

`await next.consume(batch)` returns when the next stage has taken responsibility for the batch and raises a
`ConsumeError` when it refuses. A batch is taken wholly or not at all, also when the await is cancelled. So the
awaiting chain is the receipt: a receiver answers its client when `consume` returns.

To write a component, subclass one of these, give it a `Config` of its own, and register the class: in
`FACTORIES` of its package here, or in an installed package as an entry point of the group `spanmill.receivers`,
`.processors`, `.exporters`, `.connectors` or `.extensions`.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from collector._kernel import Op, OpCounts
from collector.config.types import Config
from collector.flush import MetricsConsumer, MetricsRequest
from collector.ledger import (
    Account,
    ConnectorAccount,
    ExporterAccount,
    PointsAccount,
    ProcessorAccount,
    ReceiverAccounts,
)
from collector.offload import Offload, Stage
from collector.spans import SpanBatch
from collector.telemetry.metrics import Metrics


class Kind(StrEnum):
    """The kinds of component, as the sections of a configuration call them."""

    RECEIVER = "receiver"
    PROCESSOR = "processor"
    EXPORTER = "exporter"
    CONNECTOR = "connector"
    EXTENSION = "extension"

    @property
    def section(self) -> str:
        """The section of the configuration that holds these components."""
        return f"{self.value}s"


class Consumer(Protocol):
    """Whatever takes batches: a processor, a fan-out, an exporter behind its queue."""

    async def consume(self, batch: SpanBatch) -> None:
        """Take responsibility for the batch, or raise a `ConsumeError` and take nothing of it."""


AccountT = TypeVar("AccountT", bound=Account)


@dataclass(frozen=True, slots=True)
class Settings(Generic[AccountT]):
    """What the program passes in to a component besides its configuration."""

    id: str
    """The component's id: `batch`, `otlp/backend`."""
    account: AccountT
    """Where it counts what became of the spans."""
    metrics: Metrics
    """Where it registers metrics of its own."""
    logger: logging.Logger
    """Logs with the component's id and kind attached."""
    pipeline: str = ""
    """The pipeline it belongs to; empty for components that are shared between pipelines."""
    instance: str = ""
    """Tells this collector from others: its `service.instance.id`."""


Leavings = Mapping[str, Callable[[], Any]]
"""What a component leaves to others, by keys that name it. It is called for if somebody wants it."""


class Host(Protocol):
    """What a running component may ask of the service around it."""

    def extension(self, id: str) -> Extension | None:
        """The running extension of this id."""

    def fail(self, component: str, error: BaseException) -> None:
        """Report that a component cannot go on: the service shuts down and exits with status 1."""

    def left(self, key: str) -> Any:
        """What a component that is about to end leaves under this key, if any: see `Component.leaves`."""

    @property
    def is_stopping(self) -> bool:
        """Whether the collector stops, and not only some of its components."""


@dataclass(frozen=True, slots=True)
class Reference:
    """An extension that a component asks its host for."""

    path: str
    """The option that names it."""
    id: str
    kind: type[Extension]
    """What it has to be able to do."""


class Component(ABC):
    """What all components have in common."""

    config_type: ClassVar[type[Config]] = Config
    """The type that the component's section of the configuration is decoded into."""

    def references(self) -> Iterable[Reference]:
        """Say which extensions are needed. The pipeline sees to it that they are there when this one starts."""
        return ()

    async def start(self, host: Host) -> None:
        """Acquire what is needed to work. Raises `StartError`."""

    async def shutdown(self) -> None:
        """Hand over what is held, then release everything. May be called twice, and without `start`."""

    # A new configuration is laid beside the running one. Components whose settings are the same stay as they are, and
    # others are started beside those whose places they take.

    @property
    def is_stale(self) -> bool:
        """Whether a new one would differ although its settings are the same: a file that they name has changed."""
        return False

    def leaves(self) -> Leavings:
        """What only one can have, by keys that name it, such as the endpoint of a socket that listens.

        Whoever is started to take this one's place is given it by its host, while this one still works with it. So
        nobody finds a port closed.
        """
        return {}


class Receiver(Component):
    """Takes spans from outside and hands them to `next`, counting what was accepted and refused."""

    def __init__(self, config: Any, settings: Settings[ReceiverAccounts], next: Consumer) -> None:
        self.config = config
        self.settings = settings
        self.next = next

    needs_origin: bool = False
    """Set by the pipeline when a processor behind the receiver reads who sent a request."""

    one_by_one: bool = False
    """Set by the pipeline when a processor behind the receiver may refuse a whole batch for one of its spans: then
    requests must not be joined, so that nobody pays for another's span."""

    offload: Offload | None = None
    """Set by the pipeline where the kernel can run its front. A receiver may use that in place of `next`."""

    def rewire(self) -> None:
        """Hear, while it runs, that `next` and what else is set by the pipeline has changed."""


class Processor(Component):
    """Takes batches and hands them on to `next`: later, fewer, or elsewhere.

    What only looks at spans or changes them is a `SpanOp` instead.
    """

    holds: ClassVar[bool] = False
    """Whether `consume` returns while spans are still held here in memory, where a crash takes them."""

    def __init__(self, config: Any, settings: Settings[ProcessorAccount], next: Consumer) -> None:
        self.config = config
        self.settings = settings
        self.next = next

    @abstractmethod
    async def consume(self, batch: SpanBatch) -> None:
        """Take responsibility for the batch, or raise a `ConsumeError` and take nothing of it."""

    def inherit(self, old: Any) -> None:
        """Take over what another one of this class holds, as far as that can be done at once.

        It had this one's id and place, and other settings. Nothing comes to it any more, and it is shut down next: what
        is left there goes on to the stages that it knows.
        """

    def stage(self) -> Stage | None:
        """Give the part of the kernel that does the same as `consume`. `None` where only Python can do it."""
        return None


class SpanOp(ABC):
    """A processor that is work for the kernel: it says once, when the pipeline is built, what shall be done.

    The pipeline fuses neighbouring ones into one pass over the bytes. Constructing one must not acquire anything.
    """

    config_type: ClassVar[type[Config]] = Config

    def __init__(self, config: Any, settings: Settings[ProcessorAccount]) -> None:
        self.config = config
        self.settings = settings

    @abstractmethod
    def ops(self) -> list[Op]:
        """What the kernel shall do, in order.

        Raises the kernel's `OptionError` for a setting it cannot use, or an `ExceptionGroup` of them. `collector.ops`
        builds several ops with one report.
        """

    def committed(self, counts: list[OpCounts]) -> None:
        """Hear what a pass did, one entry for each of `ops`, once the batch was taken downstream.

        The account is kept by the pipeline; this is for metrics of the processor's own.
        """

    drop_reason: ClassVar[str] = "filtered"
    """How the ledger calls what this op drops: `filtered` or `sampled_out`."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a backend said to a batch that it took."""

    rejected: int = 0
    """Spans that the backend rejected as part of a success."""
    message: str = ""


class Exporter(Component):
    """Delivers batches. Queue, retries and timeout stand in front of it: see `collector/sending`."""

    metrics_exporter: ClassVar[type[MetricsExporter] | None] = None
    """What delivers metrics under the same settings, if that is possible."""

    def __init__(self, config: Any, settings: Settings[ExporterAccount]) -> None:
        self.config = config
        self.settings = settings

    @abstractmethod
    async def export(self, batch: SpanBatch) -> Delivery:
        """Deliver the batch once. Raises `RetryableError`, `PermanentError` or `TooLargeError`.

        Several calls may run at the same time. A call that is cancelled ran out of time. An exporter with several
        destinations raises `DividedError` if only some of them failed, also when it is cancelled.
        """


class MetricsExporter(Component):
    """Delivers metrics that connectors make. Before it stand retries and a timeout: `collector/sending/metrics.py`."""

    def __init__(self, config: Any, settings: Settings[PointsAccount]) -> None:
        self.config = config
        self.settings = settings

    @abstractmethod
    async def export(self, request: MetricsRequest) -> Delivery:
        """Deliver the request once, and say how many data points were rejected. Raises what an `Exporter` raises."""


class Connector(Component):
    """Looks at the spans that pipelines end with, and makes metrics of them, with which other pipelines begin."""

    def __init__(self, config: Any, settings: Settings[ConnectorAccount]) -> None:
        self.config = config
        self.settings = settings

    next: Sequence[MetricsConsumer] = ()
    """Set by the pipeline: where metrics go. Nowhere if no pipeline begins with the connector."""

    def check(self) -> None:
        """Raise a `FieldError` for settings that do not fit where metrics go. Called when `next` is known."""

    def book(self) -> None:
        """Write into the account what was counted elsewhere. Called before it is read."""

    @abstractmethod
    def consume(self, batch: SpanBatch) -> None:
        """Look at a batch. Whoever has it is not to be kept waiting, and nothing can be refused any more."""


class Extension(Component):
    """Serves the collector as a whole: health checks, storage, authentication."""

    def __init__(self, config: Any, settings: Settings[Account]) -> None:
        self.config = config
        self.settings = settings

    def ready(self) -> None:
        """Hear that all pipelines have started."""

    def not_ready(self) -> None:
        """Hear that the collector begins to shut down."""
