"""One subject under one load, once: from its start to its end."""

from __future__ import annotations

import errno
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from testbed.measuring.driving import Driver, Watch
from testbed.measuring.engine import Event
from testbed.measuring.errors import AbsentError, PortTakenError, SubjectError, TestbedError
from testbed.measuring.judging import findings, invalid
from testbed.measuring.pinning import Pinning
from testbed.measuring.request import LoadSpec, Requests
from testbed.measuring.series import memory, series
from testbed.measuring.stage import stage
from testbed.measuring.usage import Reading
from testbed.results import Cost, Effort, Latency, Measurement, Spans, Status
from testbed.scenarios import Step
from testbed.subjects import DIRECT
from testbed.subjects.base import Subject

PORTS = 3
"""Attempts at finding free ports."""
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
"""What the machine runs out of."""


def measure(
    subject: Subject | None, spec: LoadSpec, requests: Requests, pinning: Pinning, *, round: int, watch: Watch
) -> Measurement:
    """Put a load on a subject; without one, on the sink itself. What goes wrong stands in the measurement."""
    blank = Measurement(
        scenario=spec.scenario.name,
        subject=subject.name if subject else DIRECT,
        pipeline=spec.pipeline.name,
        profile=spec.profile.name,
        settings=spec.settings,
        spans_per_request=spec.spans_per_request,
        request_bytes=_short(requests.mean_size),
        protocol=spec.protocol,
        compression=spec.compression,
        connections=spec.connections,
        in_flight=spec.connections * spec.in_flight,
        round=round,
        status=Status.OK,
    )

    def without(status: Status, error: Exception) -> Measurement:
        log = error.log if isinstance(error, SubjectError) else []
        return msgspec.structs.replace(blank, status=status, reason=str(error), log=log)

    for _ in range(PORTS):
        try:
            with tempfile.TemporaryDirectory(prefix="spanmill-testbed-") as directory:
                return _measure(blank, subject, spec, requests, pinning=pinning, directory=Path(directory), watch=watch)
        except PortTakenError as error:
            last = error
        except AbsentError as error:
            return without(Status.ABSENT, error)
        except SubjectError as error:
            return without(Status.FAILED, error)
        except TestbedError as error:
            return without(Status.INVALID, error)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            return without(Status.INVALID, TestbedError(f"this machine has run out of something: {error.strerror}"))
    return without(Status.INVALID, last)


def _measure(
    blank: Measurement,
    subject: Subject | None,
    spec: LoadSpec,
    requests: Requests,
    *,
    pinning: Pinning,
    directory: Path,
    watch: Watch,
) -> Measurement:
    with stage(subject, spec, requests, pinning, directory) as on_stage:
        driver = Driver(on_stage, spec, watch)
        capacity, before = driver.warm_up()
        steps = spec.steps(capacity)
        first = on_stage.read()
        begun, over = driver.drive(steps, spec.scenario.actions)
        during = on_stage.read()
        done = driver.drain()
        last = on_stage.read()
        verdict = driver.judge()

    closed = any(step.rate is None for step in steps)
    seconds = sum(step.seconds for step in steps)
    load_cores, sink_cores, *subject_cores = map(_cores, first, during)
    lag = done["run"]["lag"]
    effort = Effort(_short(load_cores), _short(sink_cores), 0.0 if closed or not lag else lag["p99"])
    result = msgspec.structs.replace(
        blank,
        seconds=_short(seconds),
        target_rate=None if closed else _short(_mean_rate(steps)),
        capacity=_short(capacity) if capacity else None,
        accepted_rate=_short((over["totals"]["accepted"] - before["accepted"]) / seconds),
        drain_seconds=_short(max(0.0, verdict["last"] - over["t"])),
        spans=_spans(done, verdict),
        acknowledgement=_latency(done["run"]["latency"]),
        end_to_end=_latency(verdict["latency"]),
        answers=done["run"]["answers"],
        effort=effort,
        events=[
            msgspec.structs.replace(happening, t=_short(happening.t - begun["t"])) for happening in driver.happenings
        ],
    )
    if observed := on_stage.subject:
        readings = observed.usage.readings
        result = msgspec.structs.replace(
            result,
            startup_seconds=_short(observed.startup),
            cost=_cost(first[-1], last[-1], done["totals"]["accepted"] - before["accepted"]),
            memory=memory(observed.idle, [it for it in readings if it.t >= first[-1].t], begun["t"], over["t"]),
            series=series(begun["t"], on_stage.load.progress, on_stage.sink.progress, readings),
        )
    # The sink as its own subject is there to be driven to the limit.
    if reason := invalid(effort, subject_cores[0] if subject_cores else math.inf, pinning):
        return msgspec.structs.replace(result, status=Status.INVALID, reason=reason)
    return msgspec.structs.replace(result, findings=list(findings(result, spec.scenario.limits)))


def _short(value: float) -> float:
    """Keep what is worth reading."""
    return round(value, 3)


def _cores(before: Reading, after: Reading) -> float:
    return (after.cpu - before.cpu) / (after.t - before.t)


def _cost(before: Reading, after: Reading, spans: int) -> Cost:
    return Cost(
        user_seconds=_short(after.user - before.user),
        system_seconds=_short(after.system - before.system),
        spans=spans,
        us_per_span=round(1e6 * (after.cpu - before.cpu) / max(spans, 1), 4),
    )


def _mean_rate(steps: Sequence[Step]) -> float:
    return sum(step.seconds * (step.rate or 0.0) for step in steps) / sum(step.seconds for step in steps)


def _latency(summary: Event | None) -> Latency | None:
    return msgspec.convert(summary, Latency) if summary else None


def _spans(done: Event, verdict: Event) -> Spans:
    totals, judged, counts = done["totals"], verdict["verdict"], verdict["counts"]
    spans = Spans(**totals, **judged, duplicated=counts["duplicated"], leaked=counts["leaked"])
    if spans.offered != spans.accepted + spans.refused + spans.unanswered + spans.unsent:
        raise TestbedError(f"the load generator lost count: {spans}")
    return spans
