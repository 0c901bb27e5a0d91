"""A request in OTLP/JSON, with marks where ids and times shall be: see `testbed/engine/src/template.rs`.

A mark is a character that stands nowhere else in the text, a letter for what shall be there, and the number that was
there in the protobuf, with zeros in front until it is as long as what it stands for.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

MARK = "\x7f"
FOREIGN = b"\xff" * 8
"""The id of a parent in another service."""
_TIMES = {"startTimeUnixNano", "endTimeUnixNano", "timeUnixNano"}


def otlp_json(template: bytes) -> bytes:
    """Write a template in JSON. Raises `ValueError` where the mark stands already."""
    request = json_format.MessageToDict(ExportTraceServiceRequest.FromString(template))
    if MARK in str(request):
        raise ValueError("a template has the character that marks ids and times")
    number = 0
    for group in request["resourceSpans"]:
        for scope in group["scopeSpans"]:
            for span in scope["spans"]:
                _mark(span, number)
                for inner in (*span.get("events", ()), *span.get("links", ())):
                    _mark(inner, number)
                # OTLP has enums as numbers.
                span["kind"] = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER").index(
                    span.get("kind", "SPAN_KIND_UNSPECIFIED").removeprefix("SPAN_KIND_")
                )
                if code := span.get("status", {}).get("code"):
                    span["status"]["code"] = ("UNSET", "OK", "ERROR").index(code.removeprefix("STATUS_CODE_"))
                number += 1
    # As bytes that stand for themselves, since an escaped mark would be six characters.
    text = json.dumps(request, ensure_ascii=False, separators=(",", ":"))
    return text.encode()


def _mark(message: dict[str, Any], own: int) -> None:
    for key, value in message.items():
        if key == "traceId":
            message[key] = _marked("t", int.from_bytes(base64.b64decode(value)), 32)
        elif key in {"spanId", "parentSpanId"}:
            id = base64.b64decode(value)
            foreign = id == FOREIGN
            message[key] = _marked("f", own, 16) if foreign else _marked("s", int.from_bytes(id) - 1, 16)
        elif key in _TIMES:
            message[key] = _marked("n", int(value), 19)


def _marked(letter: str, number: int, length: int) -> str:
    return f"{MARK}{letter}{number:0{length - 2}}"
