"""What people read on the console."""

import logging
import sys
from pathlib import Path

import msgspec
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from yaml_sections import section

from collector.component import Delivery
from collector.config.types import FieldError
from collector.errors import ConfigError, RetryableError
from collector.spans import SpanBatch
from collector.testing import exporter_settings, key_values, make_request, make_spans
from exporters.debug import DebugConfig, DebugExporter, Sampler
from exporters.debug.text import detailed, normal, printable, timestamp
from exporters.nop import NopConfig, NopExporter


def debug(**options: object) -> DebugExporter:
    return DebugExporter(DebugConfig(**options), exporter_settings("debug"))  # type: ignore[arg-type]


def rich_batch() -> SpanBatch:
    """One span with everything a span can have."""
    request = make_request(
        1,
        attributes={
            "text": "two\nlines",
            "count": 3,
            "ratio": 0.5,
            "yes": True,
            "list": ["a", 1],
            "map": {"k": "v"},
            "bytes": b"\x01\x02",
        },
    )
    group = request.resource_spans[0]
    group.schema_url = "https://example.org/resource"
    scope = group.scope_spans[0]
    scope.scope.version = "1.2.3"
    scope.schema_url = "https://example.org/scope"
    span = scope.spans[0]
    span.parent_span_id = bytes(7) + b"\x09"
    span.trace_state = "a=1"
    span.dropped_events_count = 4
    span.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message="boom"))
    span.attributes.add(key="empty")
    span.events.append(Span.Event(time_unix_nano=1_000_000_001, name="retry", attributes=key_values({"n": 2})))
    span.links.append(
        Span.Link(trace_id=bytes(15) + b"\x07", span_id=bytes(7) + b"\x08", attributes=key_values({"why": "batch"}))
    )
    return SpanBatch.decode(request.SerializeToString())


def test_normal_is_a_line_each() -> None:
    """Resource, scope, and span with its ids and attributes."""
    assert normal(msgspec.json.decode(rich_batch().to_json())).splitlines() == [
        "ResourceTraces #0 [https://example.org/resource] service.name=test",
        "ScopeTraces #0 collector.testing@1.2.3 [https://example.org/scope]",
        (
            f"span 0 {1:032x} {1:016x} text=two\\nlines count=3 ratio=0.5 yes=true"
            ' list=["a", 1] map={"k": "v"} bytes=AQI= empty='
        ),
    ]


def test_detailed_is_everything() -> None:
    """The tree that readers know from the Go collector."""
    assert [line.rstrip() for line in detailed(msgspec.json.decode(rich_batch().to_json())).splitlines()] == [
        "ResourceSpans #0",
        "Resource SchemaURL: https://example.org/resource",
        "Resource attributes:",
        "     -> service.name: Str(test)",
        "ScopeSpans #0",
        "ScopeSpans SchemaURL: https://example.org/scope",
        "InstrumentationScope collector.testing 1.2.3",
        "Span #0",
        f"    Trace ID       : {1:032x}",
        f"    Parent ID      : {9:016x}",
        f"    ID             : {1:016x}",
        "    Name           : span 0",
        "    Kind           : Server",
        "    TraceState     : a=1",
        "    Start time     : 2023-11-14 22:13:20 +0000 UTC",
        "    End time       : 2023-11-14 22:13:20.001 +0000 UTC",
        "    Status code    : Error",
        "    Status message : boom",
        "    DroppedEventsCount: 4",
        "Attributes:",
        "     -> text: Str(two\\nlines)",
        "     -> count: Int(3)",
        "     -> ratio: Double(0.5)",
        "     -> yes: Bool(true)",
        '     -> list: Slice(["a", 1])',
        '     -> map: Map({"k": "v"})',
        "     -> bytes: Bytes(AQI=)",
        "     -> empty: Empty()",
        "Events:",
        "SpanEvent #0",
        "     -> Name: retry",
        "     -> Timestamp: 1970-01-01 00:00:01.000000001 +0000 UTC",
        "     -> DroppedAttributesCount: 0",
        "     -> Attributes::",
        "          -> n: Int(2)",
        "Links:",
        "SpanLink #0",
        f"     -> Trace ID: {7:032x}",
        f"     -> ID: {8:016x}",
        "     -> TraceState:",
        "     -> DroppedAttributesCount: 0",
        "     -> Attributes::",
        "          -> why: Str(batch)",
    ]


def test_nothing_reaches_the_terminal_that_does_not_print() -> None:
    """An attribute must not move the cursor."""
    assert printable("a\x1b[2Jb\u202e") == r"a\x1b[2Jb\u202e"
    assert printable("héllo 中") == "héllo 中"


def test_times_beyond_the_calendar_are_numbers() -> None:
    """Whatever a client sends can be shown."""
    assert timestamp(2**64 - 1).startswith("2554-07-21 23:34:33.709551615")
    assert timestamp(10**30) == f"{10**30} ns"


async def test_basic_is_one_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """With the counts as fields."""
    caplog.set_level(logging.INFO)

    assert await debug().export(make_spans(3)) == Delivery()

    [record] = caplog.records
    assert (record.message, vars(record)["resource spans"], vars(record)["spans"]) == ("Traces", 1, 3)


def test_busy_seconds_are_thinned_out() -> None:
    """Two, then every third, and again two in the next second."""
    sampler = Sampler(initial=2, thereafter=3)

    assert [sampler.admits(1.0) for _ in range(8)] == [True, True, False, False, True, False, False, True]
    assert sampler.admits(2.0)
    assert [Sampler(1, 0).admits(1.0)] == [True]
    silent = Sampler(0, 0)
    assert not any(silent.admits(1.0) for _ in range(5))


async def test_writes_to_the_console(capsys: pytest.CaptureFixture[str]) -> None:
    """Everything, without sampling."""
    exporter = debug(use_internal_logger=False, verbosity="normal", sampling_initial=0)

    for n in range(3):
        await exporter.export(make_spans(1, first=n))

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Traces  resource spans: 1, spans: 1"
    assert [line.split(" 000")[0] for line in lines if line.startswith("span ")] == ["span 0", "span 1", "span 2"]


async def test_writes_to_files_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Several outputs get the same."""
    path = tmp_path / "debug.txt"
    exporter = debug(use_internal_logger=False, output_paths=["stderr", str(path)])

    await exporter.export(make_spans(2))
    await exporter.export(make_spans(3))

    assert path.read_text() == capsys.readouterr().err
    assert path.read_text().splitlines()[1] == "Traces  resource spans: 1, spans: 3"


async def test_an_output_that_cannot_be_written_is_no_bug(tmp_path: Path) -> None:
    """The batch is refused for now."""
    exporter = debug(use_internal_logger=False, output_paths=[str(tmp_path)])

    with pytest.raises(RetryableError, match="cannot write: Is a directory"):
        await exporter.export(make_spans(1))


async def test_a_closed_console_is_no_bug(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A program started without a console has none."""
    monkeypatch.setattr(sys, "stdout", None)
    exporter = debug(use_internal_logger=False)

    with pytest.raises(RetryableError, match="there is no stdout"):
        await exporter.export(make_spans(1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output_paths": ["stderr"]}, "output_paths: has an effect only with use_internal_logger: false"),
        (
            {"use_internal_logger": False, "output_paths": []},
            "output_paths: must not be empty when use_internal_logger is false",
        ),
    ],
)
def test_refuses(options: dict[str, object], message: str) -> None:
    """Each of these is a mistake, and the message names the field."""
    with pytest.raises(FieldError) as caught:
        DebugConfig(**options)  # type: ignore[arg-type]

    assert str(caught.value) == message


def test_verbosity_in_any_letter_case() -> None:
    """As the Go collector takes it."""
    assert section(DebugConfig, "verbosity: Detailed").verbosity == "detailed"
    with pytest.raises(ConfigError, match="must be one of basic, normal, detailed, got 'None'"):
        section(DebugConfig, "verbosity: None")


async def test_nop_takes_everything() -> None:
    """And does nothing."""
    exporter = NopExporter(NopConfig(), exporter_settings("nop"))

    assert await exporter.export(make_spans(1)) == Delivery()
