"""What the filter takes in YAML, what it says about mistakes, and what it drops and counts."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from collector._kernel import OptionError, Program
from collector.config.decode import Decoder
from collector.config.document import Node
from collector.config.problems import Problems, Where
from collector.errors import ConfigError, PermanentError
from collector.program import Member, ProgramProcessor
from collector.spans import SpanBatch, receive
from collector.telemetry.exposition import exposition
from collector.testing import Sink, decode, key_values, make_request, make_spans, settings
from processors.filter import FilterConfig, FilterProcessor, LevelConditions, TraceConditions


def node(value: Any) -> Node:
    """Wrap plain values as the reader of YAML does."""
    where = Where("test.yaml")
    if isinstance(value, dict):
        return Node({key: node(item) for key, item in value.items()}, where)
    if isinstance(value, list):
        return Node([node(item) for item in value], where)
    return Node(value, where)


def config(value: dict[str, Any]) -> FilterConfig:
    """Decode a section, or raise a `ConfigError` with the report."""
    problems = Problems()
    decoded = Decoder(problems, []).struct(FilterConfig, node(value), ())
    problems.raise_if_any()
    assert decoded is not None
    return decoded


def run(value: dict[str, Any], batch: SpanBatch) -> list[str]:
    """Names of the spans that a filter leaves."""
    program = Program(FilterProcessor(config(value), settings()).ops())
    request = decode(program.run(batch).batch)
    return [span.name for group in request.resource_spans for scope in group.scope_spans for span in scope.spans]


async def consume(processor: FilterProcessor, batch: SpanBatch) -> Sink:
    """Run a batch through a pipeline of this one processor."""
    sink = Sink()
    await ProgramProcessor([Member(processor, processor.ops())], sink).consume(batch)
    return sink


@pytest.mark.parametrize(
    "value",
    [
        {"trace_conditions": ['span.name == "span 1"']},
        {"trace_conditions": [{"context": "SPAN", "conditions": ['name == "span 1"']}]},
        {"trace_conditions": [{"conditions": ['span.name == "span 1"']}]},
        {"traces": {"span": ['name == "span 1"']}},
        {"spans": {"exclude": {"match_type": "strict", "span_names": ["span 1"]}}},
        {"spans": {"include": {"match_type": "regexp", "span_names": ["[02]$"]}}},
        {"trace_conditions": [{"context": "span", "conditions": ["false"]}, {"conditions": ['span.name == "span 1"']}]},
    ],
)
def test_every_form_says_the_same(value: dict[str, Any]) -> None:
    """Conditions can be listed, grouped, or stand under their level."""
    assert run(value, make_spans(3)) == ["span 0", "span 2"]


def test_an_empty_filter_passes_everything() -> None:
    """A filter without conditions is allowed and drops nothing."""
    assert run({}, make_spans(2)) == ["span 0", "span 1"]


def test_paths_tell_what_a_condition_is_about() -> None:
    """Of plain conditions each is asked where its paths lead: a resource, a span, or an event."""
    value = {
        "error_mode": "ignore",
        "trace_conditions": [
            'resource.attributes["deployment.environment"] == "dev"',
            'span.kind == SPAN_KIND_SERVER and IsMatch(span.name, "^GET /(healthz|readyz)$")',
            'spanevent.name == "debug"',
        ],
    }
    request = make_request(10, resource={"deployment.environment": "dev"})
    request.MergeFrom(make_request(2, resource={"deployment.environment": "prod"}, first=10))
    server, client = request.resource_spans[1].scope_spans[0].spans
    server.name = client.name = "GET /healthz"
    server.kind, client.kind = server.SPAN_KIND_SERVER, client.SPAN_KIND_CLIENT
    client.events.add(name="debug")
    client.events.add(name="exception")

    program = Program(FilterProcessor(config(value), settings()).ops())
    result = program.run(receive(request.SerializeToString()))

    [left] = [span for group in decode(result.batch).resource_spans for span in group.scope_spans[0].spans]
    assert (left.kind, [event.name for event in left.events]) == (client.SPAN_KIND_CLIENT, ["exception"])
    assert result.counts[0].dropped == 11


def test_levels_run_from_the_resource_down() -> None:
    """A resource that matches goes whole, and an event that matches leaves its span."""
    request = make_request(2, resource={"env": "prod"})
    request.resource_spans[0].scope_spans[0].spans[0].events.add(name="debug")
    request.resource_spans[0].scope_spans[0].spans[0].events.add(name="exception")
    request.MergeFrom(make_request(1, resource={"env": "dev"}, first=7))
    value = {"traces": {"resource": ['attributes["env"] == "dev"'], "spanevent": ['name == "debug"']}}

    program = Program(FilterProcessor(config(value), settings()).ops())
    left = decode(program.run(receive(request.SerializeToString())).batch)

    assert [group.resource.attributes for group in left.resource_spans] == [key_values({"env": "prod"})]
    spans = left.resource_spans[0].scope_spans[0].spans
    assert [[event.name for event in span.events] for span in spans] == [["exception"], []]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            {"trace_conditions": ["true", {"conditions": ["true"]}]},
            "trace_conditions: must be conditions only, or groups of conditions only",
        ),
        (
            {"trace_conditions": ["true"], "traces": {}},
            "traces: cannot stand beside trace_conditions; write these conditions there",
        ),
        (
            {"traces": {}, "spans": {"include": {"match_type": "strict"}}},
            "spans: cannot stand beside traces; write one of them",
        ),
        ({"trace_conditions": [None]}, "trace_conditions[0]: must not be empty"),
        ({"trace_conditions": "true"}, "trace_conditions: must be a list, got 'true'"),
        (
            {"error_mode": "ignor"},
            "error_mode: must be one of ignore, silent, propagate, got 'ignor'; did you mean 'ignore'?",
        ),
        (
            {"trace_conditions": [{"context": "bogus", "conditions": ["true"]}]},
            "trace_conditions[0]::context: must be one of resource, scope, span, spanevent, got 'bogus'",
        ),
        ({"traces": {"scope": ["true"]}}, "traces::scope: unknown key; there are resource, span, spanevent"),
    ],
)
def test_a_wrong_section_is_reported(value: dict[str, Any], message: str) -> None:
    """A section that cannot be meant is one line of the report."""
    with pytest.raises(ConfigError) as caught:
        config(value)
    assert str(caught.value) == f"test.yaml {message}"


@pytest.mark.parametrize(
    ("value", "path", "message"),
    [
        (
            FilterConfig(trace_conditions=['span.name == "a"', "span.nmae == 1"]),
            "trace_conditions[1]",
            "1:1: unknown path 'span.nmae'; did you mean 'span.name'?",
        ),
        (
            FilterConfig(trace_conditions=[TraceConditions(context="span", conditions=['name = "x"'])]),
            "trace_conditions[0]::conditions[0]",
            "1:6: equality is written '=='",
        ),
        (
            FilterConfig(traces=LevelConditions(resource=["span.name == 1"])),
            "traces::resource[0]",
            "1:1: 'span.name': a resource condition cannot look into a span",
        ),
        (
            FilterConfig(trace_conditions=["not IsRootSpan()"]),
            "trace_conditions[0]",
            "1:1: no path tells the context of this condition; name it with 'context: span'",
        ),
        (
            FilterConfig(trace_conditions=['IsMatch(span.name, "(?=x)")']),
            "trace_conditions[0]",
            '1:20: "(?=x)" is no regular expression: look-around is not supported: `(?=x)`',
        ),
    ],
)
def test_a_wrong_condition_is_reported_with_its_place(value: FilterConfig, path: str, message: str) -> None:
    """The option, the line and the column of a mistake are named before anything starts."""
    with pytest.raises(OptionError) as caught:
        FilterProcessor(value, settings()).ops()
    assert caught.value.args[0] == path
    assert caught.value.args[1].splitlines()[0] == message


async def test_what_was_dropped_is_counted_once_it_is_gone() -> None:
    """The metric grows by the spans dropped, under the id of the processor."""
    given = settings("filter/noise")
    processor = FilterProcessor(config({"trace_conditions": ['span.name != "span 1"']}), given)

    sink = await consume(processor, make_spans(4))

    assert len(sink) == 1
    assert 'otelcol_processor_filter_spans_filtered{filter="filter/noise"} 3' in exposition(given.metrics)
    assert (given.account.taken, given.account.filtered, given.account.passed_on) == (4, 3, 1)


FAILING = 'HasPrefix(span.attributes["missing"], "x")'


async def test_a_failing_condition_counts_as_false_and_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """`ignore` passes over a condition that fails, tries the others, and warns a single time."""
    processor = FilterProcessor(config({"trace_conditions": [FAILING, 'span.name == "span 0"']}), settings())

    with caplog.at_level(logging.WARNING):
        sinks = [await consume(processor, make_spans(2)) for _ in range(3)]

    assert [len(sink) for sink in sinks] == [1, 1, 1]
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == [
        f"failed to eval condition: {FAILING}, expected string but got nil"
    ]


async def test_silent_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """`silent` is `ignore` without the warning."""
    processor = FilterProcessor(config({"error_mode": "silent", "trace_conditions": [FAILING]}), settings())
    with caplog.at_level(logging.WARNING):
        assert len(await consume(processor, make_spans(2))) == 2
    assert not caplog.records


async def test_propagate_refuses_the_batch() -> None:
    """`propagate` refuses what cannot be judged, and says why; nothing is counted as taken."""
    given = settings()
    processor = FilterProcessor(config({"error_mode": "Propagate", "trace_conditions": [FAILING]}), given)
    with pytest.raises(PermanentError, match="failed to eval condition: HasPrefix"):
        await consume(processor, make_spans(1))
    assert given.account.taken == 0


def test_a_group_may_have_its_own_error_mode() -> None:
    """The processor's error mode holds where a group says nothing."""
    groups = [
        TraceConditions(context="span", conditions=["false"], error_mode="propagate"),
        TraceConditions(context="span", conditions=["false"]),
    ]
    ops = FilterProcessor(FilterConfig(trace_conditions=list(groups)), settings()).ops()
    assert [op.can_fail for op in ops] == [True, False]
