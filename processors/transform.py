"""`transform`: change resources, scopes, spans and events by statements in OTTL.

A statement is an editor, and perhaps a condition behind `where`. Statements run in their order, and each sees what
those before it did. They come in groups: a group runs once for each resource, scope, span or event, and the next one
begins when it is through.

    processors:
      transform:
        error_mode: ignore
        trace_statements:
          - context: resource
            statements:
              - keep_keys(attributes, ["service.name", "host.name"])
          - conditions: [span.kind == SPAN_KIND_SERVER]
            statements:
              - replace_pattern(span.name, "/[0-9]+", "/{id}")
              - set(span.attributes["svc"], resource.attributes["service.name"])
              - truncate_all(span.attributes, 128)
          - context: spanevent
            statements:
              - delete_key(attributes, "exception.stacktrace") where name == "exception"

A plain list is one group. What it runs for is told by its paths: the most specific one decides for all of them.

    processors:
      transform/plain:
        trace_statements:
          - set(span.status.code, STATUS_CODE_UNSET) where span.attributes["http.response.status_code"] == 404
          - delete_matching_keys(span.attributes, "^internal[.]")

All editors and functions are in docs/ottl.md. A group that changes the resource from a span does so once a span, and
all spans of the resource share the outcome: a group with `context: resource` says what is meant, and costs less.
"""

from __future__ import annotations

from collector import ops
from collector._kernel import Op, OpCounts
from collector.component import Settings, SpanOp
from collector.config.types import Config, FieldError
from collector.ledger import ProcessorAccount
from processors.ottl import Context, ErrorMode, Failures, OtherSignal


class StatementGroup(Config):
    """Statements with settings of their own."""

    statements: list[str] = []
    """OTTL statements, in order."""

    context: Context | None = None
    """What they run for. Paths of that context need no prefix then: `set(name, "x")`."""

    conditions: list[str] = []
    """OTTL conditions. One of them must be true for the statements to run; without any they always run."""

    error_mode: ErrorMode | None = None
    """As `error_mode` of the processor, which holds where nothing is said here."""

    shared_cache: bool = False
    """Refused if true. In the Go collector such a cache outlives spans and requests; put what belongs together into one
    group instead."""

    def __post_init__(self) -> None:
        if self.shared_cache:
            raise FieldError("shared_cache", "is not supported: put the statements that share a cache into one group")


class TransformConfig(Config):
    """Settings of the `transform` processor."""

    error_mode: ErrorMode = "ignore"
    """What becomes of a statement or condition that cannot be evaluated, because a function is given a missing
    attribute, say. `ignore`: the next one follows, and a warning says so now and then. `silent`: no warning either.
    Both count it in `spanmill_processor_failed_evaluations`. `propagate`: the whole request is refused for good, with
    what failed as the message."""

    trace_statements: list[str | StatementGroup] = []
    """OTTL statements, or groups of them. A list has one kind or the other."""

    metric_statements: OtherSignal = None
    """Taken, so that a configuration of the Go collector loads; it has no effect."""
    log_statements: OtherSignal = None
    """Taken and without effect, like `metric_statements`."""
    profile_statements: OtherSignal = None
    """Taken and without effect, like `metric_statements`."""
    flatten_data: OtherSignal = None
    """Taken and without effect: it is about logs."""

    def __post_init__(self) -> None:
        if len({isinstance(entry, str) for entry in self.trace_statements}) > 1:
            raise FieldError("trace_statements", "must be statements only, or groups of statements only")


class TransformProcessor(SpanOp):
    """Runs statements."""

    config_type = TransformConfig
    config: TransformConfig

    def __init__(self, config: TransformConfig, settings: Settings[ProcessorAccount]) -> None:
        super().__init__(config, settings)
        self._failures = Failures(settings, "a statement is passed over where it fails")

    def ops(self) -> list[Op]:
        """One for each group of statements."""
        return ops.build("transform", _op_settings(self.config))

    def committed(self, counts: list[OpCounts]) -> None:
        """Count and log what failed."""
        self._failures.note(counts)


def _op_settings(config: TransformConfig) -> list[dict[str, object]]:
    """What the kernel is told. `option` is where a group stands, for messages."""
    plain = [entry for entry in config.trace_statements if isinstance(entry, str)]
    if plain:
        return [{"option": "trace_statements", "error_mode": config.error_mode, "statements": plain}]
    return [
        {
            "option": f"trace_statements[{index}]",
            "error_mode": group.error_mode or config.error_mode,
            "context": group.context,
            "conditions": group.conditions,
            "statements": group.statements,
        }
        for index, group in enumerate(config.trace_statements)
        if isinstance(group, StatementGroup) and group.statements
    ]
