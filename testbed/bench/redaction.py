"""`redaction` on short attributes and on prompts: patterns, and all detectors."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector._kernel import Op, OptionError, Program
from collector.testing import key_values, make_request, settings
from processors.redaction import RedactionConfig, RedactionProcessor

PATTERNS = [
    r"\b(?:\d[ -]?){13,16}\b",
    r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}",
    r"sk-[A-Za-z0-9-]{16,}",
    r"\+\d{1,3} \d{3}-\d{3}-\d{4}",
    r"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+",
    r"AKIA[0-9A-Z]{16}",
    r"ghp_[A-Za-z0-9]{36}",
    r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}",
    r"\b\d{3}-\d{2}-\d{4}\b",
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
]
"""What people write to find private things, ten of it."""

PROMPT_BYTES = 8 << 10


def programs() -> Mapping[str, Program]:
    """Give the processor with ten patterns, and with all detectors."""
    return {
        "ten patterns": _program(RedactionConfig(allow_all_keys=True, blocked_values=PATTERNS)),
        "all detectors": _program(RedactionConfig(allow_all_keys=True, detectors=_detectors())),
    }


def _program(config: RedactionConfig) -> Program:
    return Program(RedactionProcessor(config, settings()).ops())


def _detectors() -> list[str]:
    """All names, as the kernel tells them to who asks for one that is not there."""
    try:
        Op("redaction", {"detectors": ["?"]})
    except OptionError as error:
        return str(error.args[1]).partition("nown are ")[2].split(", ")
    raise AssertionError


def prompts(spans: int) -> bytes:
    """Build spans with one prompt each, in which now and then somebody says who they are."""
    random = Random(1)
    sentence = "please explain why the second shard answers late when the cache of the first one is cold"
    words = sentence.split()
    request: ExportTraceServiceRequest = make_request(spans)
    for span in request.resource_spans[0].scope_spans[0].spans:
        text = ""
        while len(text) < PROMPT_BYTES:
            text += random.choice(words) + " "
            if random.random() < 0.002:
                text += f"(write to jo.doe{random.randint(1, 99)}@example.com) "
        span.attributes.extend(key_values({"gen_ai.input.messages": text[:PROMPT_BYTES]}))
    return request.SerializeToString()
