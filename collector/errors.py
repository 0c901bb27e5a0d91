"""What can go wrong, as one small tree.

    SpanmillError
    ├── ConfigError            the configuration is wrong: nothing starts
    ├── StartError             a component could not start: port in use, file not writable
    ├── DividedError           an exporter sent a batch in pieces, each of which ended by itself
    └── ConsumeError           a batch was refused
        ├── RetryableError     not now: the same batch may be sent again
        │   └── ThrottledError this client exceeds its share
        └── PermanentError     never: sending it again cannot help
            ├── ComponentError a component has a bug
            ├── MalformedError not an OTLP trace request
            └── TooLargeError  the next hop refuses a message of this size: smaller ones may pass

A component refuses a batch by raising a `ConsumeError`. Everything else that escapes from `consume` is a bug
in a component: that batch is refused as `ComponentError` and the collector goes on. Receivers alone turn these into
status codes:

    | raised           | gRPC                            | HTTP              |
    |------------------|---------------------------------|-------------------|
    | `MalformedError` | INVALID_ARGUMENT                | 400               |
    | `RetryableError` | UNAVAILABLE + RetryInfo         | 503 + Retry-After |
    | `ThrottledError` | RESOURCE_EXHAUSTED + RetryInfo  | 429 + Retry-After |
    | `PermanentError` | INTERNAL                        | 500               |
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collector.component import Delivery
    from collector.spans import SpanBatch


class SpanmillError(Exception):
    """The root of everything Spanmill raises on purpose."""


class ConfigError(SpanmillError):
    """The configuration is wrong. Its text is the whole report, one problem a line."""


class StartError(SpanmillError):
    """A component could not start, although its configuration is right.

    `path` leads to the option that is to blame, inside the component: `protocols::grpc::endpoint`.
    """

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(message)
        self.path = path

    def below(self, section: str) -> StartError:
        """The same error, seen from the section that encloses the option."""
        return StartError(self.args[0], path=f"{section}::{self.path}" if self.path else section)

    def __str__(self) -> str:
        return f"{self.path}: {self.args[0]}" if self.path else str(self.args[0])


class DividedError(SpanmillError):
    """An exporter with several destinations sent a batch in pieces, and not all of them were delivered.

    Only `Exporter.export` raises it. `pieces` are all spans of the batch, each piece with what it came to. What may be
    sent again is then sent again without the rest, which would come twice. Meanwhile other batches are sent, for they
    may have other destinations.
    """

    def __init__(self, pieces: Sequence[tuple[SpanBatch, Delivery | ConsumeError]]) -> None:
        super().__init__(f"not all of {len(pieces)} pieces were delivered")
        self.pieces = pieces


class ConsumeError(SpanmillError):
    """A batch was refused, wholly: none of its spans was taken."""


class RetryableError(ConsumeError):
    """Not now. `retry_after` is the least wait in seconds, if the one who refuses knows it."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ThrottledError(RetryableError):
    """One client exceeds its share; others are served."""


class PermanentError(ConsumeError):
    """Never: the same batch will be refused again."""


class ComponentError(PermanentError):
    """An exception that is none of ours escaped from a component, which has a bug."""


class MalformedError(PermanentError):
    """The bytes are not an OTLP trace request. The text says what is wrong and where."""


class TooLargeError(PermanentError):
    """The next hop refuses messages of this size. Half of the batch may pass."""
