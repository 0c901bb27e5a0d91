"""The typed face of the kernel. `tests/kernel` compares it with the real thing."""

from collections.abc import Mapping, Sequence
from typing import Self, final

__all__ = [
    "Accumulator",
    "KernelPanic",
    "MalformedInput",
    "Op",
    "OpCounts",
    "OptionError",
    "Origin",
    "OtlpServer",
    "Pass",
    "Program",
    "ServerCounts",
    "SpanBatch",
    "Ticket",
]

class MalformedInput(ValueError):
    """The bytes are not an OTLP trace request. The text says what, where, and at which byte."""

class OptionError(ValueError):
    """An op cannot work with a setting. `args` is `(path, message)`: the path of the option inside the component."""

class KernelPanic(RuntimeError):
    """A bug in the kernel, caught. The call had no effect."""

@final
class Origin:
    """Who sent a request: what `from_context` of the attributes processor reads."""

    def __new__(cls, peer: str, metadata: Mapping[str, Sequence[str]]) -> Self: ...
    @property
    def peer(self) -> str:
        """The address of the client with its port, empty if it is not known."""
    @property
    def metadata(self) -> dict[str, list[str]]:
        """Request headers by lower-case name."""

@final
class SpanBatch:
    """Spans on the wire: an immutable rope of `ExportTraceServiceRequest` bytes. `len()` counts spans."""

    @staticmethod
    def decode(data: bytes, origin: Origin | None = None) -> SpanBatch:
        """Check one request and take it over without a copy, or with one where it had to be repaired.

        Raises `MalformedInput`.
        """
    @staticmethod
    def join(batches: Sequence[SpanBatch]) -> SpanBatch:
        """All spans of `batches`, in order, sharing their bytes. Origins that differ are dropped."""
    def __len__(self) -> int: ...
    @property
    def size(self) -> int:
        """Bytes on the wire."""
    @property
    def pinned(self) -> int:
        """Bytes of memory the batch keeps alive, at least `size`."""
    @property
    def repaired(self) -> int:
        """Strings that were not UTF-8 and had to be repaired when the requests arrived."""
    @property
    def resource_spans(self) -> int:
        """How many `ResourceSpans` it has."""
    @property
    def origin(self) -> Origin | None: ...
    def encode(self) -> bytes:
        """The batch as one contiguous `ExportTraceServiceRequest`."""
    def to_json(self) -> bytes:
        """The batch as one OTLP/JSON object, without a line end."""
    def split(self, max_spans: int = 0, max_bytes: int = 0) -> list[SpanBatch]:
        """Cut at span boundaries, in order, into parts within both bounds; 0 is no bound.

        A single span larger than `max_bytes` becomes a part of its own.
        """

@final
class Op:
    """One thing to do with every span, resource or scope. See `kernel/src/ops`."""

    def __new__(cls, kind: str, settings: Mapping[str, object]) -> Self:
        """Raises `OptionError`."""
    @property
    def kind(self) -> str: ...
    @property
    def reads_origin(self) -> bool:
        """Whether batches must carry their origin for it."""
    @property
    def can_fail(self) -> bool:
        """Whether it may refuse a whole batch (`error_mode: propagate`)."""
    @property
    def tallies(self) -> list[str]:
        """Names of what it counts besides the spans: the keys of `OpCounts.tallies`."""

@final
class OpCounts:
    """What one op did in one pass, in spans."""

    @property
    def incoming(self) -> int: ...
    @property
    def dropped(self) -> int: ...
    @property
    def changed(self) -> int: ...
    @property
    def failed(self) -> int:
        """Evaluations that failed and were passed over."""
    @property
    def first_failure(self) -> str | None:
        """The text of the first of them."""
    @property
    def tallies(self) -> dict[str, int]: ...

@final
class Pass:
    """What came out of one walk over a batch."""

    @property
    def batch(self) -> SpanBatch: ...
    @property
    def counts(self) -> list[OpCounts]:
        """One for each op, in order."""
    @property
    def refusal(self) -> str | None:
        """Why the batch must be refused as a whole: an op failed and was told to propagate that."""

@final
class Program:
    """A run of neighbouring ops, fused: one decode, every op in order, one encode."""

    def __new__(cls, ops: Sequence[Op]) -> Self: ...
    def run(self, batch: SpanBatch) -> Pass: ...

@final
class Accumulator:
    """Gathers batches until they are large or old enough. It is told the time, in seconds of any steady clock."""

    def __new__(
        cls, *, send_batch_size: int, send_batch_max_size: int, send_batch_max_bytes: int, timeout: float
    ) -> Self: ...
    def add(self, batch: SpanBatch, now: float) -> None: ...
    def take(self, now: float) -> SpanBatch | None:
        """The next batch, if it is due by spans, by bytes or by age. To be called until there is none."""
    def flush(self) -> SpanBatch | None:
        """The next batch whether due or not, within the maximum sizes; `None` when nothing is held."""
    @property
    def due_at(self) -> float | None:
        """When what is held gets too old; `None` when nothing is held."""
    @property
    def spans(self) -> int:
        """Spans held."""
    @property
    def pinned(self) -> int:
        """Bytes of memory held."""

@final
class ServerCounts:
    """What a server has answered by itself, and what happened to connections, since it was asked last."""

    @property
    def empty(self) -> int:
        """Requests without spans, which are accepted."""
    @property
    def malformed(self) -> int: ...
    @property
    def unread(self) -> int:
        """Requests that were refused before they were read."""
    @property
    def slow(self) -> int:
        """Connections and requests that were cut because they took too long to arrive."""
    @property
    def broken(self) -> int:
        """Connections that ended because of what was sent."""
    @property
    def crowded(self) -> int:
        """Times that there was no room for another connection."""

@final
class OtlpServer:
    """An OTLP server on a thread of its own. What it has checked gathers until it is taken.

    `fileno` is readable when there is something to take, when something was counted, when a client has gone away, and
    when all is over.
    """

    def __new__(cls, settings: Mapping[str, object]) -> Self:
        """Listen and serve. Raises `OSError` if the address cannot be had. See `kernel/src/net/server.rs`."""
    @property
    def port(self) -> int:
        """The bound port."""
    @property
    def has_ended(self) -> bool:
        """Whether everything is over after `drain` or `stop`."""
    def fileno(self) -> int: ...
    def clear(self) -> None:
        """Make the descriptor quiet. To be called before what is there is taken."""
    def take(self, max_bytes: int, each: bool) -> Ticket | None:
        """Requests that wait, in order, within a bound in bytes; one at a time if `each`."""
    def counts(self) -> ServerCounts: ...
    def drain(self) -> None:
        """Accept nothing more and finish what is under way."""
    def stop(self) -> None:
        """Break off: whoever waits is told to come back."""
    def join(self) -> None:
        """Stop, and wait for the thread."""

@final
class Ticket:
    """Requests that are worked on together. Answering it answers each; one that is dropped tells them to come back."""

    @property
    def batch(self) -> SpanBatch:
        """All their spans."""
    @property
    def requests(self) -> int: ...
    @property
    def is_abandoned(self) -> bool:
        """Whether all its clients have gone away before they were answered."""
    def accept(self) -> None:
        """The spans were taken."""
    def retry(self, message: str, *, throttled: bool = False, retry_after: float | None = None) -> None:
        """Not now; the same requests may come again after so many seconds."""
    def refuse(self, message: str, *, malformed: bool = False) -> None:
        """Never."""
    def split(self) -> list[Ticket]:
        """A ticket for each request, in place of this one."""
