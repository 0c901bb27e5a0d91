"""Figures of the `load_balancing` exporter, by the names that the Go collector gives them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from collector.component import Settings
from collector.ledger import ExporterAccount
from collector.telemetry.metrics import Histogram, Labels, MetricKind, Sample
from exporters.load_balancing.backend import Backend
from exporters.load_balancing.resolvers import Resolver


def register(
    settings: Settings[ExporterAccount], resolver: Resolver, backends: Callable[[], Sequence[Backend]]
) -> None:
    """Show what the resolver did, and what became of attempts at the backends that there are."""
    own = {"exporter": settings.id}
    labels = {**own, "resolver": resolver.kind}

    def word(success: bool) -> str:
        return "true" if success else "false"

    def resolutions() -> Iterable[Sample]:
        return [Sample({**labels, "success": word(ok)}, resolver.resolutions[ok]) for ok in (True, False)]

    def outcomes() -> Iterable[Sample]:
        return [
            Sample({**own, "endpoint": backend.endpoint, "success": word(ok)}, backend.outcomes[ok])
            for backend in backends()
            for ok in (True, False)
        ]

    def latencies() -> Iterable[tuple[Labels, Histogram]]:
        return [({**own, "endpoint": backend.endpoint}, backend.latency) for backend in backends()]

    prefix, register = "otelcol_loadbalancer_", settings.metrics.register
    register(
        f"{prefix}num_backends", MetricKind.GAUGE, "Backends in use.", lambda: [Sample(labels, len(resolver.names))]
    )
    register(
        f"{prefix}num_backend_updates",
        MetricKind.COUNTER,
        "How often the list of backends changed.",
        lambda: [Sample(labels, resolver.updates)],
    )
    register(f"{prefix}num_resolutions", MetricKind.COUNTER, "Look-ups of the list of backends.", resolutions)
    register(f"{prefix}backend_latency", MetricKind.HISTOGRAM, "Milliseconds that attempts took.", latencies)
    register(f"{prefix}backend_outcome", MetricKind.COUNTER, "Attempts at backends, by their success.", outcomes)
