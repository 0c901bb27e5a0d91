"""Doubles and builders for tests, for us and for people who write components elsewhere.

    sink = Sink()
    batch = BatchProcessor(BatchConfig(send_batch_size=4), settings(), sink)
    await batch.consume(make_spans(10))
    assert [len(b) for b in sink.batches] == [4, 4]

`Sink` keeps what it is given, `Failing` refuses, `Blocking` waits until it is released. `make_spans` builds batches
from real protobuf messages, and `decode` turns a batch back into them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping
from types import ModuleType
from typing import Any, TypeVar

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

from collector import distribution
from collector.component import Consumer, Delivery, Exporter, Extension, Kind, Receiver, Settings
from collector.config.loading import load
from collector.config.model import CollectorConfig
from collector.config.types import Config
from collector.errors import ConsumeError, RetryableError
from collector.ledger import (
    Account,
    ConnectorAccount,
    ExporterAccount,
    PointsAccount,
    ProcessorAccount,
    ReceiverAccounts,
)
from collector.service import Service
from collector.spans import Origin, SpanBatch, receive
from collector.telemetry.metrics import Metrics

AccountT = TypeVar("AccountT", bound=Account)

Attribute = str | bool | int | float | bytes | list[Any] | dict[str, Any]


def any_value(value: Attribute) -> AnyValue:
    """Build an AnyValue from the Python value that resembles it most."""
    match value:
        case str():
            return AnyValue(string_value=value)
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case bytes():
            return AnyValue(bytes_value=value)
        case list():
            return AnyValue(array_value=ArrayValue(values=[any_value(item) for item in value]))
        case dict():
            return AnyValue(kvlist_value=KeyValueList(values=key_values(value)))


def key_values(attributes: Mapping[str, Attribute]) -> list[KeyValue]:
    """Build attributes."""
    return [KeyValue(key=key, value=any_value(value)) for key, value in attributes.items()]


def make_request(
    n: int,
    *,
    name: str = "span",
    attributes: Mapping[str, Attribute] | None = None,
    resource: Mapping[str, Attribute] | None = None,
    first: int = 0,
) -> ExportTraceServiceRequest:
    """Build a request of `n` spans of one resource and scope, called `span 0`, `span 1` and so on.

    Trace and span ids are derived from the number of the span, which starts at `first`, so that they are unique.
    """
    group = ResourceSpans()
    group.resource.attributes.extend(key_values(resource or {"service.name": "test"}))
    scope = group.scope_spans.add()
    scope.scope.name = "collector.testing"
    for i in range(first, first + n):
        scope.spans.append(
            Span(
                trace_id=(i + 1).to_bytes(16, "big"),
                span_id=(i + 1).to_bytes(8, "big"),
                name=f"{name} {i}",
                kind=Span.SPAN_KIND_SERVER,
                start_time_unix_nano=1_700_000_000_000_000_000 + i,
                end_time_unix_nano=1_700_000_000_001_000_000 + i,
                attributes=key_values(attributes or {}),
            )
        )
    return ExportTraceServiceRequest(resource_spans=[group])


def make_spans(
    n: int,
    *,
    name: str = "span",
    attributes: Mapping[str, Attribute] | None = None,
    resource: Mapping[str, Attribute] | None = None,
    first: int = 0,
    origin: Origin | None = None,
) -> SpanBatch:
    """Build a batch as a receiver would: see `make_request`."""
    request = make_request(n, name=name, attributes=attributes, resource=resource, first=first)
    return receive(request.SerializeToString(), origin)


def decode(*batches: SpanBatch) -> ExportTraceServiceRequest:
    """Turn batches into one protobuf message, to look into them."""
    request = ExportTraceServiceRequest()
    for batch in batches:
        request.MergeFromString(batch.encode())
    return request


def spans_in(*batches: SpanBatch) -> list[Span]:
    """All spans of the batches, in order."""
    return [span for group in decode(*batches).resource_spans for scope in group.scope_spans for span in scope.spans]


class Sink:
    """Takes every batch and keeps it."""

    def __init__(self) -> None:
        self.batches: list[SpanBatch] = []

    async def consume(self, batch: SpanBatch) -> None:
        """Keep the batch."""
        self.batches.append(batch)

    @property
    def spans(self) -> list[Span]:
        """All spans that were taken, in order."""
        return spans_in(*self.batches)

    def __len__(self) -> int:
        return sum(len(batch) for batch in self.batches)


class Failing(Sink):
    """Refuses with `error`: always, or the first `times` batches."""

    def __init__(self, error: BaseException | None = None, times: int | None = None) -> None:
        super().__init__()
        self.error = error or RetryableError("no room")
        self.times = times
        self.refused = 0

    async def consume(self, batch: SpanBatch) -> None:
        """Refuse the batch, or keep it once enough have been refused."""
        if self.times is not None and self.refused >= self.times:
            await super().consume(batch)
            return
        self.refused += 1
        raise self.error


class Blocking(Sink):
    """Keeps callers waiting until `release()`, then takes their batches.

    A caller that is cancelled while it waits has handed over nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.released = asyncio.Event()
        self.entered = asyncio.Event()
        """Set when the first caller waits."""
        self.waiting = 0

    def release(self) -> None:
        """Let everybody pass, now and later."""
        self.released.set()

    async def consume(self, batch: SpanBatch) -> None:
        """Wait for the release, then keep the batch."""
        self.waiting += 1
        self.entered.set()
        try:
            await self.released.wait()
        finally:
            self.waiting -= 1
        await super().consume(batch)


class SinkExporter(Exporter):
    """An exporter that keeps what it delivers. `outcomes` are raised or returned first, one for each call.

    In a configuration its type is `sink`.
    """

    def __init__(
        self,
        config: Config | None = None,
        settings: Settings[ExporterAccount] | None = None,
        outcomes: Iterable[BaseException | Delivery] = (),
    ) -> None:
        super().__init__(config or Config(), settings or exporter_settings())
        self.outcomes = list(outcomes)
        self.batches: list[SpanBatch] = []
        self.calls = 0

    async def export(self, batch: SpanBatch) -> Delivery:
        """Give the next outcome, or keep the batch."""
        self.calls += 1
        outcome = self.outcomes.pop(0) if self.outcomes else Delivery()
        if isinstance(outcome, BaseException):
            raise outcome
        self.batches.append(batch)
        return outcome


class Feed(Receiver):
    """A receiver that is fed by the test. In a configuration its type is `feed`."""

    config_type = Config

    def __init__(self, config: Config, settings: Settings[ReceiverAccounts], next: Consumer) -> None:
        super().__init__(config, settings, next)
        self.account = settings.account.on("test")

    async def send(self, batch: SpanBatch) -> None:
        """Hand a batch to the pipelines, as a receiver does. Raises what they raise."""
        self.account.received += len(batch)
        self.account.requests_received += 1
        try:
            await self.next.consume(batch)
        except (ConsumeError, asyncio.CancelledError):
            self.account.refused += len(batch)
            self.account.requests_refused += 1
            raise
        self.account.accepted += len(batch)
        self.account.requests_accepted += 1


class StubHost:
    """A service without anything behind it. It keeps what is reported as failed."""

    def __init__(self, extensions: Mapping[str, Extension] | None = None) -> None:
        self.extensions = dict(extensions or {})
        self.failures: list[tuple[str, BaseException]] = []
        self.leavings: dict[str, Any] = {}
        self.is_stopping = False

    def extension(self, id: str) -> Extension | None:
        """Give the extension of this id."""
        return self.extensions.get(id)

    def fail(self, component: str, error: BaseException) -> None:
        """Keep the failure."""
        self.failures.append((component, error))

    def left(self, key: str) -> Any:
        """Give what was put into `leavings`."""
        return self.leavings.get(key)


def _settings(id: str, account: AccountT, metrics: Metrics | None, pipeline: str) -> Settings[AccountT]:
    return Settings(
        id=id,
        account=account,
        metrics=metrics or Metrics(),
        logger=logging.getLogger(f"collector.testing.{id}"),
        pipeline=pipeline,
    )


def settings(id: str = "test", *, metrics: Metrics | None = None) -> Settings[ProcessorAccount]:
    """Settings for a processor, with accounts and metrics of its own."""
    return _settings(id, ProcessorAccount(), metrics, "traces")


def exporter_settings(id: str = "test", *, metrics: Metrics | None = None) -> Settings[ExporterAccount]:
    """Settings for an exporter, with accounts and metrics of its own."""
    return _settings(id, ExporterAccount(), metrics, "")


def receiver_settings(id: str = "test", *, metrics: Metrics | None = None) -> Settings[ReceiverAccounts]:
    """Settings for a receiver, with accounts and metrics of its own."""
    return _settings(id, ReceiverAccounts(), metrics, "")


def connector_settings(id: str = "test", *, metrics: Metrics | None = None) -> Settings[ConnectorAccount]:
    """Settings for a connector, with accounts and metrics of its own."""
    return _settings(id, ConnectorAccount(), metrics, "")


def metrics_exporter_settings(id: str = "test", *, metrics: Metrics | None = None) -> Settings[PointsAccount]:
    """Settings for an exporter of metrics, with accounts and metrics of its own."""
    return _settings(id, PointsAccount(), metrics, "")


def extension_settings(id: str = "test", *, metrics: Metrics | None = None) -> Settings[Account]:
    """Settings for an extension."""
    return _settings(id, Account(), metrics, "")


async def cancel_after(steps: int, call: Callable[[], Coroutine[Any, Any, None]]) -> BaseException | None:
    """Run `call()` in a task, let the loop turn `steps` times, cancel it, and say how it ended.

    With `steps` counted up from 0 a test cancels at every await that the call can be stopped at: the answer is
    `None` when it ended by itself, and its exception otherwise, `CancelledError` included.
    """
    task = asyncio.ensure_future(call())
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    [outcome] = await asyncio.gather(task, return_exceptions=True)
    return outcome


_LOCAL = "collector.testing.local"
"""A module that exists while `known` is in force: configurations name components by module."""


@contextlib.contextmanager
def known(kind: Kind, **components: type) -> Iterator[None]:
    """Let configurations use components of a test, by type: `known(Kind.PROCESSOR, broken=Broken)`."""
    module = sys.modules.setdefault(_LOCAL, ModuleType(_LOCAL))
    references = distribution.references(kind)
    before = dict(references)
    for type_, component in components.items():
        setattr(module, component.__name__, component)
        references[type_] = f"{_LOCAL}:{component.__name__}"
    try:
        yield
    finally:
        references.clear()
        references.update(before)


def configure(yaml: str, *overrides: str) -> CollectorConfig:
    """Decode a configuration, in which `feed` is a receiver and `sink` an exporter. Raises `ConfigError`.

    The page with the collector's own metrics is off unless an override switches it on.
    """
    quiet = "service.telemetry.metrics.level=none"
    with known(Kind.RECEIVER, feed=Feed), known(Kind.EXPORTER, sink=SinkExporter):
        return load([f"yaml:{yaml}"], [quiet, *overrides])


@contextlib.asynccontextmanager
async def running(yaml: str, *overrides: str, shutdown_timeout: float = 10.0) -> AsyncIterator[Service]:
    """Run a configuration around a test: see `configure`. Afterwards the ledger must balance."""
    service = Service(configure(yaml, *overrides), shutdown_timeout=shutdown_timeout)
    await service.start()
    try:
        yield service
    finally:
        await service.shutdown()
    assert service.ledger.problems() == []  # noqa: S101  it is an assertion for tests


async def until(true: Callable[[], Any]) -> None:
    """Let the loop turn until `true()` is, which must happen within ten seconds."""
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110  what is waited for is a plain value, with nobody to set an event
            await asyncio.sleep(0.001)
