"""`nop`: take spans, or metrics made of them, and do nothing with them, to measure what comes before.

    exporters:
      nop:

It has no options of its own.
"""

from __future__ import annotations

from collector.component import Delivery, Exporter, MetricsExporter
from collector.flush import MetricsRequest
from collector.sending.config import LocalSendingConfig
from collector.spans import SpanBatch


class NopConfig(LocalSendingConfig):
    """Settings of the `nop` exporter."""


class NopMetricsExporter(MetricsExporter):
    """Counts data points as delivered, which they are not."""

    config_type = NopConfig

    async def export(self, request: MetricsRequest) -> Delivery:
        """Forget the request."""
        return Delivery()


class NopExporter(Exporter):
    """Counts spans as delivered, which they are not."""

    config_type = NopConfig
    metrics_exporter = NopMetricsExporter

    async def export(self, batch: SpanBatch) -> Delivery:
        """Forget the batch."""
        return Delivery()
