"""`tail_sampling` compared with what the Go collector decided about the same traffic (`tests/data/tail_sampling`)."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import yaml
from google.protobuf.json_format import MessageToDict
from yaml_sections import section

from collector._kernel import OptionError
from collector.errors import ConfigError
from collector.spans import SpanBatch, receive
from collector.testing import Sink, StubHost, decode, settings
from processors.tail_sampling import TailSamplingConfig, TailSamplingProcessor
from testbed.corpus.settings import as_yaml
from testbed.corpus.tail.cases import FOLDER, Case, load
from testbed.corpus.tail.outcome import keys, summary
from testbed.corpus.tail.traffic import digest, requests

DECISIONS, REFUSALS = load("decisions"), load("refusals")
RECORDED: dict[str, Any] = {
    name: json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    for name in ("decisions", "refusals", "timed", "output")
}
UNGATED = [
    case for case in yaml.safe_load((FOLDER / "output.yaml").read_text(encoding="utf-8")) if not case.get("gates")
]

_NEVER = "it can never be true"
_ALWAYS = "it is always true, which nobody means"
_ACCIDENT = "what it means there is an accident"
STRICTER: dict[str, str] = {
    "a key of a policy that does not exist": "it is a mistake, and no extension brings policies here",
    "settings of trace_flags": "there are none",
    "latency with a fraction": "the fraction would be dropped",
    "a percent with a fraction": "the fraction would be dropped",
    "numeric beyond 64 bits": "no attribute can be so large",
    "span count beyond 32 bits": "it would become a negative number",
    "a negative wait": "nothing is decided before it came",
    "a negative rate": _ACCIDENT,
    "a negative burst": _ACCIDENT,
    "a negative total": _ACCIDENT,
    "a negative cache": _ACCIDENT,
    "no room for traces": "every trace would put out the one before",
    "no wait at all in figures": "it would be five nanoseconds",
    "no policies": _NEVER,
    "latency up to 100 from 100": _NEVER,
    "latency with bounds swapped": _NEVER,
    "latency with a negative upper bound": _NEVER,
    "numeric from 10 to 5": _NEVER,
    "numeric not from 10 to 5": _ALWAYS,
    "numeric without a key": _NEVER,
    "share of -5": _NEVER,
    "string that is empty": _NEVER,
    "string without values": _NEVER,
    "string not without values": _ALWAYS,
    "string without a key": _NEVER,
    "regex without values": _NEVER,
    "spans from 5 to 3": _NEVER,
    "spans up to -1": _NEVER,
    "spans from -1": _ALWAYS,
    "state that is empty": _NEVER,
    "state without values": _NEVER,
    "state of 250 characters": _NEVER,
    "and of nothing": _ALWAYS,
    "and of an empty list": _ALWAYS,
    "drop of nothing beside all": "it drops every trace",
    "drop of an empty list beside all": "it drops every trace",
    "composite of nothing": _NEVER,
    "composite without a rate": _NEVER,
    "composite with names in the order that nobody has": "a share goes to a policy that does not exist",
    "rate of nothing": _NEVER,
    "bytes of nothing": _NEVER,
    "ingest of nothing": _NEVER,
    "ingest with a drop of an empty list": "it drops every trace",
}
"""By the name of a case that the Go collector takes, why it is refused here."""

_AS_IT_CAME = "a trace is as large as it came: with schema URLs, and without the empty fields that are added there"
OTHERWISE: dict[str, str] = {
    "bytes that only small traces fit into": _AS_IT_CAME,
    "size up to 150": _AS_IT_CAME,
    "size up to 300": _AS_IT_CAME,
    "size up to 1000": _AS_IT_CAME,
    "size up to 2000 and a share": _AS_IT_CAME,
    "ingest with a limit of size": _AS_IT_CAME,
    "too large with caches": _AS_IT_CAME,
}
"""By the name of a case, why other traces are kept here."""


@cache
def batches() -> list[SpanBatch]:
    """The traffic as a receiver hands it on."""
    return [receive(request.SerializeToString()) for request in requests()]


def build(options: Any, sink: Sink) -> TailSamplingProcessor:
    """Build the processor from the text of its section, as the collector does."""
    return TailSamplingProcessor(section(TailSamplingConfig, as_yaml(options)), settings(), sink)


async def left_by(options: Any) -> Sink:
    """Feed the traffic, and let the shutdown decide."""
    sink = Sink()
    processor = build(options, sink)
    await processor.start(StubHost())
    for batch in batches():
        await processor.consume(batch)
    await processor.shutdown()
    return sink


@pytest.mark.parametrize("case", DECISIONS, ids=[case.name for case in DECISIONS])
async def test_keeps_what_the_go_collector_keeps(case: Case) -> None:
    """All spans of the same traces, each once; or something else on purpose."""
    if case.name in STRICTER:
        with pytest.raises((ConfigError, OptionError, ExceptionGroup)):
            build(case.options, Sink())
        return
    found = summary(keys((await left_by(case.options)).spans))
    recorded = RECORDED["decisions"]["cases"][case.name]
    if case.name in OTHERWISE:
        assert found != recorded, "no difference any more: strike it off"
    else:
        assert found == recorded


@pytest.mark.parametrize("case", REFUSALS, ids=[case.name for case in REFUSALS])
def test_refuses_what_the_go_collector_does_not_take(case: Case) -> None:
    """What it refuses at start, or crashes of later, is refused here before the start; and some more on purpose."""
    recorded = RECORDED["refusals"]["cases"][case.name]
    assert not (recorded and case.name in STRICTER), "the Go collector is as strict: strike it off"
    if recorded or case.name in STRICTER:
        with pytest.raises((ConfigError, OptionError, ExceptionGroup)):
            build(case.options, Sink())
    else:
        build(case.options, Sink())


@pytest.mark.parametrize("case", UNGATED, ids=[case["name"] for case in UNGATED])
async def test_what_leaves_is_what_came(case: dict[str, Any]) -> None:
    """Each span as the Go collector lets it go, with its resource and its scope."""
    sink = await left_by(case["options"])
    theirs = RECORDED["output"]["cases"][case["name"]]
    assert dict(placed(MessageToDict(decode(*sink.batches)))) == dict(
        entry for sent in theirs.values() for request in sent for entry in placed(request)
    )


def placed(request: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each span with what encloses it, by its id.

    Schema URLs are not looked at, since they are dropped there. An id of zeros is none.
    """
    for group in request.get("resourceSpans", []):
        for scope in group["scopeSpans"]:
            for span in scope["spans"]:
                if not any(base64.b64decode(span.get("parentSpanId", ""))):
                    span.pop("parentSpanId", None)
                yield span["spanId"], (group.get("resource", {}), scope.get("scope", {}), span)


def test_the_recordings_belong_to_the_cases_and_the_traffic() -> None:
    """Every case was recorded, with the traffic that is made now."""
    names = {
        "decisions": [case.name for case in DECISIONS],
        "refusals": [case.name for case in REFUSALS],
        "timed": [story["name"] for story in yaml.safe_load((FOLDER / "timed.yaml").read_text(encoding="utf-8"))],
        "output": [case["name"] for case in yaml.safe_load((FOLDER / "output.yaml").read_text(encoding="utf-8"))],
    }
    fingerprint = digest(requests())
    for file, recorded in RECORDED.items():
        assert list(recorded["cases"]) == names[file]
        assert len(set(names[file])) == len(names[file])
        assert recorded["recorded"] == {"collector": "0.160.0", "traffic": fingerprint}
    assert STRICTER.keys() | OTHERWISE.keys() <= {case.name for case in (*DECISIONS, *REFUSALS)}
