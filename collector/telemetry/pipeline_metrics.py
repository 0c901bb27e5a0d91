"""The ledger and the process as metrics.

What the Go collector counts as well has the names it has there (`otelcol_…`). What only our ledger knows, the reasons
above all, is called `spanmill_…`. A counter appears with its component, at 0, so that a rate has a beginning.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from typing import Any, TypeVar

from collector import memory
from collector.ledger import (
    Ledger,
    ProcessorAccount,
    Reason,
    ReceiverAccount,
)
from collector.telemetry import instance
from collector.telemetry.metrics import MetricKind, Metrics, Sample

SIGNAL = {"otel_signal": "traces"}


def register_ledger(metrics: Metrics, ledger: Ledger) -> None:
    """Show what became of the spans."""
    metrics.refreshes.append(ledger.refresh)
    _receivers(metrics, ledger)
    _processors(metrics, ledger)
    _exporters(metrics, ledger)
    _connectors(metrics, ledger)
    _metrics_exporters(metrics, ledger)

    def pipelines_taken() -> Iterator[Sample]:
        for id, account in ledger.pipelines.items():
            yield Sample({"pipeline": id}, account.taken)

    metrics.register(
        "spanmill_pipeline_taken_spans", MetricKind.COUNTER, "Spans that a pipeline took.", pipelines_taken
    )

    def pipelines_failed() -> Iterator[Sample]:
        for id, account in ledger.pipelines.items():
            for reason, spans in account.failed.items():
                yield Sample({"pipeline": id, "reason": reason}, spans)

    metrics.register(
        "spanmill_pipeline_failed_spans",
        MetricKind.COUNTER,
        "Spans that a pipeline refused while another pipeline of the same receiver took them.",
        pipelines_failed,
    )


_AccountT = TypeVar("_AccountT")


def _series_of(
    metrics: Metrics, label: str, accounts: Mapping[str, _AccountT]
) -> Callable[[str, MetricKind, str, Callable[[_AccountT], int]], None]:
    """A function that registers a metric of one series for each account, whose id is the value of `label`."""

    def series(name: str, kind: MetricKind, help: str, read: Callable[[_AccountT], int]) -> None:
        def samples() -> Iterator[Sample]:
            for id, account in accounts.items():
                yield Sample({label: id}, read(account))

        metrics.register(name, kind, help, samples)

    return series


def _receivers(metrics: Metrics, ledger: Ledger) -> None:
    def counter(name: str, help: str, read: Callable[[ReceiverAccount], int]) -> None:
        def samples() -> Iterator[Sample]:
            for id, accounts in ledger.receivers.items():
                for transport, account in accounts.transports.items():
                    yield Sample({"receiver": id, "transport": transport}, read(account))

        metrics.register(name, MetricKind.COUNTER, help, samples)

    counter("otelcol_receiver_accepted_spans", "Spans that the pipeline accepted.", lambda a: a.accepted)
    counter("otelcol_receiver_refused_spans", "Spans that the pipeline refused.", lambda a: a.refused)
    counter("spanmill_receiver_requests", "Requests that arrived.", lambda a: a.requests_received)
    counter("spanmill_receiver_refused_requests", "Requests that were refused.", lambda a: a.requests_refused)
    counter(
        "spanmill_receiver_malformed_requests",
        "Requests that could not be read; they are among the refused.",
        lambda a: a.requests_malformed,
    )
    counter(
        "spanmill_receiver_repaired_strings",
        "Strings that were not UTF-8 and were repaired.",
        lambda a: a.repaired_strings,
    )
    counter(
        "spanmill_receiver_slow_clients",
        "Connections and requests that were cut because they took too long to arrive.",
        lambda a: a.slow_clients,
    )
    counter(
        "spanmill_receiver_broken_connections",
        "Connections that ended because of what was sent.",
        lambda a: a.broken_connections,
    )
    counter("spanmill_receiver_failed_handshakes", "Connections that came to no TLS.", lambda a: a.strangers)
    counter(
        "spanmill_receiver_unauthenticated_requests",
        "Requests that were refused because nobody knows their sender.",
        lambda a: a.unauthenticated,
    )
    counter(
        "spanmill_receiver_throttled_requests",
        "Requests that were refused because their client had its part of what there was room for.",
        lambda a: a.throttled,
    )
    counter("spanmill_receiver_crowded", "Times that there was no room for another connection.", lambda a: a.crowded)


def _processors(metrics: Metrics, ledger: Ledger) -> None:
    def counter(name: str, help: str, read: Callable[[ProcessorAccount], int]) -> None:
        def samples() -> Iterator[Sample]:
            # Dashboards know one series for each processor id, whatever the number of pipelines it is in.
            sums: dict[str, int] = {}
            for (_, id), account in ledger.processors.items():
                sums[id] = sums.get(id, 0) + read(account)
            for id, value in sums.items():
                yield Sample({"processor": id, **SIGNAL}, value)

        metrics.register(name, MetricKind.COUNTER, help, samples)

    counter("otelcol_processor_incoming_items", "Spans that a processor took.", lambda a: a.taken)
    counter("otelcol_processor_outgoing_items", "Spans that a processor handed on.", lambda a: a.passed_on)
    counter("spanmill_processor_filtered_spans", "Spans that were dropped on purpose.", lambda a: a.filtered)
    counter("spanmill_processor_sampled_out_spans", "Spans of traces that were not chosen.", lambda a: a.sampled_out)

    def held() -> Iterator[Sample]:
        for (pipeline, id), account in ledger.processors.items():
            yield Sample({"processor": id, "pipeline": pipeline}, account.held())

    metrics.register("spanmill_processor_held_spans", MetricKind.GAUGE, "Spans that a processor holds back.", held)

    def failed() -> Iterator[Sample]:
        for (pipeline, id), account in ledger.processors.items():
            for reason, spans in account.failed.items():
                yield Sample({"processor": id, "pipeline": pipeline, "reason": reason}, spans)

    metrics.register("spanmill_processor_failed_spans", MetricKind.COUNTER, "Spans that were lost, by reason.", failed)


# What the Go collector counts elsewhere: a partial success as sent, and a full queue before anything was sent.
_NOT_SENDING = (Reason.REJECTED, Reason.QUEUE_FULL)


def _exporters(metrics: Metrics, ledger: Ledger) -> None:
    series = _series_of(metrics, "exporter", ledger.exporters)

    series(
        "otelcol_exporter_sent_spans",
        MetricKind.COUNTER,
        "Spans that the backend took, those included that it then rejected in a partial success.",
        lambda a: a.delivered + a.failed[Reason.REJECTED],
    )
    series(
        "otelcol_exporter_send_failed_spans",
        MetricKind.COUNTER,
        "Spans that were lost after all attempts.",
        lambda a: a.failed.total() - sum(a.failed[reason] for reason in _NOT_SENDING),
    )
    series(
        "otelcol_exporter_enqueue_failed_spans",
        MetricKind.COUNTER,
        "Spans that the queue turned away; they are lost only if nobody sends them again.",
        lambda a: a.refused,
    )
    series("spanmill_exporter_retries", MetricKind.COUNTER, "Attempts beyond the first.", lambda a: a.retries)
    series("spanmill_exporter_held_spans", MetricKind.GAUGE, "Spans queued and in flight.", lambda a: a.held())

    def failed() -> Iterator[Sample]:
        for id, account in ledger.exporters.items():
            for reason, spans in account.failed.items():
                yield Sample({"exporter": id, "reason": reason}, spans)

    metrics.register("spanmill_exporter_failed_spans", MetricKind.COUNTER, "Spans that were lost, by reason.", failed)


def _connectors(metrics: Metrics, ledger: Ledger) -> None:
    series = _series_of(metrics, "connector", ledger.connectors)
    counter = MetricKind.COUNTER
    series("otelcol_connector_consumed_items", counter, "Spans that a connector was shown.", lambda a: a.taken)
    series("spanmill_connector_counted_spans", counter, "Spans that a connector made metrics of.", lambda a: a.counted)

    def skipped() -> Iterator[Sample]:
        for id, account in ledger.connectors.items():
            reasons: dict[str, int] = {"no_service_name": account.unnamed, "no_room": account.homeless}
            reasons |= {reason.value: spans for reason, spans in account.failed.items()}
            for reason, spans in reasons.items():
                yield Sample({"connector": id, "reason": reason}, spans)

    metrics.register(
        "spanmill_connector_skipped_spans",
        MetricKind.COUNTER,
        "Spans that a connector made nothing of, by reason.",
        skipped,
    )


def _metrics_exporters(metrics: Metrics, ledger: Ledger) -> None:
    series = _series_of(metrics, "exporter", ledger.metrics_exporters)

    series(
        "otelcol_exporter_sent_metric_points",
        MetricKind.COUNTER,
        "Data points that the backend took, those included that it then rejected in a partial success.",
        lambda a: a.delivered + a.failed[Reason.REJECTED],
    )
    series(
        "otelcol_exporter_send_failed_metric_points",
        MetricKind.COUNTER,
        "Data points that were lost.",
        lambda a: a.failed.total() - a.failed[Reason.REJECTED],
    )
    series(
        "spanmill_exporter_superseded_metric_points",
        MetricKind.COUNTER,
        "Data points that were not sent, since later ones say the same and more.",
        lambda a: a.superseded,
    )
    series(
        "spanmill_exporter_held_metric_points",
        MetricKind.GAUGE,
        "Data points that wait to be sent.",
        lambda a: a.held(),
    )

    def failed() -> Iterator[Sample]:
        for id, account in ledger.metrics_exporters.items():
            for reason, points in account.failed.items():
                yield Sample({"exporter": id, "reason": reason}, points)

    metrics.register(
        "spanmill_exporter_failed_metric_points", MetricKind.COUNTER, "Data points that were lost, by reason.", failed
    )


def register_reloads(metrics: Metrics, outcomes: Mapping[str, int]) -> None:
    """Show what became of configurations that were to follow the one at start."""
    metrics.register(
        "spanmill_reloads",
        MetricKind.COUNTER,
        "Configurations that were read because of a SIGHUP, by what became of them.",
        lambda: [Sample({"outcome": outcome}, count) for outcome, count in outcomes.items()],
    )


def register_process(metrics: Metrics, resource: Callable[[], Mapping[str, Any]]) -> None:
    """Show the process itself; `resource` gives the attributes by which it is known, besides the usual ones."""
    started = time.monotonic()
    usual = {
        "service.name": "spanmill",
        "service.version": version("spanmill"),
        instance.ID: instance.id_of({}),
    }

    def gauge(name: str, kind: MetricKind, help: str, read: Callable[[], float]) -> None:
        metrics.register(name, kind, help, lambda: [Sample({}, read())])

    def cpu() -> float:
        times = os.times()
        return times.user + times.system

    gauge("otelcol_process_uptime", MetricKind.COUNTER, "Seconds since the start.", lambda: time.monotonic() - started)
    gauge("otelcol_process_cpu_seconds", MetricKind.COUNTER, "CPU time used, in seconds.", cpu)
    gauge("otelcol_process_memory_rss", MetricKind.GAUGE, "Resident memory in bytes.", memory.rss)

    def labels() -> dict[str, str]:
        attributes = {**usual, **resource()}
        return {name.replace(".", "_"): str(value) for name, value in attributes.items() if value is not None}

    metrics.register("target_info", MetricKind.GAUGE, "Which collector this is.", lambda: [Sample(labels(), 1)])
