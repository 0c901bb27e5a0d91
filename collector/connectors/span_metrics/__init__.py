"""`span_metrics`, also called `spanmetrics`: count spans and measure how long they took, as metrics.

It stands among the exporters of a pipeline of traces, and sees what the exporters beside it have taken. The metrics are
on the collector's own page for Prometheus, and leave once in an interval if a pipeline of metrics begins with the
connector. Before sampling it sees everything. Behind consistent sampling each span counts for as many as it stands for.

    connectors:
      span_metrics:
        dimensions:
          - name: http.route
          - name: http.request.method
            default: GET
        histogram:
          unit: s
        resource_metrics_key_attributes: [service.name, service.namespace]
        aggregation_cardinality_limit: 10_000
        gen_ai:

The pipelines of that one:

    service:
      pipelines:
        traces: {receivers: [otlp], exporters: [span_metrics, otlp_grpc]}
        metrics: {receivers: [span_metrics], exporters: [otlp_grpc]}
"""

from __future__ import annotations

import asyncio
import time
from functools import partial

from collector._kernel import SpanMetrics
from collector.component import Connector, Host, Settings
from collector.config.types import FieldError
from collector.connectors.span_metrics.config import SpanMetricsConfig
from collector.connectors.span_metrics.kernel import kernel_settings
from collector.flush import Flush, MetricsRequest
from collector.ledger import ConnectorAccount
from collector.pausing import pause
from collector.spans import SpanBatch
from collector.telemetry.metrics import MetricKind, Sample

MAX_REQUEST_BYTES = 3_670_016
"""3.5 MiB: what fits into the 4 MiB that servers of gRPC take."""


class SpanMetricsConnector(Connector):
    """Shows spans to the kernel, and hands on what it makes of them."""

    config_type = SpanMetricsConfig

    def __init__(self, config: SpanMetricsConfig, settings: Settings[ConnectorAccount]) -> None:
        super().__init__(config, settings)
        self._metrics = SpanMetrics(kernel_settings(config, settings.id, settings.instance))
        self._booked = {"counted": 0, "unnamed": 0, "homeless": 0}
        self._stopping = asyncio.Event()
        self._ticker: asyncio.Task[None] | None = None
        self._register()

    def check(self) -> None:
        """Refuse deltas that nobody would see: the page has cumulative metrics only."""
        if self.config.is_delta and not self.next:
            raise FieldError(
                "aggregation_temporality",
                "must be AGGREGATION_TEMPORALITY_CUMULATIVE unless a pipeline of metrics begins with this connector",
            )

    async def start(self, host: Host) -> None:
        """Begin the first interval."""
        self._ticker = asyncio.get_running_loop().create_task(self._tick())

    def consume(self, batch: SpanBatch) -> None:
        """Count the spans."""
        self._metrics.consume(batch, time.time_ns())
        self.settings.account.taken += len(batch)

    def book(self) -> None:
        """Write down what the kernel has counted."""
        counts, account = self._metrics.counts(), self.settings.account
        account.counted += counts["counted"] - self._booked["counted"]
        account.unnamed += counts["unnamed"] - self._booked["unnamed"]
        account.homeless += counts["homeless"] - self._booked["homeless"]
        self._booked = {name: counts[name] for name in self._booked}

    async def shutdown(self) -> None:
        """Hand on what the last interval has come to."""
        ticker, self._ticker = self._ticker, None
        self._stopping.set()
        if ticker:
            # It may be writing: with deltas that is not there twice.
            await asyncio.wait([ticker])
            await self._flush()
        self.book()

    async def _tick(self) -> None:
        while not await pause(self.config.metrics_flush_interval, self._stopping):
            try:
                await self._flush()
            except Exception:
                self.settings.logger.exception("a bug: the metrics of an interval could not be written")

    async def _flush(self) -> None:
        written = await asyncio.to_thread(self._metrics.flush, time.time_ns(), MAX_REQUEST_BYTES)
        requests = tuple(MetricsRequest(data, points) for data, points in written)
        if requests:
            for consumer in self.next:
                consumer.take(Flush(self.settings.id, requests, is_cumulative=not self.config.is_delta))

    def _register(self) -> None:
        metrics, labels = self.settings.metrics, {"connector": self.settings.id}

        def show(name: str, kind: MetricKind, help: str, count: str) -> None:
            metrics.register(name, kind, help, lambda: [Sample(labels, self._metrics.counts()[count])])

        show("spanmill_connector_series", MetricKind.GAUGE, "Series that are kept.", "series")
        show("spanmill_connector_resources", MetricKind.GAUGE, "Resources whose series are kept.", "resources")
        show("spanmill_connector_bytes", MetricKind.GAUGE, "Memory that series take, roughly.", "bytes")
        show(
            "spanmill_connector_overflowed_spans",
            MetricKind.COUNTER,
            "Spans among the counted that have no series of their own, since there are too many.",
            "overflowed",
        )
        show(
            "spanmill_connector_evicted_resources",
            MetricKind.COUNTER,
            "Resources that were forgotten since there were too many.",
            "evicted",
        )
        if self.config.is_delta:
            return
        for number, (name, kind, help) in enumerate(self._metrics.families()):
            metrics.register_written(name, MetricKind(kind), help, partial(self._metrics.exposition, number))
