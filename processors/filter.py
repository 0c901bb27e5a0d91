"""`filter`: drop what matches a condition.

Conditions are written in OTTL and asked from the outside in: a resource, a scope or a span for which one is true
goes with all that is in it, and of a span that stays each event is asked. Any condition that is true drops; children
and parents of a dropped span stay. Place it early, so that nothing else is spent on what goes.

    processors:
      filter:
        error_mode: ignore
        trace_conditions:
          - resource.attributes["deployment.environment"] == "dev"
          - span.kind == SPAN_KIND_SERVER and IsMatch(span.name, "^GET /(healthz|readyz)$")
          - spanevent.name == "debug"

What a condition is asked about is told by its paths. One without any, `IsRootSpan()` say, needs it said:

    processors:
      filter/roots:
        trace_conditions:
          - context: span
            conditions:
              - not IsRootSpan()
"""

from __future__ import annotations

from collector import ops
from collector._kernel import Op, OpCounts
from collector.component import Settings, SpanOp
from collector.config.types import Config, FieldError, Section
from collector.ledger import ProcessorAccount
from collector.telemetry.metrics import MetricKind, Sample
from processors.matching import MatchConfig, settings_of
from processors.ottl import Context, ErrorMode, Failures, OtherSignal


class TraceConditions(Config):
    """Conditions with settings of their own. They take a pass over the spans of their own, too."""

    conditions: list[str]
    """OTTL conditions. Any that is true drops."""

    context: Context | None = None
    """What they are asked about. Paths of that context need no prefix then: `name == "x"`."""

    error_mode: ErrorMode | None = None
    """As `error_mode` of the processor, which holds where nothing is said here."""


class LevelConditions(Config):
    """Conditions by level. Paths of the level need no prefix: `name == "x"`."""

    resource: list[str] = []
    """Asked of resources."""

    span: list[str] = []
    """Asked of spans."""

    spanevent: list[str] = []
    """Asked of the events of spans."""


class SpanSelection(Config):
    """The oldest form: which spans stay."""

    include: Section[MatchConfig] = None
    """Spans that do not match go."""

    exclude: Section[MatchConfig] = None
    """Spans that match go."""


class FilterConfig(Config):
    """Settings of the `filter` processor."""

    error_mode: ErrorMode = "ignore"
    """What becomes of a condition that cannot be evaluated, because a function is given a missing attribute, say.
    `ignore`: it counts as false, and a warning says so now and then. `silent`: no warning either. Both count it
    in `spanmill_processor_failed_evaluations`. `propagate`: the whole
    request is refused for good, with what failed as the message."""

    trace_conditions: list[str | TraceConditions] = []
    """OTTL conditions, or groups of them with a `context` each. A list has one kind or the other."""

    traces: LevelConditions | None = None
    """The older form: conditions by level. `trace_conditions` says the same and replaces it."""

    spans: SpanSelection | None = None
    """The oldest form: which spans stay. `trace_conditions` wins where both are given."""

    logs: OtherSignal = None
    """Taken, so that a configuration of the Go collector loads; it has no effect."""
    metrics: OtherSignal = None
    """Taken and without effect, like `logs`."""
    profiles: OtherSignal = None
    """Taken and without effect, like `logs`."""
    log_conditions: OtherSignal = None
    """Taken and without effect, like `logs`."""
    metric_conditions: OtherSignal = None
    """Taken and without effect, like `logs`."""
    profile_conditions: OtherSignal = None
    """Taken and without effect, like `logs`."""

    def __post_init__(self) -> None:
        if len({isinstance(entry, str) for entry in self.trace_conditions}) > 1:
            raise FieldError("trace_conditions", "must be conditions only, or groups of conditions only")
        if self.trace_conditions and self.traces is not None:
            raise FieldError("traces", "cannot stand beside trace_conditions; write these conditions there")
        if self.spans is not None and self.traces is not None:
            raise FieldError("spans", "cannot stand beside traces; write one of them")


class FilterProcessor(SpanOp):
    """Drops resources, scopes, spans and events that match a condition."""

    config_type = FilterConfig
    config: FilterConfig

    def __init__(self, config: FilterConfig, settings: Settings[ProcessorAccount]) -> None:
        super().__init__(config, settings)
        self._filtered = 0
        self._failures = Failures(settings, "a condition counts as false where it fails")
        settings.metrics.register(
            "otelcol_processor_filter_spans_filtered",
            MetricKind.COUNTER,
            "Spans that the filter processor dropped.",
            lambda: [Sample({"filter": settings.id}, self._filtered)],
        )

    def ops(self) -> list[Op]:
        """One for each group of conditions."""
        return ops.build("filter", _op_settings(self.config))

    def committed(self, counts: list[OpCounts]) -> None:
        """Count what was dropped, and what failed."""
        self._filtered += sum(count.dropped for count in counts)
        self._failures.note(counts)


def _op_settings(config: FilterConfig) -> list[dict[str, object]]:
    """What the kernel is told. `option` is where conditions stand, for messages."""
    plain = [entry for entry in config.trace_conditions if isinstance(entry, str)]
    if plain:
        lists: list[dict[str, object]] = [{"option": "trace_conditions", "conditions": plain}]
        return [{"error_mode": config.error_mode, "conditions": lists}]
    if config.trace_conditions:
        return [
            {
                "error_mode": group.error_mode or config.error_mode,
                "conditions": [
                    {
                        "option": f"trace_conditions[{index}]::conditions",
                        "context": group.context,
                        "conditions": group.conditions,
                    }
                ],
            }
            for index, group in enumerate(config.trace_conditions)
            if isinstance(group, TraceConditions)
        ]
    if config.traces is not None:
        levels = {level: getattr(config.traces, level) for level in ("resource", "span", "spanevent")}
        lists = [
            {"option": f"traces::{level}", "context": level, "conditions": conditions}
            for level, conditions in levels.items()
        ]
        return [{"error_mode": config.error_mode, "conditions": lists}]
    if config.spans is not None:
        include, exclude = settings_of(config.spans.include), settings_of(config.spans.exclude)
        return [{"error_mode": config.error_mode, "include": include, "exclude": exclude}]
    return []
