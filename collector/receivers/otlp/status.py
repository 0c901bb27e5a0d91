"""How the outcome of a request reads in gRPC: the table at the top of `collector/errors.py`."""

from __future__ import annotations

import functools

from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from collector.errors import MalformedError, PermanentError, RetryableError, ThrottledError
from collector.transport.grpcio import grpc

DEFAULT_RETRY_AFTER = 1.0
"""Seconds to wait where the one who refused does not know better."""

Trailer = tuple[tuple[str, bytes], ...]
Answer = tuple[grpc.StatusCode, str, Trailer]
"""Code, message, and trailing metadata."""


def answer_to(error: Exception) -> Answer:
    """Say what a client is told."""
    match error:
        case MalformedError():
            return grpc.StatusCode.INVALID_ARGUMENT, str(error), ()
        case PermanentError():
            return grpc.StatusCode.INTERNAL, str(error), ()
        case ThrottledError():
            return _retryable(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error), error.retry_after)
        case RetryableError():
            return _retryable(grpc.StatusCode.UNAVAILABLE, str(error), error.retry_after)
    return grpc.StatusCode.INTERNAL, "internal error", ()


# Under overload the same few refusals are given thousands of times a second.
@functools.lru_cache(maxsize=64)
def _retryable(code: grpc.StatusCode, message: str, retry_after: float | None) -> Answer:
    """Attach the RetryInfo that makes a client wait, and without which RESOURCE_EXHAUSTED means never."""
    delay = Duration()
    delay.FromMilliseconds(round(1000 * (DEFAULT_RETRY_AFTER if retry_after is None else retry_after)))
    detail = Any()
    detail.Pack(RetryInfo(retry_delay=delay))
    status = Status(code=code.value[0], message=message, details=[detail])
    return code, message, (("grpc-status-details-bin", status.SerializeToString()),)
