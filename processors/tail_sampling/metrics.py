"""The metrics of `tail_sampling`, by the Go collector's names."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from collector._kernel import TraceCounts
from collector.component import Settings
from collector.ledger import ProcessorAccount
from collector.telemetry.metrics import Histogram, Labels, MetricKind, Sample
from processors.waiting_traces import WaitingTraces

_PREFIX = "otelcol_processor_tail_sampling"
_DECISIONS = (("true", "sampled"), ("false", "not_sampled"), ("false", "dropped"))
_EARLY = ("num_traces", "max_bytes", "certain", "shutdown")


def register(waiting: WaitingTraces, settings: Settings[ProcessorAccount]) -> None:
    """Show what happens to traces."""
    labels: Labels = {"processor": settings.id, "pipeline": settings.pipeline}
    _, _, own = settings.id.partition("/")
    prefix = f"{own}." if own else ""

    def counter(name: str, help: str, read: Callable[[TraceCounts], int]) -> None:
        settings.metrics.register(
            f"{_PREFIX}_{name}", MetricKind.COUNTER, help, lambda: [Sample(labels, read(waiting.traces.counts()))]
        )

    def by_policy() -> Iterator[Sample]:
        for policy in waiting.traces.counts().policies:
            for sampled, decision in _DECISIONS:
                yield Sample(
                    {**labels, "policy": prefix + policy.name, "sampled": sampled, "decision": decision},
                    getattr(policy, decision),
                )

    def overall() -> Iterator[Sample]:
        counts = waiting.traces.counts()
        for sampled, decision in _DECISIONS:
            yield Sample({**labels, "sampled": sampled, "decision": decision}, getattr(counts, decision))

    def cached() -> Iterator[Sample]:
        counts = waiting.traces.counts()
        yield Sample({**labels, "sampled": "true"}, counts.cached_sampled)
        yield Sample({**labels, "sampled": "false"}, counts.cached_not_sampled)

    def executions() -> Iterator[Sample]:
        for policy in waiting.traces.counts().policies:
            asked = policy.sampled + policy.not_sampled + policy.dropped + policy.failed
            yield Sample({**labels, "policy": prefix + policy.name}, asked)

    def early() -> Iterator[Sample]:
        for reason, count in zip(_EARLY, waiting.traces.counts().early, strict=True):
            yield Sample({**labels, "reason": reason}, count)

    def add(name: str, kind: MetricKind, help: str, read: Callable[[], Iterator[Sample]]) -> None:
        settings.metrics.register(name, kind, help, read)

    add(f"{_PREFIX}_count_traces_sampled", MetricKind.COUNTER, "What each policy said, in traces.", by_policy)
    add(f"{_PREFIX}_global_count_traces_sampled", MetricKind.COUNTER, "What was decided, in traces.", overall)
    add(
        f"{_PREFIX}_early_releases_from_cache_decision",
        MetricKind.COUNTER,
        "Spans that came after the decision, which was in a cache.",
        cached,
    )
    add(f"{_PREFIX}_sampling_policy_execution_count", MetricKind.COUNTER, "How often a policy was asked.", executions)
    add(
        "spanmill_tail_sampling_decided_early",
        MetricKind.COUNTER,
        "Traces that were decided about before their time.",
        early,
    )
    counter("new_trace_id_received", "Traces of which a first span has come.", lambda counts: counts.new_traces)
    counter(
        "sampling_policy_evaluation_error",
        "How often a policy could not be asked.",
        lambda counts: sum(policy.failed for policy in counts.policies),
    )
    counter(
        "sampling_trace_dropped_too_early",
        "Traces that were decided about before their time, since there were too many or they took too much memory.",
        lambda counts: sum(counts.early[:2]),
    )
    settings.metrics.register(
        "spanmill_tail_sampling_stressed_traces",
        MetricKind.COUNTER,
        "Traces that were decided about by probability alone.",
        lambda: [Sample(labels, waiting.traces.counts().stressed)],
    )
    counter("traces_dropped_too_large", "Traces that grew too large.", lambda counts: counts.too_large)
    settings.metrics.register(
        f"{_PREFIX}_sampling_traces_on_memory",
        MetricKind.GAUGE,
        "Traces that wait, and those whose decision is remembered beside them.",
        lambda: [Sample(labels, waiting.traces.on_memory)],
    )
    settings.metrics.register(
        "spanmill_tail_sampling_stressed",
        MetricKind.GAUGE,
        "1 while new traces are decided about by probability alone.",
        lambda: [Sample(labels, int(waiting.traces.is_stressed))],
    )
    settings.metrics.register(
        "spanmill_tail_sampling_held_bytes",
        MetricKind.GAUGE,
        "Bytes of memory that spans take.",
        lambda: [Sample(labels, waiting.traces.bytes)],
    )
    settings.metrics.register(
        f"{_PREFIX}_sampling_decision_timer_latency",
        MetricKind.HISTOGRAM,
        "Milliseconds of the turns in which decisions are made.",
        lambda: [(labels, waiting.latency)],
    )
    settings.metrics.register(
        f"{_PREFIX}_sampling_late_span_age",
        MetricKind.HISTOGRAM,
        "Seconds from a decision to a span that came later.",
        lambda: [(labels, _histogram(waiting.traces.counts().late_ages))],
    )
    settings.metrics.register(
        f"{_PREFIX}_sampling_trace_removal_age",
        MetricKind.HISTOGRAM,
        "Seconds from the first span of a trace until nothing of it is in memory, its decision included.",
        lambda: [(labels, _histogram(waiting.traces.counts().removal_ages))],
    )


def _histogram(ages: tuple[list[float], list[int], float]) -> Histogram:
    bounds, counts, total = ages
    histogram = Histogram(bounds)
    histogram.buckets = counts
    histogram.count = sum(counts)
    histogram.sum = total
    return histogram
