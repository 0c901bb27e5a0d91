"""From a configuration to wired components, back to front.

    receiver → (fan-out to pipelines) → head → guard → processor → … → tail → (fan-out to exporters) → guard → sender

Processors are built once for each pipeline, receivers and exporters once for each id. Neighbouring `SpanOp`s become
one `ProgramProcessor`. Building acquires nothing: `validate` does it too. What cannot be built comes back as one
`ConfigError`, a line for each problem.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from collector._kernel import OptionError, StageCounts
from collector.component import (
    AccountT,
    Component,
    Consumer,
    Exporter,
    Extension,
    Kind,
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
from collector.ledger import (
    Account,
    ExporterAccount,
    Ledger,
    PipelineAccount,
    ProcessorAccount,
    ReceiverAccounts,
)
from collector.offload import Offload, QueueEnd, offload
from collector.ops import option_errors
from collector.program import Member, ProgramProcessor
from collector.sending.sender import Sender
from collector.spans import SpanBatch
from collector.telemetry.logs import component_logger
from collector.telemetry.metrics import Metrics


class Head:
    """The entrance of a pipeline, where its account begins."""

    def __init__(self, next: Consumer, account: PipelineAccount) -> None:
        self.next = next
        self._account = account

    async def consume(self, batch: SpanBatch) -> None:
        """Hand on the batch, and book it once it was taken."""
        await self.next.consume(batch)
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

    extensions: dict[str, Extension] = field(default_factory=dict)
    receivers: dict[str, Receiver] = field(default_factory=dict)
    processors: dict[str, list[tuple[str, Component]]] = field(default_factory=dict)
    """For each pipeline its processors by name, front to back. A fused run is one of them."""
    exporters: dict[str, Sender] = field(default_factory=dict)
    heads: dict[str, Consumer] = field(default_factory=dict)
    """The entrance of each pipeline."""
    offloads: dict[str, Offload] = field(default_factory=dict)
    """The front of each pipeline that the kernel can run."""
    notices: list[str] = field(default_factory=list)
    """What the one who wrote the configuration should know, a line each."""
    ledger: Ledger = field(default_factory=Ledger)
    metrics: Metrics = field(default_factory=Metrics)


def build(config: CollectorConfig, metrics: Metrics | None = None) -> Machine:
    """Build all components that pipelines and `service::extensions` mention. Raises `ConfigError`."""
    builder = _Builder(config, Machine(metrics=metrics or Metrics()))
    builder.run()
    if builder.problems:
        # A processor of two pipelines fails in both, and is one problem.
        raise ConfigError("\n".join(dict.fromkeys(builder.problems)))
    return builder.machine


class _Builder:
    """The state of one `build`."""

    def __init__(self, config: CollectorConfig, machine: Machine) -> None:
        self.config = config
        self.machine = machine
        self.problems: list[str] = []

    def run(self) -> None:
        machine, pipelines = self.machine, self.config.pipelines
        for id in self.config.enabled_extensions:
            with self._reporting(Kind.EXTENSION, id):
                part = self.config.part(Kind.EXTENSION, id)
                machine.extensions[id] = part.component(part.config, self._settings(Kind.EXTENSION, id, Account()))
        for id in _unique(pipeline.exporters for pipeline in pipelines.values()):
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
            metrics=self.machine.metrics,
            logger=component_logger(kind, id, pipeline),
            pipeline=pipeline,
        )

    def _exporter(self, id: str) -> Sender:
        part = self.config.part(Kind.EXPORTER, id)
        account = self.machine.ledger.exporters[id] = ExporterAccount()
        settings = self._settings(Kind.EXPORTER, id, account)
        exporter: Exporter = part.component(part.config, settings)
        sender = Sender(exporter, part.config, settings)
        self._check_references([*exporter.references(), *sender.references()])
        return sender

    def _pipeline(self, name: str, pipeline: PipelineConfig) -> Consumer:
        """Build a pipeline from its end to its entrance, which is returned."""
        ledger = self.machine.ledger
        account = ledger.pipelines[name] = PipelineAccount()
        branches = [
            Branch(Guard(sender, f"exporters::{id}", sender.exporter.settings.logger), sender.exporter.settings.account)
            for id in dict.fromkeys(pipeline.exporters)
            if (sender := self.machine.exporters.get(id))
        ]
        next: Consumer = Tail(fan_out(branches), account)
        built: list[tuple[str, Component]] = []
        run: list[Member] = []
        for id in reversed(pipeline.processors):
            part = self.config.part(Kind.PROCESSOR, id)
            counts = ledger.processors[name, id] = ProcessorAccount()
            account.processors.insert(0, counts)
            settings = self._settings(Kind.PROCESSOR, id, counts, name)
            with self._reporting(Kind.PROCESSOR, id):
                if issubclass(part.component, SpanOp):
                    op = part.component(part.config, settings)
                    run.insert(0, Member(op, op.ops()))
                    continue
                next = self._fuse(run, next, built)
                run = []
                processor: Processor = part.component(part.config, settings, next)
                built.insert(0, (f"processors::{id}", processor))
                next = Guard(processor, f"processors::{id}", settings.logger)
        self._check_holds(name, built, pipeline)
        head = Head(self._fuse(run, next, built), account)
        self.machine.processors[name] = built
        stages = (part.stage() for _, part in built if isinstance(part, (Processor, ProgramProcessor)))
        if (front := offload(stages, account, self._last_queue(pipeline, account))) is not None:
            self.machine.offloads[name] = front
            ledger.sources.append(front.book)
        return head

    def _last_queue(self, pipeline: PipelineConfig, account: PipelineAccount) -> QueueEnd | None:
        """Give the sending queue that a pipeline ends in, if it ends in nothing else."""
        [id, *others] = dict.fromkeys(pipeline.exporters)
        sender = self.machine.exporters.get(id)
        queue = sender.last_queue if sender and not others else None
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
                " on disk: a crash loses them, although they were acknowledged. Use sending_queue::batch instead"
            )

    def _receiver(self, id: str) -> Receiver:
        part = self.config.part(Kind.RECEIVER, id)
        names = [name for name, pipeline in self.config.pipelines.items() if id in pipeline.receivers]
        heads = [Branch(self.machine.heads[name], self.machine.ledger.pipelines[name]) for name in names]
        account = self.machine.ledger.receivers[id] = ReceiverAccounts()
        receiver: Receiver = part.component(part.config, self._settings(Kind.RECEIVER, id, account), fan_out(heads))
        self._check_references(receiver.references())
        programs = [
            processor
            for name in names
            for _, processor in self.machine.processors[name]
            if isinstance(processor, ProgramProcessor)
        ]
        receiver.needs_origin = any(program.reads_origin for program in programs)
        receiver.one_by_one = any(program.can_fail for program in programs)
        if len(names) == 1:
            receiver.offload = self.machine.offloads.get(names[0])
        return receiver

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
