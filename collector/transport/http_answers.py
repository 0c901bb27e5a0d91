"""What an answer to OTLP over HTTP means for a batch, by the table of the OTLP specification.

https://opentelemetry.io/docs/specs/otlp/#otlphttp-response
"""

from __future__ import annotations

import json
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from google.protobuf.message import DecodeError
from google.rpc.status_pb2 import Status

from collector._kernel import Outcome
from collector.errors import ConsumeError, PermanentError, RetryableError, TooLargeError

_RETRYABLE = frozenset({429, 502, 503, 504})
_MAY_SAY_WHEN = frozenset({429, 503})
_TOO_LARGE = 413
_MOST_WORDS = 300
"""Characters of a text that are repeated."""

PROTOBUF = "application/x-protobuf"
JSON = "application/json"


def is_success(outcome: Outcome) -> bool:
    """Whether the server took the batch, all of it or a part."""
    return 200 <= outcome.status < 300


def media_type(outcome: Outcome) -> str:
    """What the body is, without parameters."""
    return outcome.content_type.partition(";")[0].strip().lower()


def refusal(outcome: Outcome, url: str, now: float) -> ConsumeError:
    """Turn an answer that is no success, or none at all, into an error. `now` is seconds since 1970."""
    if not outcome.status:
        return RetryableError(f"no answer from {url}: {outcome.message}")
    text = f"{url} answers {_phrase(outcome.status)}"
    if outcome.location and 300 <= outcome.status < 400:
        text += f", which is not followed: it leads to {outcome.location[:_MOST_WORDS]}"
    elif words := _words(outcome):
        text += f": {words}"
    if outcome.status == _TOO_LARGE:
        return TooLargeError(text)
    if outcome.status not in _RETRYABLE:
        return PermanentError(text)
    wait = retry_delay(outcome.retry_after, now) if outcome.status in _MAY_SAY_WHEN else None
    return RetryableError(text, retry_after=wait)


def retry_delay(text: str, now: float) -> float | None:
    """Read a `Retry-After`: seconds, or a date. Gives seconds from `now`, or `None` if it says nothing."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now) if text else None
    except ValueError:
        return None


def _phrase(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _words(outcome: Outcome) -> str:
    """What the server says about it: the message of a `google.rpc.Status`, or plain text."""
    kind, body = media_type(outcome), outcome.body
    text = ""
    try:
        if kind == PROTOBUF:
            text = Status.FromString(body).message
        elif kind == JSON:
            status = json.loads(body)
            text = str(status.get("message", "")) if isinstance(status, dict) else ""
        elif kind == "text/plain":
            text = body.decode(errors="replace")
    except (DecodeError, ValueError):
        pass
    return " ".join(text.split())[:_MOST_WORDS]
