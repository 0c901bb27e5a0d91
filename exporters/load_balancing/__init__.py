"""`load_balancing`, also called `loadbalancing`: spread spans over several collectors, so that each has whole traces.

Spans with the same trace id, or with the same values of attributes, go to the same backend, whichever collector sends
them: the backend is found on a ring that all collectors with the same list of backends have. When backends come and go,
about their share of the traces moves, and the others stay. The ring is that of the Go collector from 0.157 on.

    exporters:
      load_balancing:
        routing_key: traceID
        protocol:
          otlp:
            timeout: 2s
            tls:
              ca_file: /etc/spanmill/ca.pem
        resolver:
          static:
            hostnames: [sampling-1:4317, sampling-2:4317]

In place of a list there may be a name, whose addresses are the backends:

        resolver:
          dns:
            hostname: sampling.observability.svc.cluster.local

Queue and retries work before the ring, also those that stand below `protocol::otlp`: what waits there when a backend
goes finds another one. What some backends took is not sent to them again because others did not.

A backend that is down keeps its share, and its spans wait in the queue until it is back, or until the resolver drops
it: so traces stay whole. With `failover` others take over after a while, for the price of traces that are torn:

        failover:
          after: 10s
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from collector._kernel import Router
from collector.auth import ClientAuthenticator, reference
from collector.component import Delivery, Exporter, Host, Reference, Settings
from collector.errors import DividedError, RetryableError, StartError
from collector.ledger import ExporterAccount
from collector.sending.crew import cancel
from collector.spans import SpanBatch
from collector.transport.tls import NamedFiles
from exporters.load_balancing import metrics
from exporters.load_balancing.backend import Backend, Outcome
from exporters.load_balancing.config import LoadBalancingConfig, endpoint_of
from exporters.load_balancing.resolvers import resolver

_TEMPLATE = "protocol::otlp"


@dataclass(frozen=True, slots=True)
class Ring:
    """Backends, and who of them owns what. Never changed, so that nobody waits for it."""

    router: Router
    backends: Sequence[Backend]


class LoadBalancingExporter(Exporter):
    """Sends each span to the backend that owns its key."""

    config_type = LoadBalancingConfig

    def __init__(self, config: LoadBalancingConfig, settings: Settings[ExporterAccount]) -> None:
        super().__init__(config, settings)
        self._resolver = resolver(config.resolver, settings.logger)
        self._certificates = NamedFiles(config.protocol.otlp.tls)
        self._host: Host | None = None
        self._ring: Ring | None = None
        self._retiring: dict[asyncio.Task[None], Backend] = {}
        """Those that are gone from the list, while something is under way to them."""
        metrics.register(settings, self._resolver, lambda: self.backends)

    @property
    def backends(self) -> Sequence[Backend]:
        """Those that spans are sent to now."""
        return self._ring.backends if self._ring else ()

    def references(self) -> list[Reference]:
        """The extension that knows as whom to send."""
        return reference(self.config.protocol.otlp.auth, ClientAuthenticator, *_TEMPLATE.split("::"))

    @property
    def is_stale(self) -> bool:
        """Whether the certificates have changed since the start."""
        return self._certificates.have_changed

    async def start(self, host: Host) -> None:
        """Find the backends, and get ready to send to them. Raises `StartError`."""
        self._host = host
        self._certificates.note()
        await self._resolver.start(self._take)
        if self._ring is None:
            # What cannot be used is said at start, not when a backend is found.
            stand_in = await self._started("localhost:4317")
            await stand_in.close()

    async def _take(self, names: list[str]) -> None:
        """Go on with these backends. What is under way ends where it began. Raises `StartError`."""
        old = {backend.endpoint: backend for backend in self.backends}
        endpoints = list(dict.fromkeys(endpoint_of(name) for name in names))
        new: list[Backend] = []
        try:
            for endpoint in (endpoint for endpoint in endpoints if endpoint not in old):
                new.append(await self._started(endpoint))  # noqa: PERF401  what was started is closed in any case
        except BaseException:
            for backend in new:
                await backend.close()
            raise
        known = old | {backend.endpoint: backend for backend in new}
        router = Router([(name, endpoints.index(endpoint_of(name))) for name in names], self.config.key_attributes)
        self._ring = Ring(router, [known[endpoint] for endpoint in endpoints])
        gone = [backend for backend in old.values() if backend.endpoint not in endpoints]
        for backend in gone:
            self._retire(backend)
        if old:
            self.settings.logger.info(f"{len(endpoints)} backends, {len(new)} of them new; {len(gone)} are gone")

    async def _started(self, endpoint: str) -> Backend:
        backend = Backend(self.config.backend(endpoint), self.config.failover, self.settings)
        if self._host is None:
            raise StartError("the exporter has not started")
        try:
            await backend.start(self._host)
        except StartError as error:
            raise error.below(_TEMPLATE) from error
        return backend

    def _retire(self, backend: Backend) -> None:
        task = asyncio.get_running_loop().create_task(backend.retire())
        self._retiring[task] = backend
        task.add_done_callback(self._retiring.pop)

    async def export(self, batch: SpanBatch) -> Delivery:
        """Send to each backend what it owns. Raises `DividedError`, or `RetryableError` if nobody can be reached."""
        ring = self._ring
        if ring is None:
            raise RetryableError("there are no backends")
        now = asyncio.get_running_loop().time()
        away = [index for index, backend in enumerate(ring.backends) if backend.absence.is_away(now)]
        routed = [(ring.backends[owner], piece) for owner, piece in ring.router.route(batch, away)]
        for backend, _ in routed:
            backend.enter()
            backend.absence.tried(now)
        try:
            if len(routed) == 1:
                [(backend, piece)] = routed
                pieces = [(piece, await backend.send(piece))]
            else:
                pieces = await _send_all(routed)
        finally:
            for backend, _ in routed:
                backend.leave()
        return _together(pieces, is_outage=all(backend.is_out for backend in ring.backends))

    async def shutdown(self) -> None:
        """Close everything."""
        await self._resolver.stop()
        leaving = [*self.backends, *self._retiring.values()]
        self._ring = None
        await asyncio.gather(*(backend.close() for backend in leaving))
        if self._retiring:
            await asyncio.wait(self._retiring)


async def _send_all(routed: Sequence[tuple[Backend, SpanBatch]]) -> list[tuple[SpanBatch, Outcome]]:
    """Send to all at once. When it is cancelled, it gives what is known, or passes that on if nothing is known."""
    tasks = [asyncio.ensure_future(backend.send(piece)) for backend, piece in routed]
    try:
        await asyncio.wait(tasks)
    except asyncio.CancelledError:
        ended = [task.done() for task in tasks]
        await cancel([task for task in tasks if not task.done()])
        if not any(ended):
            raise
    return [
        (piece, RetryableError(f"{backend.endpoint}: no answer in time") if task.cancelled() else task.result())
        for task, (backend, piece) in zip(tasks, routed, strict=True)
    ]


def _together(pieces: Sequence[tuple[SpanBatch, Outcome]], *, is_outage: bool) -> Delivery:
    """Say of the whole what the pieces came to. In an outage nothing gets through, to whichever backend it goes."""
    deliveries = [outcome for _, outcome in pieces if isinstance(outcome, Delivery)]
    if len(deliveries) < len(pieces):
        refusals = [outcome for _, outcome in pieces if isinstance(outcome, RetryableError)]
        if is_outage and len(refusals) == len(pieces):
            raise max(refusals, key=lambda refusal: refusal.retry_after or 0.0)
        raise DividedError(pieces)
    messages = dict.fromkeys(delivery.message for delivery in deliveries if delivery.message)
    return Delivery(sum(delivery.rejected for delivery in deliveries), "; ".join(messages))
