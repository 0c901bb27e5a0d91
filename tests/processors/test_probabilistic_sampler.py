"""`probabilistic_sampler`: which traces stay, what is written into them, and what is counted."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from otlp_strategies import requests
from yaml_sections import section

from collector._kernel import Program
from collector.errors import ConfigError
from collector.program import Member, ProgramProcessor
from collector.spans import receive
from collector.telemetry.exposition import exposition
from collector.testing import Sink, any_value, decode, make_request, make_spans, settings, spans_in
from processors.probabilistic_sampler import ProbabilisticSamplerConfig, ProbabilisticSamplerProcessor


def sampler(text: str) -> Program:
    """A program of one sampler with these settings."""
    config = section(ProbabilisticSamplerConfig, text)
    return Program(ProbabilisticSamplerProcessor(config, settings()).ops())


def fate(trace_id: bytes, trace_state: str, percentage: float, seed: int) -> str | None:
    """Decide about a span in a few lines of Python: the tracestate it leaves with, or `None` when it goes."""
    hash = 0x811C9DC5
    for byte in struct.pack("<I", seed) + trace_id:
        hash = (hash ^ byte) * 0x01000193 % 2**32
    scale = struct.unpack("f", struct.pack("f", 163.84))[0]
    share = struct.unpack("f", struct.pack("f", percentage))[0]
    limit = int(struct.unpack("f", struct.pack("f", share * scale))[0])
    bucket, rest = hash % 2**14, hash >> 18
    if "th:" in trace_state or not any(trace_id) or bucket >= limit:
        return None
    randomness = (2**14 - 1 - bucket) << 42 | (rest ^ rest << 10) << 14 | bucket
    threshold = f"{(2**14 - limit) << 42:014x}".rstrip("0") or "0"
    members = [member for member in trace_state.split(",") if member]
    inside = [member.removeprefix("ot=") for member in members if member.startswith("ot=")]
    others = [member for member in members if not member.startswith("ot=")]
    return ",".join(["ot=" + ";".join([f"rv:{randomness:014x}", f"th:{threshold}", *inside]), *others])


@given(requests(), st.sampled_from([0.0, 0.003, 0.1, 33.333, 50.0, 99.99, 100.0]), st.integers(0, 2**32 - 1))
def test_spans_stay_as_the_oracle_says(request: ExportTraceServiceRequest, percentage: float, seed: int) -> None:
    """Whatever the trace id and its tracestate: the spans that stay, and what is written into them."""
    result = sampler(f"{{sampling_percentage: {percentage}, hash_seed: {seed}}}").run(
        receive(request.SerializeToString())
    )
    for group in request.resource_spans:
        for scope in group.scope_spans:
            spans = list(scope.spans)
            del scope.spans[:]
            for span in spans:
                state = fate(span.trace_id, span.trace_state, percentage, seed)
                if state is not None:
                    span.trace_state = state
                    scope.spans.append(span)
        left = [scope for scope in group.scope_spans if scope.spans]
        del group.scope_spans[:]
        group.scope_spans.extend(left)
    left_groups = [group for group in request.resource_spans if group.scope_spans]
    del request.resource_spans[:]
    request.resource_spans.extend(left_groups)
    if len(result.batch) or left_groups:
        assert decode(result.batch).SerializeToString(deterministic=True) == request.SerializeToString(
            deterministic=True
        )


def test_the_share_is_kept_and_a_seed_chooses_other_traces() -> None:
    """A quarter of many traces is about a quarter, and two seeds are independent."""
    batch = make_spans(4000)
    kept = {
        seed: {
            span.trace_id
            for span in spans_in(sampler(f"{{sampling_percentage: 25, hash_seed: {seed}}}").run(batch).batch)
        }
        for seed in (0, 22)
    }
    assert 850 < len(kept[0]) < 1150
    assert 850 < len(kept[22]) < 1150
    assert 150 < len(kept[0] & kept[22]) < 350


@pytest.mark.parametrize(
    ("trace_id", "trace_state", "priority", "percentage", "closed", "open"),
    [
        ("00" * 16, "", None, 50, None, "ot=rv:ffffffffffffff;th:0"),
        ("01" * 16, "ot=th:8", None, 100, None, "ot=th:8"),
        ("01" * 16, "bad;;", None, 100, None, "bad;;"),
        ("01" * 16, "bad;;", 1, 0.5, "bad;;", "bad;;"),
        ("01" * 16, "a=b", 0, 100, None, None),
        ("00" * 16, "", None, 0, None, "ot=th:0"),
        ("01" * 16, "ot=th:f", None, 0, None, "ot=th:0"),
        ("ff" * 16, "ot=th:f", None, 0, None, None),
        ("ff" * 16, "a=b,ot=th:f0", 1, 0, "ot=th:f,a=b", "ot=th:f,a=b"),
        ("ff" * 16, "ot=rv:80000000000000", 1, 0, "ot=rv:80000000000000;th:0", "ot=rv:80000000000000;th:0"),
    ],
)
def test_spans_that_cannot_be_decided_about(  # noqa: PLR0917  a row of the table
    trace_id: str, trace_state: str, priority: int | None, percentage: float, closed: str | None, open: str | None
) -> None:
    """`fail_closed` decides; a priority overrules it, and what cannot be read is never rewritten."""
    request = make_request(1, attributes={} if priority is None else {"sampling.priority": priority})
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.trace_id, span.trace_state = bytes.fromhex(trace_id), trace_state
    batch = receive(request.SerializeToString())
    for fail_closed, expected in (("true", closed), ("false", open)):
        text = f"{{sampling_percentage: {percentage}, fail_closed: {fail_closed}}}"
        left = [span.trace_state for span in spans_in(sampler(text).run(batch).batch)]
        assert left == ([] if expected is None else [expected]), fail_closed


async def test_decisions_are_counted_by_what_made_them() -> None:
    """The ledger knows what was sampled out, the metric also why."""
    config = section(ProbabilisticSamplerConfig, "{sampling_percentage: 50}")
    given_settings = settings("probabilistic_sampler")
    processor = ProbabilisticSamplerProcessor(config, given_settings)
    request = make_request(100)
    spans = request.resource_spans[0].scope_spans[0].spans
    for priority in (0, 1):
        spans[priority].attributes.append(KeyValue(key="sampling.priority", value=any_value(priority)))
    spans[2].trace_id = bytes(16)
    sink = Sink()

    program = ProgramProcessor([Member(processor, processor.ops())], sink)
    await program.consume(receive(request.SerializeToString()))
    await program.consume(make_spans(3, attributes={"sampling.priority": "1.5"}))

    account = given_settings.account
    assert (account.taken, account.passed_on) == (103, len(sink))
    assert (account.sampled_out, account.filtered, account.problem()) == (103 - len(sink), 0, None)
    page = exposition(given_settings.metrics)
    for policy, sampled, count in [
        ("sampling_priority", "false", 1),
        ("sampling_priority", "true", 4),
        ("missing_randomness", "false", 1),
        ("trace_id_hash", "true", len(sink) - 4),
        ("trace_id_hash", "false", 103 - len(sink) - 2),
    ]:
        labels = f'processor="probabilistic_sampler",sampled="{sampled}",policy="{policy}"'
        assert f"otelcol_processor_probabilistic_sampler_count_traces_sampled{{{labels}}} {count}" in page


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{sampling_percentage: -1}", "t:1 sampling_percentage: must be a percentage from 0, got -1.0"),
        ("{sampling_percentage: .nan}", "t:1 sampling_percentage: must be a percentage from 0, got nan"),
        (
            "{sampling_percentage: 1e-20}",
            "t:1 sampling_percentage: is smaller than any share that can be kept, got 1e-20",
        ),
        ("{mode: proportional, sampling_precision: 0}", "t:1 sampling_precision: must be"),
        ("{sampling_precision: 15}", "t:1 sampling_precision: must be"),
        ("{mode: Proportional}", "t:1 mode: must be one of"),
        ("{hash_seed: 4294967296}", "t:1 hash_seed: must be"),
        ("{hash_seed: -1}", "t:1 hash_seed: must be"),
        ("{sampling_percentag: 5}", "t:1 sampling_percentag: unknown key; did you mean 'sampling_percentage'?"),
        ("{attribute_source: x}", "t:1 attribute_source: must be"),
    ],
)
def test_a_wrong_section_is_reported(text: str, message: str) -> None:
    """What cannot be meant is one line of the report."""
    with pytest.raises(ConfigError) as caught:
        section(ProbabilisticSamplerConfig, text)
    assert str(caught.value).startswith(message)


def test_all_that_the_go_collector_takes_for_logs_is_taken() -> None:
    """Options without effect on traces do not stop a configuration."""
    assert sampler("{sampling_percentage: 200, attribute_source: record, from_attribute: a, sampling_priority: p}")
