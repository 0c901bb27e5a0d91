"""The typed face of the kernel. `tests/kernel` compares it with the real thing."""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Self, final

__all__ = [
    "Bell",
    "ClientCounts",
    "Fairness",
    "Gate",
    "Guard",
    "Hold",
    "Journal",
    "JournalEntry",
    "KernelPanic",
    "MalformedInput",
    "Op",
    "OpCounts",
    "OptionError",
    "Origin",
    "OtlpClient",
    "OtlpServer",
    "Outcome",
    "Pass",
    "Plan",
    "PolicyCounts",
    "Program",
    "Queue",
    "QueueItem",
    "Router",
    "ServerCounts",
    "ServerSocket",
    "ServerTls",
    "SpanBatch",
    "SpanMetrics",
    "StageCounts",
    "Ticket",
    "TraceCounts",
    "Traces",
    "compress",
]

class MalformedInput(ValueError):
    """The bytes are not an OTLP trace request. The text says what, where, and at which byte, or line and column."""

class OptionError(ValueError):
    """An op or TLS cannot work with a setting. `args` is `(path, message)`: where the option is in the component.

    Where an op has several, they come as an `ExceptionGroup`.
    """

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
    def from_json(data: bytes, origin: Origin | None = None) -> SpanBatch:
        """Check one request in JSON, and make what it is on the wire of it.

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
    def merged(self) -> SpanBatch:
        """The same spans with each resource and scope written once, if that is worth a copy."""
    def split(self, max_spans: int = 0, max_bytes: int = 0) -> list[SpanBatch]:
        """Cut at span boundaries, in order, into parts within both bounds; 0 is no bound.

        A single span larger than `max_bytes` becomes a part of its own.
        """

@final
class Journal:
    """A queue of batches on disk. Batches are written by a thread of its own, which confirms many at once.

    It stays readable, by `select` and the like, from when there is something new until `clear`.
    """

    def __new__(
        cls,
        directory: str,
        *,
        max_bytes: int,
        fsync: bool,
        max_requests: int,
        max_spans: int,
        max_size: int,
        cache_bytes: int,
    ) -> Self:
        """Open a directory, which is created if only its parent is there, and take up what is in it.

        It uses at most `max_bytes` of disk (0 is no bound), and holds at most `max_requests` batches with `max_spans`
        spans of `max_size` bytes together. Contents of `cache_bytes` stay in memory as well. Without `fsync` the system
        writes to the disk when it likes.

        Raises `BlockingIOError` if it is open already, here or elsewhere, and `OSError`.
        """
    def limit(
        self, *, max_bytes: int, fsync: bool, max_requests: int, max_spans: int, max_size: int, cache_bytes: int
    ) -> None:
        """Hold itself to other limits from now on. What is there already stays."""
    @property
    def directory(self) -> str:
        """Where it is."""
    def fileno(self) -> int:
        """The descriptor."""
    def clear(self) -> None:
        """Make the descriptor unreadable. Before `outcomes` and `take`, or a wake-up could be lost."""
    def submit(self, batch: SpanBatch) -> int:
        """Have a batch appended, and give the number that it has among the `outcomes`."""
    def obstacle(self, batch: SpanBatch) -> str | None:
        """Say why there is no room for a batch now."""
    def outcomes(self) -> list[tuple[int, str | None]]:
        """What has become of batches: they are on disk, or why not."""
    def take(self, max_spans: int, max_bytes: int, all: bool) -> JournalEntry | None:
        """Take out the oldest batch, and others behind it as long as all of them are within both bounds.

        Unless `all` is set, only those stay together that a plan has put in, and of which nobody made batches.

        They stay on disk until they are finished. `None` when there is none.
        """
    def finish(self, entry: JournalEntry) -> None:
        """Note that batches that were taken out need not be kept any longer."""
    def trouble(self) -> str | None:
        """Why the disk did not take something, if that happened since the last call."""
    def close(self) -> None:
        """Refuse from now on, write what was submitted, and let go of the directory. May be called twice."""
    @property
    def largest(self) -> int:
        """Bytes of the largest batch that may be appended."""
    @property
    def ready(self) -> int:
        """Batches that can be taken out."""
    @property
    def requests(self) -> int:
        """Batches that are not finished."""
    @property
    def spans(self) -> int:
        """Their spans."""
    @property
    def size(self) -> int:
        """Their bytes."""
    @property
    def disk(self) -> int:
        """Bytes of disk that are used."""
    @property
    def cached(self) -> int:
        """Bytes of memory that contents keep alive."""
    @property
    def unmarked(self) -> int:
        """Batches that would be delivered again after a crash: it could not be noted that they are finished."""
    @property
    def damage(self) -> list[str]:
        """What could not be read when it was opened, a line each."""
    @property
    def lost(self) -> int:
        """Spans in that, as far as that can be told, at most."""
    @property
    def torn(self) -> int:
        """Bytes that the run before had not wholly written when it ended. Nobody was told that they are kept."""

@final
class JournalEntry:
    """Batches that were taken out of a journal together. `len()` counts their spans."""

    def __len__(self) -> int: ...
    @property
    def is_cached(self) -> bool:
        """Whether memory holds their contents. Otherwise `read` waits for the disk."""
    def read(self) -> SpanBatch:
        """Give their contents as one batch. Those that are damaged for good are missing in it. Raises `OSError`."""

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
class Router:
    """A ring of backends, and what spans are routed by. It is the ring of the Go collector from 0.157 on.

    `names` are what the backends are called on the ring, each with the number of its owner, which is smaller than the
    number of names; several names may have the same owner. Without `attributes` spans are routed by their trace id,
    otherwise by the values of these: those of the resource, of the scope, or of the span. `span.kind` and `span.name`
    are what they say.
    """

    def __new__(cls, names: Sequence[tuple[str, int]], attributes: Sequence[str] | None = None) -> Self:
        """Raises `ValueError` if there are no names, or for a number that is too large."""
    def owner(self, key: bytes, away: Sequence[int] | None = None) -> int:
        """Give the owner of a key. Owners that are `away` are passed over, unless all are."""
    def route(self, batch: SpanBatch, away: Sequence[int] | None = None) -> list[tuple[int, SpanBatch]]:
        """Give to each owner what it owns of a batch, in ascending order. There are no empty parts.

        Spans with the same key come to the same owner, in their order, with their resource and scope.
        """

@final
class Bell:
    """Wakes an event loop: its descriptor is readable once the kernel has rung."""

    def __new__(cls) -> Self: ...
    def fileno(self) -> int: ...
    def clear(self) -> None:
        """Make the descriptor quiet. To be called before looking, or a ring could be lost."""

@final
class Gate:
    """A memory limit as batches meet it: open or closed. It rings when it has closed by itself."""

    def __new__(cls, bell: Bell, *, soft: int, spike: int, retry_after: float) -> Self:
        """An open gate. `soft` is the limit in resident bytes, `spike` what may come in between two looks."""
    @property
    def is_due(self) -> bool:
        """Whether so much came in that memory must be looked at now."""
    @property
    def is_closed(self) -> bool: ...
    def let_through(self, size: int) -> None:
        """Note that a batch of so many bytes passed."""
    def looked(self, closed: bool) -> None:
        """Open or close it, after a look at memory."""

@final
class Hold:
    """Gathers batches until they are large or old enough. It is told the time, in seconds of the event loop's clock.

    Where a `Plan` offers, it rings when a batch is cut, and when it has begun to hold and nobody watches.
    """

    def __new__(
        cls,
        bell: Bell,
        *,
        send_batch_size: int,
        send_batch_max_size: int,
        send_batch_max_bytes: int,
        timeout: float,
        max_held_bytes: int,
    ) -> Self: ...
    def offer(self, batch: SpanBatch, now: float) -> str | None:
        """Take a batch, and cut what is due by that. Gives the reason if there is no room for it."""
    def take_over(self, batch: SpanBatch, now: float) -> None:
        """Take a batch from another hold, however much is here."""
    def cut(self, now: float) -> int:
        """Cut what is due by its age, and say how many batches that makes."""
    def close(self) -> int:
        """Refuse from now on, cut everything that is held, and say how many batches that makes."""
    def watch(self) -> float | None:
        """When to cut again; `None` when nothing is held: then the next offer of a plan rings."""
    def next(self) -> SpanBatch | None:
        """The next batch that is cut. Its bytes count as held until `leaving` takes them off."""
    def leaving(self, size: int) -> None:
        """Count so many bytes more (or less, below 0) as held outside."""
    @property
    def cut_by_size(self) -> int:
        """Batches that were cut because of their size, ever."""
    @property
    def spans(self) -> int:
        """Spans held, those that left not among them."""
    @property
    def pinned(self) -> int:
        """Bytes of memory held, those that are leaving among them."""

@final
class Traces:
    """Traces that wait for a decision, or only to be whole. They are told the time, in seconds of a steady clock.

    Where a `Plan` offers, they ring when spans leave, and when something is due before the one who watches looks.
    """

    def __new__(cls, bell: Bell, settings: Mapping[str, object]) -> Self:
        """See `kernel/src/tail/sampler.rs` for the settings. Raises `OptionError`."""
    def offer(self, batch: SpanBatch, now: float) -> str | None:
        """Take a batch wholly. Gives the reason if there is no room for it."""
    def take_over(self, other: Traces, now: float) -> None:
        """Take what another one holds and remembers, however much is here."""
    def decide(self, now: float) -> bool:
        """Decide about some of the traces that are due, and say whether there may be more."""
    def decide_all(self, now: float) -> bool:
        """Decide about some of the traces that wait, due or not, and say whether there may be more."""
    def discard(self) -> int:
        """Give up some of the traces that wait, and say how many spans that was; 0 when there are none."""
    def save(self, path: str | PathLike[str]) -> tuple[int, int]:
        """Write what waits and what is remembered into a file, and give how many traces and spans wait no more here.

        Raises `OSError`, and nothing has changed then.
        """
    def restore(self, path: str | PathLike[str], now: float) -> tuple[int, int, int, bool] | None:
        """Take up what `save` has written, and remove the file.

        Gives how many traces and spans came back, how many spans were lost, and whether something was damaged; `None`
        if there is no file. Raises `OSError`; a file that is none, or of another version, is put aside.
        """
    def close(self) -> None:
        """Refuse from now on."""
    def watch(self) -> float | None:
        """When to look again; `None` when nothing waits: then the next offer of a plan rings."""
    def next(self) -> SpanBatch | None:
        """Spans that leave. Their bytes count as held until `leaving` takes them off."""
    def leaving(self, size: int) -> None:
        """Count so many bytes more (or less, below 0) as held outside."""
    def counts(self) -> TraceCounts:
        """What happened since the start."""
    @property
    def spans_dropped(self) -> int:
        """Spans that were not sampled, ever."""
    @property
    def is_stressed(self) -> bool:
        """Whether new traces are decided about by probability alone, since the bound is near."""
    @property
    def traces(self) -> int:
        """Traces that wait."""
    @property
    def on_memory(self) -> int:
        """Traces that wait, and those whose decision is remembered beside them."""
    @property
    def spans(self) -> int:
        """Spans held, those that left not among them."""
    @property
    def bytes(self) -> int:
        """Bytes of memory held, those that are leaving among them."""

@final
class PolicyCounts:
    """What a policy has said, in traces."""

    @property
    def name(self) -> str: ...
    @property
    def sampled(self) -> int: ...
    @property
    def not_sampled(self) -> int: ...
    @property
    def dropped(self) -> int: ...
    @property
    def failed(self) -> int:
        """How often it could not be asked."""

@final
class TraceCounts:
    """What happened to traces and spans since the start."""

    @property
    def new_traces(self) -> int: ...
    @property
    def sampled(self) -> int:
        """Traces."""
    @property
    def not_sampled(self) -> int:
        """Traces."""
    @property
    def dropped(self) -> int:
        """Traces that a policy of the type `drop` has dropped."""
    @property
    def early(self) -> list[int]:
        """Traces decided about before their time: too many, too many bytes, nothing could change it, the end."""
    @property
    def too_large(self) -> int:
        """Traces that grew too large."""
    @property
    def cached_sampled(self) -> int:
        """Late spans of traces in the decision cache."""
    @property
    def cached_not_sampled(self) -> int:
        """Late spans of traces in the other one."""
    @property
    def late(self) -> int:
        """Late spans of other traces."""
    @property
    def stressed(self) -> int:
        """Traces that were decided about by probability alone."""
    @property
    def late_ages(self) -> tuple[list[float], list[int], float]:
        """Seconds from the decision to a late span: bounds, counts, sum."""
    @property
    def removal_ages(self) -> tuple[list[float], list[int], float]:
        """Seconds from the first span to the decision: bounds, counts, sum."""
    @property
    def policies(self) -> list[PolicyCounts]:
        """In the order in which they are asked."""

@final
class StageCounts:
    """What went through a stage of a plan since the last look."""

    @property
    def taken(self) -> int:
        """Spans that came to the stage, in batches that the hold took in the end."""
    @property
    def refused(self) -> int:
        """Spans that the stage refused."""
    @property
    def ops(self) -> list[OpCounts]:
        """What each op of a program did to those that were taken. Empty if there were none."""

@final
class Plan:
    """Stages in order, and a hold, traces, a queue or a journal at the end: what a server runs for a pipeline."""

    def __new__(cls, stages: Sequence[Gate | Program], end: Hold | Traces | Queue | Journal) -> Self: ...
    def consume(self, batch: SpanBatch, now: float) -> tuple[str, float | None, bool] | None:
        """Take a batch wholly, or say why not, after how many seconds it may come, and whether it never may.

        Waits until the disk has it where that is the end.
        """
    def counts(self) -> list[StageCounts]:
        """What was counted since the last call: an entry for each stage, and one for the end."""
    @property
    def is_idle(self) -> bool:
        """Whether no server uses it any more, nor a request of one."""

@final
class Queue:
    """A sending queue in memory. What it holds counts until it is finished."""

    def __new__(cls, bell: Bell, *, max_requests: int, max_spans: int, max_size: int, max_pinned: int) -> Self:
        """Hold at most so many batches with so many spans of so many bytes together, which keep so much memory alive.

        A plan that puts something in rings the bell if nothing was there when somebody looked last.
        """
    def limit(self, *, max_requests: int, max_spans: int, max_size: int, max_pinned: int) -> None:
        """Hold at most so much from now on. What is there already stays."""
    def obstacle(self, batch: SpanBatch) -> str | None:
        """Say why there is no room for a batch now."""
    def offer(self, batch: SpanBatch) -> str | None:
        """Take a batch, or say why there is no room for it."""
    def take(self, max_spans: int, max_bytes: int, all: bool) -> QueueItem | None:
        """Take out the oldest batch, and others behind it as long as all of them are within both bounds.

        Unless `all` is set, only those stay together that a plan has put in, and of which nobody made batches.

        `None` when there is none.
        """
    def finish(self, item: QueueItem) -> None:
        """Note that batches that were taken out need not be held any longer."""
    def close(self) -> None:
        """Refuse from now on."""
    @property
    def ready(self) -> int:
        """Batches that can be taken out."""
    @property
    def requests(self) -> int:
        """Batches that are not finished."""
    @property
    def spans(self) -> int:
        """Their spans."""
    @property
    def size(self) -> int:
        """Their bytes."""
    @property
    def pinned(self) -> int:
        """Bytes of memory that they keep alive."""

@final
class QueueItem:
    """Batches that were taken out of a queue together."""

    @property
    def batch(self) -> SpanBatch:
        """All of them as one."""

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
    def accepted(self) -> int:
        """Requests that a plan took."""
    @property
    def accepted_spans(self) -> int: ...
    @property
    def refused(self) -> int:
        """Requests that a plan refused."""
    @property
    def refused_spans(self) -> int: ...
    @property
    def repaired(self) -> int:
        """Strings in the requests of a plan that were repaired."""
    @property
    def bugs(self) -> int:
        """Requests among the refused that met a bug."""
    @property
    def slow(self) -> int:
        """Connections and requests that were cut because they took too long to arrive."""
    @property
    def broken(self) -> int:
        """Connections that ended because of what was sent."""
    @property
    def unauthenticated(self) -> int:
        """Requests among the unread that came from nobody we know."""
    @property
    def strangers(self) -> int:
        """Connections that came to no TLS."""
    @property
    def throttled(self) -> int:
        """Requests that were refused because their client had its part of what there is room for."""
    @property
    def crowded(self) -> int:
        """Times that there was no room for another connection."""

@final
class ServerTls:
    """What a server shows, and of whom it wants a certificate."""

    def __new__(cls, settings: Mapping[str, object], client_ca: str | None = None) -> Self:
        """Make it of PEM. Raises `OptionError` with the option and what is wrong. See `kernel/src/net/tls.rs`."""

@final
class Guard:
    """Decides whose requests a server takes."""

    def __new__(cls, settings: Mapping[str, object]) -> Self:
        """Make its rules. Raises `OptionError`. See `kernel/src/net/auth.rs`."""
    def replace(self, settings: Mapping[str, object]) -> None:
        """Decide by other rules from now on. Raises `OptionError`, with which nothing changes."""

@final
class OtlpServer:
    """An OTLP server on a thread of its own. What it has checked gathers until it is taken.

    `fileno` is readable when there is something to take, when something was counted, when a client has gone away, and
    when all is over.
    """

    def __new__(
        cls,
        settings: Mapping[str, object],
        plan: Plan | None = None,
        *,
        needs_origin: bool = False,
        tls: ServerTls | None = None,
        guard: Guard | None = None,
        fairness: Fairness | None = None,
        socket: ServerSocket | None = None,
    ) -> Self:
        """Listen and serve, at the `socket` of another server if there is one. See `kernel/src/net/server.rs`.

        Raises `OSError` if the address cannot be had.
        """
    def set_front(self, plan: Plan | None, *, needs_origin: bool) -> None:
        """Have requests go through another plan from now on, or gather until they are taken."""
    @property
    def socket(self) -> ServerSocket | None:
        """Where it listens, for a server that is to follow. `None` after `drain` or `stop`."""
    @property
    def port(self) -> int:
        """The bound port; 0 for a unix socket."""
    @property
    def has_ended(self) -> bool:
        """Whether everything is over after `drain` or `stop`."""
    def fileno(self) -> int: ...
    def clear(self) -> None:
        """Make the descriptor quiet. To be called before what is there is taken."""
    def take(self, max_bytes: int, each: bool) -> Ticket | None:
        """Requests that wait, in order, within a bound in bytes; one at a time if `each`."""
    def counts(self) -> ServerCounts: ...
    def set_tls(self, tls: ServerTls) -> None:
        """Show this to those who come from now on, if TLS is spoken at all."""
    def drain(self) -> None:
        """Accept nothing more and finish what is under way."""
    def stop(self) -> None:
        """Break off: whoever waits is told to come back."""
    def join(self) -> None:
        """Stop, and wait for the thread."""

@final
class Fairness:
    """Shares what there is room for among the clients of a receiver, when there is not enough for all.

    A client is a `connection`, an `address`, or a `service.name`. See `kernel/src/net/fairness.rs`.
    """

    def __new__(cls, by: str) -> Self: ...

@final
class ServerSocket:
    """A socket that listens, on its way from a server to its successor."""

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

@final
class Outcome:
    """How a call ended."""

    @property
    def status(self) -> int:
        """The status of gRPC, or that of HTTP. 0 over HTTP: there was no answer, and `message` says why."""
    @property
    def message(self) -> str:
        """What the server says to its status, or the client to one of its own."""
    @property
    def details(self) -> bytes:
        """A `google.rpc.Status` from gRPC's trailers, as it came; empty if there was none."""
    @property
    def body(self) -> bytes:
        """The message of gRPC, or the body of HTTP as far as it was read."""
    @property
    def content_type(self) -> str:
        """A header of HTTP; empty if it was not there, as are the others."""
    @property
    def retry_after(self) -> str: ...
    @property
    def location(self) -> str: ...

@final
class ClientCounts:
    """What became of a client's connections."""

    @property
    def connected(self) -> int:
        """Connections that were made, ever."""
    @property
    def unconnected(self) -> int:
        """Attempts that failed."""
    @property
    def open(self) -> int:
        """Connections there are."""
    @property
    def resent(self) -> int:
        """Requests that were sent again, since the server had surely not seen them."""

@final
class OtlpClient:
    """A client of one OTLP backend on a thread of its own. What became of calls gathers until it is taken.

    `fileno` is readable when there is something to take, and when all is over.
    """

    def __new__(cls, settings: Mapping[str, object]) -> Self:
        """Get ready to connect. Raises `OptionError` for TLS that cannot be. See `net/client/settings.rs`."""
    def fileno(self) -> int: ...
    def clear(self) -> None:
        """Make the descriptor quiet. To be called before what is there is taken."""
    def send(self, batch: SpanBatch, call: int) -> None:
        """Begin a call. Its outcome comes under this number."""
    def send_request(self, data: bytes, call: int) -> None:
        """Begin a call with a request of another signal, which is sent as it is but for the compression."""
    def cancel(self, call: int) -> None:
        """Break a call off."""
    def set_header(self, name: str, value: str) -> None:
        """Send this header with calls that begin from now on. Raises `ValueError` for what cannot be one."""
    def set_tls(self, tls: Mapping[str, object]) -> None:
        """Secure new connections in another way. Raises `OptionError`, with which nothing changes."""
    def take(self) -> list[tuple[int, Outcome]]:
        """The outcomes of all calls that have ended since the last look."""
    def counts(self) -> ClientCounts: ...
    def close(self) -> None:
        """Break all calls off and close the connections."""
    def join(self) -> None:
        """Close, and wait for the thread."""

@final
class SpanMetrics:
    """Counts spans and measures how long they took, by their attributes. See `metrics/settings.rs`.

    Times are nanoseconds since 1970. A span whose resource has no `service.name` is not counted.
    """

    def __new__(cls, settings: Mapping[str, object]) -> Self:
        """Raises `OptionError`, or an `ExceptionGroup` of them."""
    def consume(self, batch: SpanBatch, now: int) -> None:
        """Count the spans of a batch."""
    def flush(self, now: int, max_bytes: int) -> list[tuple[bytes, int]]:
        """Write all series as `ExportMetricsServiceRequest`s of at most so many bytes, each with its data points.

        What is not kept for the next interval is forgotten: with delta everything, otherwise exemplars and what has
        expired.
        """
    def counts(self) -> dict[str, int]:
        """What became of spans, and what is kept.

        Spans: `counted`, `unnamed` (no `service.name`), `homeless` (no memory for their resource), and of the counted
        those that `overflowed`. Kept: `resources`, `series`, `bytes`; resources that were `evicted`.
        """
    def families(self) -> list[tuple[str, str, str]]:
        """The metrics as Prometheus calls them, with kind and help; the last one is `target_info`."""
    def exposition(self, family: int) -> str:
        """The series of a family, by its number, as lines of Prometheus' text format."""

def compress(encoding: str, data: bytes, level: int | None = None) -> bytes:
    """`data` compressed as `gzip`, `deflate` or `zstd`, or as it is for `identity`.

    A level beyond those of the encoding is its nearest. Raises `ValueError` for another encoding.
    """
