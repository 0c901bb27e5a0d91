"""What statements do, and what is said about those that cannot work."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from yaml_sections import section

from collector._kernel import OptionError, Origin, Program, SpanBatch
from collector.errors import ConfigError, PermanentError
from collector.ops import option_errors
from collector.program import Member, ProgramProcessor
from collector.spans import receive
from collector.telemetry.exposition import exposition
from collector.telemetry.metrics import Metrics
from collector.testing import Sink, decode, key_values, make_spans, settings, spans_in
from processors.transform import StatementGroup, TransformConfig, TransformProcessor

EXAMPLE = r"""
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
"""

FAILING = 'set(span.name, Substring(span.attributes["missing"], 0, 1))'
"""A statement that cannot be evaluated for a span without the attribute."""


def request() -> ExportTraceServiceRequest:
    """Make two spans of one scope: a server span with two events, and a client span."""
    made = ExportTraceServiceRequest()
    resource = made.resource_spans.add(schema_url="https://resource")
    resource.resource.attributes.extend(key_values({"service.name": "a", "os": "x"}))
    scope = resource.scope_spans.add(schema_url="https://scope")
    scope.scope.name = "lib"
    for name, kind in (("GET /u/7", 2), ("GET /u/8", 3)):
        span = scope.spans.add(trace_id=bytes(range(16)), span_id=bytes(range(8)), name=name, kind=kind)
        span.attributes.extend(key_values({"k": "v"}))
    for name in ("exception", "log"):
        event = scope.spans[0].events.add(name=name)
        event.attributes.extend(key_values({"exception.stacktrace": "…"}))
    return made


def transform(yaml: str) -> ExportTraceServiceRequest:
    """Send the request through the processor, and read what comes out."""
    processor = TransformProcessor(section(TransformConfig, yaml), settings())
    return decode(Program(processor.ops()).run(receive(request().SerializeToString())).batch)


def flat(*statements: str) -> str:
    """Write a plain list of statements."""
    return "trace_statements:\n" + "".join(f"  - '{statement}'\n" for statement in statements)


def shown(attributes: Any) -> dict[str, str]:
    """Read text attributes."""
    return {each.key: each.value.string_value for each in attributes}


def test_the_example_of_the_manual() -> None:
    """Groups run for what their context says, and see what those before them did."""
    resource = transform(EXAMPLE).resource_spans[0]
    server, client = resource.scope_spans[0].spans

    assert shown(resource.resource.attributes) == {"service.name": "a"}
    assert (server.name, shown(server.attributes)) == ("GET /u/{id}", {"k": "v", "svc": "a"})
    assert (client.name, shown(client.attributes)) == ("GET /u/8", {"k": "v"})
    assert [(event.name, shown(event.attributes)) for event in server.events] == [
        ("exception", {}),
        ("log", {"exception.stacktrace": "…"}),
    ]


def test_the_most_specific_path_decides_for_a_plain_list() -> None:
    """A statement about the resource then runs once a span, and the spans share what comes of it."""
    out = transform(
        flat(
            'set(resource.attributes["seen"], Concat([resource.attributes["seen"], span.name], ";"))',
            'set(scope.version, "2") where span.kind == SPAN_KIND_CLIENT',
            'set(resource.schema_url, "")',
            'set(scope.schema_url, "https://new")',
        )
    ).resource_spans[0]
    assert shown(out.resource.attributes) == {"service.name": "a", "os": "x", "seen": "<nil>;GET /u/7;GET /u/8"}
    assert (out.scope_spans[0].scope.name, out.scope_spans[0].scope.version) == ("lib", "2")
    assert (out.schema_url, out.scope_spans[0].schema_url) == ("", "https://new")


def test_what_a_group_made_of_the_resource_is_seen_by_the_next() -> None:
    """A group runs for all spans before the next one begins."""
    out = transform(
        """
        trace_statements:
          - statements: ['set(resource.attributes["last"], span.name)']
          - statements: ['set(span.attributes["last"], resource.attributes["last"])']
        """
    )
    assert [span.attributes[1].value.string_value for span in out.resource_spans[0].scope_spans[0].spans] == [
        "GET /u/8",
        "GET /u/8",
    ]


def test_events_and_their_span() -> None:
    """A statement for events can write to their span, and its cache is empty for each of them."""
    out = transform(
        """
        trace_statements:
          - context: spanevent
            statements:
              - set(cache["n"], name) where cache["n"] == nil
              - set(span.attributes["events"], Concat([span.attributes["events"], cache["n"]], "+"))
              - set(attributes["of"], span.name)
        """
    )
    span = out.resource_spans[0].scope_spans[0].spans[0]
    assert shown(span.attributes)["events"] == "<nil>+exception+log"
    assert [shown(event.attributes)["of"] for event in span.events] == ["GET /u/7"] * 2


def test_scopes() -> None:
    """A group for scopes writes to the scope and to the resource around it."""
    out = transform(
        """
        trace_statements:
          - context: scope
            conditions: [name == "other", name == "lib"]
            statements:
              - set(attributes["a"], name)
              - set(name, "renamed")
              - set(resource.attributes["lib"], name)
        """
    ).resource_spans[0]
    scope = out.scope_spans[0].scope
    assert (scope.name, shown(scope.attributes)) == ("renamed", {"a": "lib"})
    assert shown(out.resource.attributes)["lib"] == "renamed"


async def run(yaml: str, metrics: Metrics | None = None) -> tuple[Sink, Any]:
    """Consume two spans in a pipeline of this one processor."""
    given = settings(metrics=metrics)
    processor = TransformProcessor(section(TransformConfig, yaml), given)
    sink = Sink()
    await ProgramProcessor([Member(processor, processor.ops())], sink).consume(make_spans(2))
    return sink, given


async def test_what_fails_is_passed_over_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    """The next statement follows; each failure counts where its statement stands, and the log has the first."""
    metrics = Metrics()
    with caplog.at_level(logging.WARNING):
        sink, _ = await run(flat(FAILING, 'set(span.name, "y")'), metrics)

    assert [span.name for span in sink.spans] == ["y", "y"]
    lines = [line for line in exposition(metrics).splitlines() if line.startswith("spanmill_processor_failed")]
    assert lines == ['spanmill_processor_failed_evaluations{processor="test",option="trace_statements[0]"} 2']
    assert len(caplog.records) == 1
    assert f"failed to execute statement: {FAILING}, expected string but got nil" in caplog.text


async def test_silent_is_without_the_warning(caplog: pytest.LogCaptureFixture) -> None:
    """`silent` counts and says nothing; a group may have an error mode of its own."""
    metrics = Metrics()
    groups = f"error_mode: propagate\ntrace_statements: [{{error_mode: silent, statements: ['{FAILING}']}}]"
    with caplog.at_level(logging.WARNING):
        sink, _ = await run(groups, metrics)

    assert len(sink) == 2
    assert not caplog.records
    assert 'option="trace_statements[0]::statements[0]"} 2' in exposition(metrics)


async def test_propagate_refuses_the_request_for_good() -> None:
    """Its sender is told what failed, and nothing counts as taken."""
    with pytest.raises(PermanentError, match="failed to execute statement"):
        await run(f"error_mode: propagate\n{flat(FAILING)}")
    with pytest.raises(PermanentError, match="failed to eval condition"):
        await run(
            """
            error_mode: propagate
            trace_statements:
              - {context: span, conditions: ['HasPrefix(attributes["missing"], "x")'], statements: ['set(name, "y")']}
            """
        )


def test_an_empty_processor_changes_nothing() -> None:
    """No statements, or groups without any, are allowed."""
    assert transform("{}") == transform("trace_statements: [{context: span}]") == request()


@pytest.mark.parametrize(
    ("yaml", "problem"),
    [
        ("trace_statements: [{context: metric, statements: []}]", "must be one of resource, scope, span, spanevent"),
        ("trace_statements: ['set(span.name, \"x\")', {context: span}]", "must be statements only, or groups"),
        ("trace_statements: [{context: span, shared_cache: true}]", "shared_cache: is not supported: put the"),
        ("trace_statements: [{context: span, statement: []}]", "did you mean 'statements'?"),
        ("error_mode: ignored", "did you mean 'ignore'?"),
    ],
)
def test_options_that_are_wrong(yaml: str, problem: str) -> None:
    """The report names the option and what would be right."""
    with pytest.raises(ConfigError) as caught:
        section(TransformConfig, yaml)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("context", "statement", "problem"),
    [
        ("span", "set(name)", "1:1: set takes 2 arguments, got 1"),
        ("span", 'sett(name, "x")', "1:1: undefined function \"sett\"; did you mean 'set'?"),
        ("span", 'set("x", "y")', "1:5: target must be a path"),
        ("span", "set(nmae, 1)", "1:5: unknown path 'nmae'; did you mean 'name'?"),
        (
            "span",
            'Concat(["x"], "")',
            "1:1: a statement begins with an editor, whose name is lower case, not with Concat",
        ),
        ("span", 'set(name, "x") when true', "1:16: expected the end, found 'when'"),
        ("span", "limit(attributes, -1, [])", "1:19: limit must be an integer, written as such"),
        ("span", 'limit(attributes, 1, ["a", "b"])', "1:19: limit: "),
        ("span", 'replace_pattern(name, "(", "x")', '1:23: "(" is no regular expression: '),
        ("span", 'replace_pattern(name, "(?=x)", "x")', '1:23: "(?=x)" is no regular expression: '),
        ("span", 'replace_match(name, "[", "x")', "1:21: \"[\" is no pattern: a '[' is not closed"),
        ("span", 'replace_pattern(name, "a", "b", SHA25)', "1:33: undefined function SHA25; did you mean 'SHA256'?"),
        ("span", 'replace_pattern(name, "a", "b", Len)', "1:33: Len cannot stand here: it is no function of one text"),
        ("span", 'replace_all_patterns(attributes, "both", "a", "b")', '1:34: mode: must be "key" or "value"'),
        ("span", 'merge_maps(attributes, {}, "x")', '1:28: strategy: must be "insert", "update" or "upsert"'),
        ("span", 'truncate_all(attributes, 2, true, "...")', "1:35: truncation_marker: "),
        ("resource", 'set(span.name, "x")', "1:5: 'span.name': a resource statement cannot look into a span"),
        ("resource", 'set_semconv_span_name("1.37.0")', "1:1: resource statements do not have the function"),
        ("span", 'set_semconv_span_name("1.20.0")', "1:23: semconv_version: unsupported semconv version"),
        (None, 'set(name, "x")', "1:5: path 'name' does not begin with a context; write for example 'span.name'"),
        (None, "set(span.name, {)", "1:17: "),
    ],
)
def test_statements_that_cannot_work(context: str | None, statement: str, problem: str) -> None:
    """What can be known at start is said at start, with line, column and a caret."""
    config = TransformConfig(trace_statements=[section_group(context, statement)])
    with pytest.raises(OptionError) as caught:
        TransformProcessor(config, settings()).ops()
    path, message = caught.value.args
    assert path == "trace_statements[0]::statements[0]"
    assert message.startswith(problem), message
    assert message.endswith("^")


def section_group(context: str | None, *statements: str) -> Any:
    """Decode one group."""
    lines = [f"context: {context}"] if context else []
    lines.append(f"statements: {list(statements)!r}")
    decoded = section(TransformConfig, "trace_statements:\n  - " + "\n    ".join(lines))
    return decoded.trace_statements[0]


def test_all_that_is_wrong_is_in_one_report() -> None:
    """Every statement of every group that cannot be used is named."""
    config = TransformConfig(
        trace_statements=[section_group("span", "set(nmae, 1)", "frob()"), section_group("scope", "set(kind, 1)")]
    )
    with pytest.raises(ExceptionGroup) as caught:
        TransformProcessor(config, settings()).ops()
    assert [error.args[0] for error in option_errors(caught.value)] == [
        "trace_statements[0]::statements[0]",
        "trace_statements[0]::statements[1]",
        "trace_statements[1]::statements[0]",
    ]


def test_who_sent_the_request_can_be_read_and_not_written() -> None:
    """Headers have lists of values and names in any case; what is not known is nil."""
    yaml = """
        trace_statements:
          - context: span
            statements:
              - set(attributes["peer"], otelcol.client.addr)
              - set(attributes["tenant"], otelcol.client.metadata["X-Tenant"][0])
              - set(attributes["second"], otelcol.grpc.metadata["x-tenant"][1]) where Len(otelcol.client.metadata) == 1
              - set(attributes["none"], otelcol.client.metadata["missing"][3])
              - set(attributes["user"], otelcol.client.auth.attributes["user"])
    """
    (op,) = TransformProcessor(section(TransformConfig, yaml), settings()).ops()
    assert op.reads_origin
    origin = Origin("127.0.0.1:53792", {"x-tenant": ["a", "b"]})
    batch = SpanBatch.decode(request().SerializeToString(), origin)
    span = decode(Program([op]).run(batch).batch).resource_spans[0].scope_spans[0].spans[0]
    assert shown(span.attributes) == {"k": "v", "peer": "127.0.0.1:53792", "tenant": "a", "second": "b"}

    config = TransformConfig(trace_statements=[section_group("span", 'set(otelcol.client.addr, "x")')])
    with pytest.raises(OptionError, match="can be read only"):
        TransformProcessor(config, settings()).ops()


@pytest.mark.parametrize(
    "statement",
    [
        r'set(name, "\xff")',
        r'set(attributes["\xff"], "\xfe")',
        r'set(attributes[Concat(["\xff", "x"], "")], 1)',
        r'set(attributes["x"], {"\xff": ["\xfe"]})',
        r'set(attributes["x"], [Substring("é", 0, 1)])',
        r'set(attributes["x"], Split("é", "\xc3"))',
        r'replace_pattern(name, "T", "\xff")',
        r'replace_all_patterns(attributes, "key", "k", "\xff")',
        r'merge_maps(attributes, {"\xff": "\xff"}, "upsert")',
        r'append(attributes["x"], "\xff")',
        r'set(attributes["x"], Decode(0xff, "base64-raw"))',
        r'set(attributes["x"], Format("%s", [0xff]))',
    ],
)
def test_no_broken_text_goes_out(statement: str) -> None:
    """Strict parsers refuse a whole request for one string that is no UTF-8."""
    group = StatementGroup(context="span", statements=[statement])
    processor = TransformProcessor(TransformConfig(trace_statements=[group]), settings())
    assert len(spans_in(Program(processor.ops()).run(receive(request().SerializeToString())).batch)) == 2
