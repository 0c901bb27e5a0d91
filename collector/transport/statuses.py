"""Statuses of gRPC and what they mean for a batch, whichever engine brings them.

The table is that of the OTLP specification: what may be sent again, after how long, what is too large, and what will
never be taken.
"""

from __future__ import annotations

import re

from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from collector.errors import ConsumeError, PermanentError, RetryableError, TooLargeError

OK = 0
_RESOURCE_EXHAUSTED = 8
_OUT_OF_RANGE = 11

NAMES = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)
"""By their number."""

_RETRYABLE = frozenset(
    map(NAMES.index, ("CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"))
)
"""https://opentelemetry.io/docs/specs/otlp/#failures; RESOURCE_EXHAUSTED belongs to them if it has a RetryInfo."""

_TOO_LARGE = re.compile(r"larger than max|message length too large|exceeds (the )?maximum", re.IGNORECASE)
"""What gRPC's libraries for C, Go, Rust, Java and .NET say of a message over the limit of the server."""


def refusal(code: int, details: str, packed: bytes = b"") -> ConsumeError:
    """Turn a status into an error. `packed` is its `google.rpc.Status`, if there is one."""
    name = NAMES[code] if code < len(NAMES) else f"status {code}"
    text = f"{name}: {details}" if details else name
    wait = _retry_delay(packed)
    if wait is None and code in {_RESOURCE_EXHAUSTED, _OUT_OF_RANGE}:
        if _TOO_LARGE.search(details):
            return TooLargeError(text)
        if code == _RESOURCE_EXHAUSTED:
            return PermanentError(text)
    if code in _RETRYABLE or code == _RESOURCE_EXHAUSTED:
        return RetryableError(text, retry_after=wait)
    return PermanentError(text)


def _retry_delay(packed: bytes) -> float | None:
    """Find the delay of a `google.rpc.RetryInfo`, in seconds; `None` if the status has none."""
    if not packed:
        return None
    info = RetryInfo()
    try:
        for detail in Status.FromString(packed).details:
            if detail.Is(RetryInfo.DESCRIPTOR) and detail.Unpack(info):
                return max(0.0, float(info.retry_delay.seconds + info.retry_delay.nanos * 1e-9))
    except DecodeError:
        pass
    return None
