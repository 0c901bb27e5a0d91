"""Attribute actions and sampling compared with what the Go collector 0.160 answered (`tests/data`)."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from yaml_sections import section

from collector._kernel import Op, Program
from collector.spans import receive
from collector.testing import make_request, settings, spans_in
from processors.redaction import RedactionConfig, RedactionProcessor

RECORDED = json.loads((Path(__file__).parents[1] / "data/go_collector_0_160.json").read_text())
REDACTED = RECORDED["redaction"]["cases"]
HASHED, CONVERTED = RECORDED["attributes_hash"], RECORDED["attributes_convert"]
SAMPLED, STATES, PRIORITIES = (
    RECORDED[section] for section in ("probabilistic_sampler", "sampler_tracestate", "sampling_priority")
)


def any_value(value: Any) -> AnyValue:
    """Read the notation of the recordings."""
    match value:
        case None:
            return AnyValue()
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case str():
            return AnyValue(string_value=value)
        case list():
            return AnyValue(array_value=ArrayValue(values=[any_value(item) for item in value]))
        case {"d": number}:
            return AnyValue(double_value=float(number))
        case {"hex": digits}:
            return AnyValue(bytes_value=bytes.fromhex(digits))
        case {"kv": entries}:
            values = [KeyValue(key=key, value=any_value(item)) for key, item in entries.items()]
            return AnyValue(kvlist_value=KeyValueList(values=values))
    raise ValueError(value)


def run(kind: str, settings: dict[str, object], request: ExportTraceServiceRequest) -> Any:
    """Run one op."""
    return Program([Op(kind, settings)]).run(receive(request.SerializeToString())).batch


def one_span(**attributes: Any) -> ExportTraceServiceRequest:
    """Make a request of one span with these attributes."""
    request = make_request(1)
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.attributes.extend(KeyValue(key=key, value=any_value(value)) for key, value in attributes.items())
    return request


def same(got: AnyValue, wanted: AnyValue) -> bool:
    """Compare values; NaN is NaN."""
    if got.WhichOneof("value") == wanted.WhichOneof("value") == "double_value" and math.isnan(wanted.double_value):
        return math.isnan(got.double_value)
    return got == wanted


@pytest.mark.parametrize("key", HASHED["in"])
def test_hashes_as_recorded(key: str) -> None:
    """Every type of value has the digest that the Go collector gives it."""
    batch = run("attributes", {"actions": [{"key": key, "action": "hash"}]}, one_span(**{key: HASHED["in"][key]}))
    assert spans_in(batch)[0].attributes[0].value.string_value == HASHED["out"][key]


@pytest.mark.parametrize("target", CONVERTED["changed"])
@pytest.mark.parametrize("key", CONVERTED["in"])
def test_converts_as_recorded(target: str, key: str) -> None:
    """A value converts as the Go collector converts it, or stays as it is."""
    before = CONVERTED["in"][key]
    after = CONVERTED["changed"][target].get(key, before)
    settings = {"actions": [{"key": key, "action": "convert", "converted_type": target}]}
    batch = run("attributes", settings, one_span(**{key: before}))
    assert same(spans_in(batch)[0].attributes[0].value, any_value(after))


@pytest.mark.parametrize("case", SAMPLED["configs"], ids=str)
def test_samples_as_recorded(case: dict[str, Any]) -> None:
    """The same traces are kept, and carry the same tracestate."""
    request = make_request(len(SAMPLED["trace_ids"]))
    for span, trace_id in zip(request.resource_spans[0].scope_spans[0].spans, SAMPLED["trace_ids"], strict=True):
        span.trace_id = bytes.fromhex(trace_id)
    kept = {
        span.trace_id.hex(): span.trace_state
        for span in spans_in(run("probabilistic_sampler", case["config"], request))
    }
    assert kept == {SAMPLED["trace_ids"][int(index)]: state for index, state in case["kept"].items()}


@pytest.mark.parametrize("row", STATES["rows"], ids=str)
def test_reads_and_writes_tracestate_as_recorded(row: dict[str, Any]) -> None:
    """What others wrote into the tracestate is respected, and kept."""
    for before, after in zip(STATES["in"], row["out"], strict=True):
        request = make_request(1)
        span = request.resource_spans[0].scope_spans[0].spans[0]
        span.trace_id, span.trace_state = bytes.fromhex(STATES["trace_id"]), before
        kept = spans_in(run("probabilistic_sampler", row["config"], request))
        assert [span.trace_state for span in kept] == ([] if after is None else [after]), before


@pytest.mark.parametrize("row", PRIORITIES["rows"], ids=str)
def test_obeys_the_priority_as_recorded(row: dict[str, Any]) -> None:
    """The attribute `sampling.priority` overrules the hash."""
    for before, after in zip(PRIORITIES["in"], row["out"], strict=True):
        request = one_span(**{"sampling.priority": before})
        request.resource_spans[0].scope_spans[0].spans[0].trace_id = bytes.fromhex(PRIORITIES["trace_id"])
        kept = spans_in(run("probabilistic_sampler", row["config"], request))
        assert [span.trace_state for span in kept] == ([] if after is None else [after]), before


@pytest.mark.parametrize("case", REDACTED, ids=lambda case: json.dumps(case["config"])[:60])
def test_redacts_as_recorded(case: dict[str, Any]) -> None:
    """The same attributes come out, in the same order."""
    config = redaction_settings(case["config"])
    batch = Program(config).run(receive(one_span(**case["in"]).SerializeToString())).batch
    wanted = [(key, any_value(value)) for key, value in case["out"]]
    assert [(each.key, each.value) for each in spans_in(batch)[0].attributes] == wanted


def redaction_settings(config: dict[str, Any]) -> list[Op]:
    """Build the op as the processor does."""
    return RedactionProcessor(section(RedactionConfig, json.dumps(config)), settings()).ops()
