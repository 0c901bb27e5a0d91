"""Spans go to the backends that own them, whoever comes, goes or dies meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest
from otlp_grpc import address, running_receiver

from collector.component import Delivery
from collector.config.types import Duration
from collector.errors import ConsumeError, DividedError, PermanentError, RetryableError, StartError
from collector.ledger import Reason
from collector.spans import SpanBatch
from collector.telemetry.exposition import exposition
from collector.telemetry.metrics import Metrics
from collector.testing import (
    Blocking,
    Failing,
    Feed,
    Sink,
    StubHost,
    configure,
    exporter_settings,
    make_spans,
    running,
    spans_in,
    until,
)
from collector.transport.tls import ClientTlsConfig
from exporters import load_balancing
from exporters.load_balancing import LoadBalancingExporter
from exporters.load_balancing.config import (
    FailoverConfig,
    LoadBalancingConfig,
    ProtocolConfig,
    ResolverConfig,
    StaticConfig,
)
from exporters.load_balancing.resolvers import Take
from exporters.otlp_grpc import OtlpGrpcConfig

PLAIN = OtlpGrpcConfig(endpoint="replaced:1", tls=ClientTlsConfig(insecure=True), timeout=Duration(5))


class Registry:
    """Knows the backends that a test tells it."""

    kind = "test"

    def __init__(self) -> None:
        self.resolutions: Counter[bool] = Counter()
        self.updates = 0
        self.names: list[str] = []
        self.first: list[str] = []
        self._take: Take | None = None

    async def start(self, take: Take) -> None:
        self._take = take
        if self.first:
            await self.tell(*self.first)

    async def tell(self, *names: str) -> None:
        assert self._take
        await self._take(sorted(names))
        self.names = sorted(names)
        self.updates += 1

    async def stop(self) -> None:
        self._take = None


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    known = Registry()
    monkeypatch.setattr(load_balancing, "resolver", lambda config, logger: known)
    return known


@contextlib.asynccontextmanager
async def exporter(
    *names: str, otlp: OtlpGrpcConfig = PLAIN, metrics: Metrics | None = None, **options: Any
) -> AsyncIterator[LoadBalancingExporter]:
    static = StaticConfig(hostnames=list(names) or ["nobody:1"])
    config = LoadBalancingConfig(resolver=ResolverConfig(static=static), protocol=ProtocolConfig(otlp=otlp), **options)
    running = LoadBalancingExporter(config, exporter_settings("load_balancing", metrics=metrics))
    await running.start(StubHost())
    try:
        yield running
    finally:
        await running.shutdown()


@contextlib.asynccontextmanager
async def backends(*sinks: Sink) -> AsyncIterator[list[str]]:
    async with contextlib.AsyncExitStack() as stack:
        yield [address(await stack.enter_async_context(running_receiver(sink))) for sink in sinks]


def ids(*sinks: Sink) -> list[bytes]:
    return sorted(span.span_id for sink in sinks for span in sink.spans)


def all_ids(spans: int) -> list[bytes]:
    return [number.to_bytes(8, "big") for number in range(1, spans + 1)]


def pieces(error: DividedError) -> dict[type, int]:
    found: Counter[type] = Counter()
    for piece, outcome in error.pieces:
        found[type(outcome)] += len(piece)
    return dict(found)


# --- Routing


@pytest.mark.parametrize("engine", ["native", "grpcio"])
async def test_each_trace_is_at_one_backend(engine: Any) -> None:
    """However often spans of it come, and all backends have a share."""
    sinks = [Sink(), Sink(), Sink()]
    otlp = OtlpGrpcConfig(endpoint="replaced:1", tls=ClientTlsConfig(insecure=True), engine=engine)
    async with backends(*sinks) as names, exporter(*names, otlp=otlp) as balancer:
        for _ in range(3):
            assert await balancer.export(make_spans(300)) == Delivery()

    traces = [{span.trace_id for span in sink.spans} for sink in sinks]
    assert sum(map(len, traces)) == len(set().union(*traces)) == 300
    assert all(len(found) > 30 for found in traces)
    assert ids(*sinks) == sorted(all_ids(300) * 3)


async def test_all_collectors_agree_whatever_the_order_of_their_lists() -> None:
    """Two of them send a trace to the same backend."""
    sinks = [Sink(), Sink(), Sink()]
    async with (
        backends(*sinks) as names,
        exporter(*names) as one,
        exporter(*reversed(names)) as other,
    ):
        await one.export(make_spans(200))
        first = [ids(sink) for sink in sinks]
        await other.export(make_spans(200))

    assert [sorted(found * 2) for found in first] == [ids(sink) for sink in sinks]


async def test_services_stay_together() -> None:
    """Resource by resource, and those without a name have a backend, too."""
    sinks = [Sink(), Sink()]
    async with backends(*sinks) as names, exporter(*names, routing_key="service") as balancer:
        services = [make_spans(3, first=3 * n, resource={"service.name": f"service {n}"}) for n in range(20)]
        nameless = make_spans(3, first=60, resource={"host.name": "node"})
        await balancer.export(SpanBatch.join([*services, nameless]))

    assert ids(*sinks) == all_ids(63)
    counts = [len(sink) for sink in sinks]
    assert all(count and count % 3 == 0 for count in counts)


async def test_one_backend_under_two_names_is_one() -> None:
    """There is one client for it."""
    sink = Sink()
    async with backends(sink) as [name], exporter(name, name) as balancer:
        assert [backend.endpoint for backend in balancer.backends] == [name]
        await balancer.export(make_spans(10))

    assert len(sink.batches) == 1


# --- Backends that fail


async def test_what_one_did_not_take_is_all_that_comes_back() -> None:
    """The others have theirs."""
    took, refuses, away = Sink(), Failing(PermanentError("never")), Failing(RetryableError("not now"))
    async with backends(took, refuses, away) as names, exporter(*names) as balancer:
        with pytest.raises(DividedError) as caught:
            await balancer.export(make_spans(100))

        found = pieces(caught.value)
        assert found.keys() == {Delivery, PermanentError, RetryableError}
        assert sum(found.values()) == 100
        assert found[Delivery] == len(took)
        assert {backend.endpoint: dict(backend.outcomes) for backend in balancer.backends} == {
            names[0]: {True: 1},
            names[1]: {False: 1},
            names[2]: {False: 1},
        }


async def test_an_error_says_which_backend_it_was() -> None:
    """There may be many."""
    async with backends(Failing(RetryableError("not now"))) as [name], exporter(name) as balancer:
        with pytest.raises(RetryableError, match=rf"{name}: UNAVAILABLE: not now"):
            await balancer.export(make_spans(1))


async def test_a_backend_that_hangs_costs_its_own_spans_the_time() -> None:
    """Its piece may be sent again, and the others are delivered."""
    sink, slow = Sink(), Blocking()
    otlp = OtlpGrpcConfig(endpoint="replaced:1", tls=ClientTlsConfig(insecure=True), timeout=Duration(0.2))
    async with backends(sink, slow) as names, exporter(*names, otlp=otlp) as balancer:
        with pytest.raises(DividedError) as caught:
            await balancer.export(make_spans(100))

    assert pieces(caught.value) == {Delivery: len(sink), RetryableError: 100 - len(sink)}


async def test_who_is_broken_off_says_what_was_delivered() -> None:
    """Otherwise it would be sent again."""
    sink, slow = Sink(), Blocking()
    async with backends(sink, slow) as names, exporter(*names) as balancer:
        call = asyncio.ensure_future(balancer.export(make_spans(100)))
        await slow.entered.wait()
        await until(lambda: any(backend.outcomes[True] for backend in balancer.backends))
        call.cancel()
        with pytest.raises(DividedError) as caught:
            await call

        only = asyncio.ensure_future(balancer.export(SpanBatch.join([make_spans(0), owned_by(balancer, names[1])])))
        await until(lambda: slow.waiting == 1)
        only.cancel()
        with pytest.raises(asyncio.CancelledError):
            await only

    assert pieces(caught.value) == {Delivery: len(sink), RetryableError: 100 - len(sink)}


def owned_by(balancer: LoadBalancingExporter, name: str) -> SpanBatch:
    """Spans that belong to one backend."""
    assert balancer._ring
    routed = balancer._ring.router.route(make_spans(100))
    return next(piece for owner, piece in routed if balancer.backends[owner].endpoint == name)


async def test_with_failover_others_take_over_and_give_back() -> None:
    """The one that is away is tried now and then, and has its share again once it answers."""
    failover = FailoverConfig(after=Duration(0), retry_interval=Duration(0.05))
    async with dead_and_alive(2) as (names, revive, sinks), exporter(*names, failover=failover) as balancer:
        batch = owned_by(balancer, names[2])
        outcomes = [await outcome(balancer, batch) for _ in range(4)]
        assert outcomes[0] == "DividedError"
        assert "Delivery" in outcomes
        taken = ids(*sinks[:2])
        assert set(taken) == {span.span_id for span in spans_in(batch)}

        await revive()
        async with asyncio.timeout(10):
            while not len(sinks[2]):
                await outcome(balancer, batch)

    assert set(ids(sinks[2])) == set(taken)


async def test_without_failover_a_backend_keeps_its_share() -> None:
    """So a trace is never torn, and its spans wait."""
    async with dead_and_alive(2) as (names, _, sinks), exporter(*names) as balancer:
        batch = owned_by(balancer, names[2])
        assert [await outcome(balancer, batch) for _ in range(4)] == ["DividedError"] * 4

    assert ids(*sinks) == []


async def outcome(balancer: LoadBalancingExporter, batch: SpanBatch) -> str:
    try:
        return type(await balancer.export(batch)).__name__
    except (ConsumeError, DividedError) as error:
        return type(error).__name__


@contextlib.asynccontextmanager
async def dead_and_alive(alive: int) -> AsyncIterator[tuple[list[str], Callable[[], Awaitable[None]], list[Sink]]]:
    """Some backends, and one that is there only when it is revived."""
    sinks = [Sink() for _ in range(alive + 1)]
    async with contextlib.AsyncExitStack() as stack:
        names = [address(await stack.enter_async_context(running_receiver(sink))) for sink in sinks[:-1]]
        async with running_receiver(sinks[-1]) as dead:
            names.append(address(dead))

        async def revive() -> None:
            await stack.enter_async_context(running_receiver(sinks[-1], endpoint=names[-1]))

        yield names, revive, sinks


# --- Backends that come and go


async def test_spans_go_where_the_latest_list_says(registry: Registry) -> None:
    """Those that stay keep their clients, and most traces their backend."""
    sinks = [Sink(), Sink(), Sink()]
    async with backends(*sinks) as names, exporter() as balancer:
        await registry.tell(*names[:2])
        before = {backend.endpoint: backend for backend in balancer.backends}
        await balancer.export(make_spans(300))
        first = [set(ids(sink)) for sink in sinks]

        await registry.tell(*names)
        await balancer.export(make_spans(300))
        second = [set(ids(sink)) for sink in sinks]
        assert {backend.endpoint: backend for backend in balancer.backends}.items() >= before.items()
        await registry.tell(names[2])
        await balancer.export(make_spans(300, first=300))

    assert first[2] == set()
    assert 30 < len(second[2]) < 170
    assert all(second[n] == first[n] for n in (0, 1)), "nothing moved between those that stayed"
    assert len(set(ids(sinks[2]))) == len(second[2]) + 300


async def test_a_backend_that_goes_ends_what_it_has_begun(registry: Registry) -> None:
    """New spans go elsewhere meanwhile, and nobody waits for it."""
    slow, sink = Blocking(), Sink()
    async with backends(slow, sink) as names, exporter() as balancer:
        await registry.tell(names[0])
        begun = asyncio.ensure_future(balancer.export(make_spans(5)))
        await slow.entered.wait()

        await registry.tell(names[1])
        await balancer.export(make_spans(7, first=5))
        assert len(sink) == 7
        assert not begun.done()
        slow.release()
        assert await begun == Delivery()
        await until(lambda: not balancer._retiring)

    assert ids(slow) == all_ids(5)


async def test_shutdown_does_not_wait_for_backends_that_went(registry: Registry) -> None:
    """What is under way to them is broken off, and may be sent again."""
    slow = Blocking()
    async with backends(slow) as [name]:
        async with exporter() as balancer:
            await registry.tell(name)
            begun = asyncio.ensure_future(balancer.export(make_spans(5)))
            await slow.entered.wait()
            await registry.tell("127.0.0.1:1")
        with pytest.raises(RetryableError, match="closed"):
            await begun
        slow.release()


async def test_without_backends_spans_may_come_again(registry: Registry) -> None:
    """The name was not found yet."""
    async with exporter() as balancer:
        with pytest.raises(RetryableError, match="there are no backends"):
            await balancer.export(make_spans(1))


@pytest.mark.parametrize("first", [[], ["127.0.0.1:1"]])
async def test_files_that_cannot_be_used_are_said_at_start(registry: Registry, first: list[str]) -> None:
    """Also when no backend is known yet."""
    registry.first = first
    otlp = OtlpGrpcConfig(endpoint="replaced:1", tls=ClientTlsConfig(ca_file="/no/such/file"))
    with pytest.raises(StartError, match=r"protocol::otlp::tls::ca_file: .*"):
        async with exporter(otlp=otlp):
            pass


async def test_a_list_that_cannot_be_used_changes_nothing(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clients that were made for it are closed."""
    closed: list[str] = []

    async def start(self: Any, host: Any) -> None:
        if self.endpoint.endswith(":3"):
            raise StartError("no", path="tls")

    async def close(self: Any) -> None:
        closed.append(self.endpoint)

    async with exporter() as balancer:
        monkeypatch.setattr("exporters.load_balancing.backend.Backend.start", start)
        monkeypatch.setattr("exporters.load_balancing.backend.Backend.close", close)
        await registry.tell("127.0.0.1:1")
        with pytest.raises(StartError, match="protocol::otlp::tls: no"):
            await registry.tell("127.0.0.1:2", "127.0.0.1:3")

        assert [backend.endpoint for backend in balancer.backends] == ["127.0.0.1:1"]
        assert closed == ["127.0.0.1:2"]


# --- Under a pipeline


FRONT = """
receivers: {{feed: {{}}}}
exporters:
  load_balancing:
    resolver: {{static: {{hostnames: [{names}]}}}}
    protocol: {{otlp: {{tls: {{insecure: true}}, timeout: 1s{more}}}}}
    retry_on_failure: {{initial_interval: 20ms, max_interval: 50ms, randomization_factor: 0}}
service: {{pipelines: {{traces: {{receivers: [feed], exporters: [load_balancing]}}}}}}
"""


def front(names: Sequence[str], more: str = "") -> str:
    return FRONT.format(names=", ".join(f"'{name}'" for name in names), more=more)


def feed(service: Any) -> Feed:
    receiver: Feed = service.machine.receivers["feed"]
    return receiver


@pytest.mark.parametrize("queue", ["", ", sending_queue: {enabled: false}"])
async def test_a_backend_that_comes_back_gets_what_is_its_own(queue: str) -> None:
    """The other one gets nothing twice, and the books balance."""
    async with dead_and_alive(1) as (names, revive, sinks), running(front(names, queue)) as service:
        (account,) = service.machine.ledger.exporters.values()
        sending = [asyncio.ensure_future(feed(service).send(make_spans(10, first=10 * n))) for n in range(20)]
        await until(lambda: account.retries > 25)
        assert account.delivered < 200
        await revive()
        await asyncio.gather(*sending)
        await until(lambda: len(sinks[0]) + len(sinks[1]) >= 200)

    assert ids(*sinks) == all_ids(200)
    assert not {span.trace_id for span in sinks[0].spans} & {span.trace_id for span in sinks[1].spans}
    assert (account.offered, account.delivered, account.failed.total()) == (200, 200, 0)


async def test_one_backend_that_is_away_holds_up_nothing_that_goes_elsewhere() -> None:
    """However many batches wait for it, new ones are tried."""
    queue = ", sending_queue: {num_consumers: 2}"
    async with dead_and_alive(1) as (names, _, sinks):
        text = front(names, queue).replace(
            "{initial_interval: 20ms, max_interval: 50ms", "{initial_interval: 1h, max_elapsed_time: 0"
        )
        async with running(text) as service:
            balancer: Any = service.machine.exporters["load_balancing"].exporter
            share = owned_by(balancer, names[0])
            for number in range(100):
                await feed(service).send(make_spans(1, first=number))
            await until(lambda: len(sinks[0]) == len(share))

    (account,) = service.machine.ledger.exporters.values()
    assert {span.span_id for span in spans_in(share)} == set(ids(sinks[0]))
    assert {**account.failed} == {Reason.SHUTDOWN: 100 - len(share)}


async def test_while_all_backends_are_away_nothing_new_is_begun() -> None:
    """The patience of batches begins with their first attempt."""
    async with dead_and_alive(1) as (names, _, _sinks):
        pass
    async with exporter(*names) as balancer:
        assert {await outcome(balancer, make_spans(100)) for _ in range(3)} == {"RetryableError"}


@pytest.mark.parametrize("below", ["", ", sending_queue: {queue_size: 500}"])
async def test_what_waits_for_a_backend_goes_to_another_one_when_it_leaves(below: str) -> None:
    """With a list that a reload has changed, and with a queue that the Go collector has behind the ring."""
    async with dead_and_alive(1) as (names, _, sinks), running(front(names, below)) as service:
        (account,) = service.machine.ledger.exporters.values()
        for number in range(50):
            await feed(service).send(make_spans(1, first=number))
        await until(lambda: account.retries > 25)
        assert 0 < account.delivered < 50

        await service.reload(configure(front(names[:1], below)))
        await until(lambda: len(sinks[0]) == 50)

    (account,) = service.machine.ledger.exporters.values()
    assert (account.offered, account.delivered, account.failed.total()) == (50, 50, 0)


async def test_what_is_given_up_is_counted() -> None:
    """Only the share of the backend that was away."""
    async with dead_and_alive(1) as (names, _, sinks):
        text = front(names).replace("initial_interval", "max_elapsed_time: 100ms, initial_interval")
        async with running(text) as service:
            await feed(service).send(make_spans(100))
            (account,) = service.machine.ledger.exporters.values()
            await until(account.failed.total)

    assert account.delivered == len(sinks[0]) > 0
    assert {**account.failed} == {Reason.RETRIES_EXHAUSTED: 100 - len(sinks[0])}


async def test_figures_have_the_go_collectors_names() -> None:
    """Dashboards that know them go on working."""
    metrics = Metrics()
    sinks = [Sink(), Failing(RetryableError("not now"))]
    async with backends(*sinks) as names, exporter(*names, metrics=metrics) as balancer:
        for _ in range(3):
            await outcome(balancer, make_spans(100))
        page = exposition(metrics)

    own = 'exporter="load_balancing"'
    for line in (
        f'otelcol_loadbalancer_num_backends{{{own},resolver="static"}} 2',
        f'otelcol_loadbalancer_num_backend_updates{{{own},resolver="static"}} 1',
        f'otelcol_loadbalancer_num_resolutions{{{own},resolver="static",success="true"}} 1',
        f'otelcol_loadbalancer_num_resolutions{{{own},resolver="static",success="false"}} 0',
        f'otelcol_loadbalancer_backend_outcome{{{own},endpoint="{names[0]}",success="true"}} 3',
        f'otelcol_loadbalancer_backend_outcome{{{own},endpoint="{names[1]}",success="false"}} 3',
        f'otelcol_loadbalancer_backend_latency_count{{{own},endpoint="{names[1]}"}} 3',
    ):
        assert line in page
