"""From a configuration to wired components, back to front.

    receiver → (fan-out to pipelines) → head → guard → processor → … → tail → (fan-out to exporters) → guard → sender
                                                                        └→ connector → sender of metrics

Processors are built once for each pipeline, receivers and exporters once for each id. Neighbouring `SpanOp`s become
one `ProgramProcessor`. Building acquires nothing: `validate` does it too. What cannot be built comes back as one
`ConfigError`, a line for each problem.

Beside a machine that runs, only what is different is built: see `keeping.py`. Nothing of the running one is touched
until `Machine.connect` is called.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from collector._kernel import OptionError, StageCounts
from collector.component import (
    AccountT,
    Component,
    Connector,
    Consumer,
    Exporter,
    Extension,
    Kind,
    MetricsExporter,
    Processor,
    Receiver,
    Reference,
    Settings,
    SpanOp,
)
from collector.config.model import CollectorConfig, PipelineConfig
from collector.config.types import FieldError
from collector.errors import ConfigError
from collector.fanout import Branch, fan_out
from collector.guard import Guard
from collector.keeping import Keeping
from collector.ledger import (
    Account,
    ConnectorAccount,
    ExporterAccount,
    Ledger,
    PipelineAccount,
    PointsAccount,
    ProcessorAccount,
    ReceiverAccounts,
)
from collector.offload import Offload, QueueEnd, offload
from collector.ops import option_errors
from collector.program import Member, ProgramProcessor
from collector.sending.change import Change
from collector.sending.metrics import MetricsSender
from collector.sending.sender import Sender, sending_references
from collector.spans import SpanBatch
from collector.tap import Tap
from collector.telemetry import instance
from collector.telemetry.logs import component_logger
from collector.telemetry.metrics import Metrics


class Head:
    """The entrance of a pipeline, where its account begins."""

    def __init__(self, next: Consumer, account: PipelineAccount) -> None:
        self.next = next
        self.in_flight = 0
        """Batches that it hands on at this moment."""
        self._account = account

    async def consume(self, batch: SpanBatch) -> None:
        """Hand on the batch, and book it once it was taken."""
        self.in_flight += 1
        try:
            await self.next.consume(batch)
        finally:
            self.in_flight -= 1
        self._account.taken += len(batch)


class Tail:
    """The exit of a pipeline, before the exporters."""

    def __init__(self, next: Consumer, account: PipelineAccount) -> None:
        self.next = next
        self._account = account

    async def consume(self, batch: SpanBatch) -> None:
        """Hand on the batch, and book it once it was taken."""
        await self.next.consume(batch)
        self._account.passed_on += len(batch)


@dataclass(slots=True)
class Machine:
    """Everything that a configuration asks for, wired and not yet started."""

    config: CollectorConfig
    extensions: dict[str, Extension] = field(default_factory=dict)
    receivers: dict[str, Receiver] = field(default_factory=dict)
    processors: dict[str, list[tuple[str, Component]]] = field(default_factory=dict)
    """For each pipeline its processors by name, front to back. A fused run is one of them."""
    exporters: dict[str, Sender] = field(default_factory=dict)
    connectors: dict[str, Connector] = field(default_factory=dict)
    metrics_exporters: dict[str, MetricsSender] = field(default_factory=dict)
    heads: dict[str, Head] = field(default_factory=dict)
    """The entrance of each pipeline."""
    offloads: dict[str, Offload] = field(default_factory=dict)
    """The front of each pipeline that the kernel can run."""
    members: dict[tuple[str, str], Member] = field(default_factory=dict)
    """For each pipeline and id the processors that are parts of programs."""
    changes: list[Change] = field(default_factory=list)
    """Exporters that are replaced behind queues that stay."""
    connections: list[Callable[[], None]] = field(default_factory=list)
    """What has to be done to components that run already, so that they are part of this machine."""
    notices: list[str] = field(default_factory=list)
    """What the one who wrote the configuration should know, a line each."""
    ledger: Ledger = field(default_factory=Ledger)
    metrics: Metrics = field(default_factory=Metrics)

    def connect(self) -> None:
        """Make components that run already part of this machine. Their spans go its way from now on."""
        for connect in self.connections:
            connect()
        self.connections.clear()


def build(config: CollectorConfig, running: Machine | None = None) -> Machine:
    """Build all components that pipelines and `service::extensions` mention. Raises `ConfigError`.

    Those of a `running` machine are used again where they would be the same.
    """
    builder = _Builder(config, Machine(config), Keeping(config, running))
    builder.run()
    if builder.problems:
        # A processor of two pipelines fails in both, and is one problem.
        raise ConfigError("\n".join(dict.fromkeys(builder.problems)))
    return builder.machine


class _Builder:
    """The state of one `build`."""

    def __init__(self, config: CollectorConfig, machine: Machine, keeping: Keeping) -> None:
        self.config = config
        self.machine = machine
        self.keeping = keeping
        self.problems: list[str] = []

    def run(self) -> None:
        machine, pipelines = self.machine, self.config.pipelines
        for id in self.config.enabled_extensions:
            with self._reporting(Kind.EXTENSION, id):
                machine.extensions[id] = self._extension(id)
        metrics = self.config.metrics_pipelines
        for id in _unique(pipeline.exporters for pipeline in metrics.values()):
            with self._reporting(Kind.EXPORTER, id):
                machine.metrics_exporters[id] = self._metrics_exporter(id)
        ends = list(_unique(pipeline.exporters for pipeline in pipelines.values()))
        for id in filter(self._is_connector, ends):
            with self._reporting(Kind.CONNECTOR, id):
                machine.connectors[id] = self._connector(id)
        for id in itertools.filterfalse(self._is_connector, ends):
            with self._reporting(Kind.EXPORTER, id):
                machine.exporters[id] = self._exporter(id)
        for name, pipeline in pipelines.items():
            machine.heads[name] = self._pipeline(name, pipeline)
        for id in _unique(pipeline.receivers for pipeline in pipelines.values()):
            with self._reporting(Kind.RECEIVER, id):
                machine.receivers[id] = self._receiver(id)

    @contextlib.contextmanager
    def _reporting(self, kind: Kind, id: str) -> Iterator[None]:
        """Turn what a component says about its settings into a line of the report."""
        where = f"{kind.section}::{id}"
        try:
            yield
        except FieldError as error:
            self.problems.append(f"{where}::{error}")
        except ConfigError as error:
            self.problems += [f"{where}::{line}" for line in str(error).splitlines()]
        except (OptionError, ExceptionGroup) as error:
            for path, message in (each.args for each in option_errors(error)):
                self.problems.append(f"{where}::{path}: {message}" if path else f"{where}: {message}")

    def _settings(self, kind: Kind, id: str, account: AccountT, pipeline: str = "") -> Settings[AccountT]:
        return Settings(
            id=id,
            account=account,
            metrics=self._shown(Metrics()),
            logger=component_logger(kind, id, pipeline),
            pipeline=pipeline,
            instance=instance.id_of(self.config.telemetry.resource),
        )

    def _shown(self, metrics: Metrics) -> Metrics:
        self.machine.metrics.parts.append(metrics)
        return metrics

    def _extension(self, id: str) -> Extension:
        if (kept := self.keeping.extension(id)) is not None:
            self._shown(kept.settings.metrics)
            return kept
        part = self.config.part(Kind.EXTENSION, id)
        extension: Extension = part.component(part.config, self._settings(Kind.EXTENSION, id, Account()))
        return extension

    def _exporter(self, id: str) -> Sender:
        part = self.config.part(Kind.EXPORTER, id)
        before = self.keeping.sender(id)
        if before is not None and self.keeping.keeps(id, before, self.machine.extensions):
            self._stays(id, before)
            self._shown(before.exporter.settings.metrics)
            return before
        stays = before is not None and before.can_serve(part.config, self.machine.extensions)
        account = before.settings.account if before is not None and stays else ExporterAccount()
        settings = self._settings(Kind.EXPORTER, id, account)
        exporter: Exporter = part.component(part.config, settings)
        self._check_references([*exporter.references(), *sending_references(part.config)])
        if before is not None and stays:
            self._stays(id, before)
            self.machine.changes.append(Change(before, exporter, part.config))
            return before
        sender = Sender(exporter, part.config, replace(settings, metrics=self._shown(Metrics())))
        self.machine.ledger.exporters[id] = account
        if before is not None:
            self.machine.connections.append(partial(before.forward, sender))
        return sender

    def _stays(self, id: str, sender: Sender) -> None:
        self.machine.ledger.exporters[id] = sender.settings.account
        self._shown(sender.settings.metrics)

    def _metrics_exporter(self, id: str) -> MetricsSender:
        before = self.keeping.metrics_sender(id)
        if before is not None and self.keeping.keeps_metrics(id, before, self.machine.extensions):
            sender = before
        else:
            part = self.config.part(Kind.EXPORTER, id)
            settings = self._settings(Kind.EXPORTER, id, PointsAccount())
            exporter: MetricsExporter = part.component.metrics_exporter(part.config, settings)
            self._check_references(exporter.references())
            sender = MetricsSender(exporter, part.config, settings)
            if before is not None:
                self.machine.connections.append(partial(before.forward, sender))
        self.machine.ledger.metrics_exporters[id] = sender.settings.account
        return sender

    def _connector(self, id: str) -> Connector:
        metrics = self.config.metrics_pipelines.values()
        senders = self.machine.metrics_exporters
        ends = _unique(pipeline.exporters for pipeline in metrics if id in pipeline.receivers)
        next = [senders[end] for end in ends if end in senders]
        connector = self.keeping.connector(id)
        if connector is None:
            part = self.config.part(Kind.CONNECTOR, id)
            connector = part.component(part.config, self._settings(Kind.CONNECTOR, id, ConnectorAccount()))
            self._check_references(connector.references())
            connector.next = next
            connector.check()
        else:
            self._shown(connector.settings.metrics)
            self.machine.connections.append(partial(setattr, connector, "next", next))
        self.machine.ledger.connectors[id] = connector.settings.account
        self.machine.ledger.sources.append(connector.book)
        return connector

    def _is_connector(self, id: str) -> bool:
        return id in self.config.parts[Kind.CONNECTOR]

    def _end(self, pipeline: PipelineConfig) -> Consumer:
        """Give what a pipeline ends in: its exporters, and connectors beside them."""
        ids = list(dict.fromkeys(pipeline.exporters))
        branches = [
            Branch(Guard(sender, f"exporters::{id}", sender.exporter.settings.logger), sender.exporter.settings.account)
            for id in ids
            if (sender := self.machine.exporters.get(id))
        ]
        connectors = [connector for id in ids if (connector := self.machine.connectors.get(id))]
        if connectors:
            return Tap(fan_out(branches) if branches else None, connectors)
        return fan_out(branches)

    def _pipeline(self, name: str, pipeline: PipelineConfig) -> Head:
        """Build a pipeline from its end to its entrance, which is returned."""
        ledger = self.machine.ledger
        account = ledger.pipelines[name] = PipelineAccount()
        next: Consumer = Tail(self._end(pipeline), account)
        built: list[tuple[str, Component]] = []
        run: list[Member] = []
        for id in reversed(pipeline.processors):
            with self._reporting(Kind.PROCESSOR, id):
                if issubclass(self.config.part(Kind.PROCESSOR, id).component, SpanOp):
                    member = self._member(name, id)
                    account.processors.insert(0, member.processor.settings.account)
                    run.insert(0, member)
                    continue
                next = self._fuse(run, next, built)
                run = []
                processor = self._processor(name, id, next)
                account.processors.insert(0, processor.settings.account)
                built.insert(0, (f"processors::{id}", processor))
                next = Guard(processor, f"processors::{id}", processor.settings.logger)
        self._check_holds(name, built, pipeline)
        head = Head(self._fuse(run, next, built), account)
        self.machine.processors[name] = built
        stages = (part.stage() for _, part in built if isinstance(part, (Processor, ProgramProcessor)))
        if (front := offload(stages, account, self._last_queue(pipeline, account))) is not None:
            self.machine.offloads[name] = front
            ledger.sources.append(front.book)
        return head

    def _member(self, pipeline: str, id: str) -> Member:
        """Give a processor that becomes part of a program."""
        member = self.keeping.member(pipeline, id)
        if member is not None:
            self._shown(member.processor.settings.metrics)
        else:
            part = self.config.part(Kind.PROCESSOR, id)
            op = part.component(part.config, self._settings(Kind.PROCESSOR, id, ProcessorAccount(), pipeline))
            member = Member(op, op.ops())
        self.machine.members[pipeline, id] = member
        self.machine.ledger.processors[pipeline, id] = member.processor.settings.account
        return member

    def _processor(self, pipeline: str, id: str, next: Consumer) -> Processor:
        """Give a processor that stands alone, before `next`."""
        processor = self.keeping.processor(pipeline, id, self.machine.extensions)
        if processor is not None:
            self._shown(processor.settings.metrics)
            self.machine.connections.append(partial(setattr, processor, "next", next))
        else:
            part = self.config.part(Kind.PROCESSOR, id)
            settings = self._settings(Kind.PROCESSOR, id, ProcessorAccount(), pipeline)
            processor = part.component(part.config, settings, next)
            self._check_references(processor.references())
        self.machine.ledger.processors[pipeline, id] = processor.settings.account
        return processor

    def _last_queue(self, pipeline: PipelineConfig, account: PipelineAccount) -> QueueEnd | None:
        """Give the sending queue that a pipeline ends in, if it ends in nothing else."""
        [id, *others] = dict.fromkeys(pipeline.exporters)
        sender = self.machine.exporters.get(id)
        queue = sender.queue_end(self.config.part(Kind.EXPORTER, id).config) if sender and not others else None
        if queue is None:
            return None

        def book(counts: StageCounts) -> None:
            account.passed_on += counts.taken
            queue.book(counts)

        return QueueEnd(queue.part, book)

    def _fuse(self, run: Sequence[Member], next: Consumer, built: list[tuple[str, Component]]) -> Consumer:
        """Put a run of neighbouring ops before `next`."""
        if not run:
            return next
        name = "processors::" + "+".join(member.processor.settings.id for member in run)
        program = ProgramProcessor(run, next)
        built.insert(0, (name, program))
        return Guard(program, name, run[0].processor.settings.logger)

    def _check_holds(self, name: str, built: Sequence[tuple[str, Component]], pipeline: PipelineConfig) -> None:
        """Say where spans are acknowledged before a durable queue has them."""
        senders = self.machine.exporters
        durable = [id for id in pipeline.exporters if id in senders and senders[id].is_durable]
        holds = [processor for processor, part in built if isinstance(part, Processor) and part.holds]
        if durable and holds:
            self.machine.notices.append(
                f"service::pipelines::{name}: {holds[0]} holds spans in memory before exporters::{durable[0]} has them"
                " on disk: a crash loses them, although they were acknowledged."
                + (" Use sending_queue::batch instead" if holds[0].startswith("processors::batch") else "")
            )

    def _receiver(self, id: str) -> Receiver:
        names = [name for name, pipeline in self.config.pipelines.items() if id in pipeline.receivers]
        next = fan_out([Branch(self.machine.heads[name], self.machine.ledger.pipelines[name]) for name in names])
        receiver = self.keeping.receiver(id, self.machine.extensions)
        if receiver is None:
            part = self.config.part(Kind.RECEIVER, id)
            receiver = part.component(part.config, self._settings(Kind.RECEIVER, id, ReceiverAccounts()), next)
            self._check_references(receiver.references())
            self._wire(receiver, names, next)
        else:
            self._shown(receiver.settings.metrics)
            self.machine.connections.append(partial(self._rewire, receiver, names, next))
        self.machine.ledger.receivers[id] = receiver.settings.account
        return receiver

    def _rewire(self, receiver: Receiver, names: Sequence[str], next: Consumer) -> None:
        self._wire(receiver, names, next)
        receiver.rewire()

    def _wire(self, receiver: Receiver, names: Sequence[str], next: Consumer) -> None:
        """Tell a receiver what is behind it: pipelines of these names."""
        receiver.next = next
        programs = [
            processor
            for name in names
            for _, processor in self.machine.processors[name]
            if isinstance(processor, ProgramProcessor)
        ]
        receiver.needs_origin = any(program.reads_origin for program in programs)
        receiver.one_by_one = any(program.can_fail for program in programs)
        receiver.offload = self.machine.offloads.get(names[0]) if len(names) == 1 else None

    def _check_references(self, references: Iterable[Reference]) -> None:
        """Raise a `FieldError` for an extension that is needed and not there, or not able to do what is wanted."""
        for reference in references:
            if reference.id not in self.config.enabled_extensions:
                raise FieldError(reference.path, f"service::extensions does not name {reference.id!r}")
            extension = self.machine.extensions.get(reference.id)
            # One that could not be built has its own line in the report.
            if extension is not None and not isinstance(extension, reference.kind):
                raise FieldError(reference.path, f"{reference.id!r} is not made for that")


def _unique(ids: Iterable[Sequence[str]]) -> Iterable[str]:
    return dict.fromkeys(itertools.chain.from_iterable(ids))
