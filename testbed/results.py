"""What a run leaves in `result.json`: every measurement, with what it was taken of and how.

The structs below are the format. `docs/result.schema.json` is written from them by `make docs`; names stay as they are
once released, and a reader may rely on them. Times are seconds and latencies milliseconds, memory is MiB, counts are
spans unless the name says otherwise.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Literal

import msgspec

VERSION = 1
"""Of the format. It changes when a name goes or means something else."""


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What all parts of a result have in common."""


class Status(StrEnum):
    """How far a measurement can be believed."""

    OK = "ok"
    """It was taken. What was found wrong with the subject stands in `findings`."""
    INVALID = "invalid"
    """The testbed itself was at a limit, so the figures say nothing about the subject."""
    FAILED = "failed"
    """The subject did not start, never became ready, or died."""
    ABSENT = "absent"
    """The subject is not there, or has no configuration for this pipeline."""


class Latency(Record, frozen=True):
    """A distribution of latencies, in milliseconds, from a histogram of three significant digits."""

    count: int
    p50: float
    p90: float
    p99: float
    p999: float
    max: float
    curve: list[tuple[float, float]] = []
    """Points for a plot: percentile from 0 to 100, milliseconds."""


class Spans(Record, frozen=True):
    """What became of the spans of a measurement, its warm-up included, each looked up by its id.

    `offered = accepted + refused + unanswered + unsent`. All but `duplicated` count a span once.
    """

    offered: int
    """Due by the schedule; in a closed loop, sent."""
    accepted: int
    """Acknowledged by the subject."""
    refused: int
    """Answered with an error: the client knows."""
    unanswered: int
    """Sent, but the answer never came: a timeout or a broken connection."""
    unsent: int
    """Overdue: all that may be in flight was in flight for as long as a client keeps a request, or nobody listened."""
    delivered: int
    """Arrived at the sink, each id counted once."""
    duplicated: int
    """Arrivals of ids that had arrived before."""
    dropped: int
    """Accepted, and rightly filtered or sampled out."""
    lost: int
    """Accepted, should have arrived, and never did."""
    wrongly_kept: int
    """Arrived, and should have been filtered or sampled out."""
    leaked: int
    """Requests at the sink in which a secret stood that the pipeline should have removed."""
    foreign: int
    """Arrivals with an id that was never sent: damaged spans."""
    unacknowledged: int = 0
    """Delivered, each id counted once, although the client was never told so: it will send them again."""


class Cost(Record, frozen=True):
    """Processor time of the subject's whole process tree, from the end of the warm-up until all had arrived."""

    user_seconds: float
    system_seconds: float
    spans: int
    """Accepted in that time."""
    us_per_span: float
    """User and system time for each of them, in microseconds: CPU-seconds per million spans."""


class Memory(Record, frozen=True):
    """Resident memory of the subject's whole process tree, sampled from outside."""

    idle: float
    """Ready, before the first span."""
    mean: float
    p95: float
    max: float
    variance: float
    """In MiB²."""
    slope: float
    """MiB a minute over the second half of the load, by the median of all slopes between samples (Theil-Sen)."""
    pss_max: float | None = None
    """Proportional set size, where the subject has several processes, which share pages."""


class Sample(Record, frozen=True):
    """A moment of a measurement."""

    t: float
    """Seconds since the load began; negative during the warm-up."""
    offered: float
    """Spans a second since the sample before; so are the next three."""
    accepted: float
    refused: float
    delivered: float
    rss: float
    cpu: float
    """Cores in use since the sample before."""


class Event(Record, frozen=True):
    """Something that the scenario did."""

    t: float
    what: str


class Finding(Record, frozen=True):
    """What is wrong with a subject, judged by the checks of the scenario."""

    check: str
    """A stable name: `lost`, `duplicated`, `wrongly_kept`, `leaked`, `foreign`, `memory`, `latency`, `goodput`,
    `cpu`."""
    message: str
    """A sentence with the figure and the limit."""


class Effort(Record, frozen=True):
    """How hard the testbed itself had to work, which decides whether the measurement is valid."""

    load_cores: float
    """Cores in use by the load generator."""
    sink_cores: float
    lag_p99: float
    """Milliseconds from when a request could have been sent to when it was."""


class Measurement(Record, frozen=True):
    """One subject under one load, once."""

    scenario: str
    subject: str
    pipeline: str
    profile: str
    settings: Literal["same", "recommended"]
    """Whether the subject runs with the semantics all subjects share, or as its makers recommend."""
    spans_per_request: int
    request_bytes: float
    """Mean size of a request before compression."""
    protocol: Literal["grpc", "http", "json", "grpc-tls", "http-tls"]
    compression: Literal["none", "gzip", "zstd"]
    connections: int
    in_flight: int
    """Bound on requests on the way, on all connections together."""
    round: int
    """Counts from 1. Subjects take turns: all have their first round before any has its second."""
    status: Status
    reason: str = ""
    """Why it is not `ok`."""
    log: list[str] = []
    """The subject's last lines, where it failed."""
    findings: list[Finding] = []
    seconds: float = 0.0
    """Of load, without warm-up and draining."""
    target_rate: float | None = None
    """Mean spans a second by the schedule; none in a closed loop."""
    capacity: float | None = None
    """Spans a second in a closed loop, measured just before, where the load goes by it."""
    accepted_rate: float = 0.0
    """Spans a second, acknowledged while the load lasted."""
    startup_seconds: float | None = None
    """From the start of the process until it answers a request."""
    drain_seconds: float | None = None
    """From the end of the load until the last span arrived."""
    spans: Spans | None = None
    cost: Cost | None = None
    memory: Memory | None = None
    acknowledgement: Latency | None = None
    """From the moment a request was due to its answer."""
    end_to_end: Latency | None = None
    """From the moment a span's request was due to its arrival at the sink."""
    answers: dict[str, int] = {}
    """Requests by how they were answered: a status name, `timeout`, `disconnected`."""
    effort: Effort | None = None
    series: list[Sample] = []
    events: list[Event] = []


class Subject(Record, frozen=True):
    """What was compared."""

    title: str
    version: str = ""
    absent: str = ""
    """Why it is not there; empty if it is."""


class Machine(Record, frozen=True):
    """Where it was measured."""

    processor: str
    cores: int
    memory: int
    """MiB."""
    system: str
    python: str
    pinning: str
    """Which cores the subject and the testbed had."""


class Calibration(Record, frozen=True):
    """What the same bytes cost a program that everybody can run: a yardstick for this machine on this day."""

    profile: str
    spans_per_request: int
    protobuf_us_per_span: float
    """Parsing the requests with Python's protobuf (upb)."""


class Result(Record, frozen=True):
    """A whole run."""

    name: str
    began: str
    """Time of day in ISO 8601, with the offset."""
    seconds: float
    command: list[str]
    """As a person would type it."""
    revision: str
    """Of the repository; `+` behind it says that there were changes on top."""
    machine: Machine
    subjects: dict[str, Subject]
    configurations: dict[str, str]
    """The files that configured the subjects, by their path in the repository."""
    calibrations: list[Calibration] = []
    measurements: list[Measurement] = []
    version: int = VERSION


def read(path: Path) -> Result:
    """Read a `result.json`, or the one in a directory.

    Raises `OSError`, and `msgspec.ValidationError` with the place.
    """
    file = path / "result.json" if path.is_dir() else path
    return msgspec.json.decode(file.read_bytes(), type=Result)


def write(result: Result, path: Path) -> None:
    """Write a `result.json`, wholly or not at all. Raises `OSError`."""
    draft = path.with_suffix(".draft")
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1))
    draft.replace(path)


def schema() -> dict[str, object]:
    """The JSON Schema of `result.json`."""
    return msgspec.json.schema(Result)
