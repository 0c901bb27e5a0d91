"""What is wrong: with the testbed, which makes a measurement invalid, and with the subject, which makes a finding."""

from __future__ import annotations

from collections.abc import Iterator

from testbed.measuring.pinning import Pinning
from testbed.results import Calibration, Effort, Finding, Measurement, Spans
from testbed.scenarios import Limits

LATE_MS = 50.0
"""A generator whose p99 is later than that does not offer what the schedule says."""
FULL = 0.95
"""Share of a core from which a process on it counts as at its limit."""


def invalid(effort: Effort, subject_cores: float, pinning: Pinning) -> str:
    """Why a measurement says nothing about the subject, or nothing if it does.

    Load generator and sink have a thread each. At their limit they are what is measured, unless the subject, too, has
    used up what it has.
    """
    if effort.lag_p99 > LATE_MS:
        return f"the load generator sent 1 % of the requests more than {effort.lag_p99:.0f} ms late"
    if subject_cores >= FULL * len(pinning.subject):
        return ""
    own = len(pinning.testbed)
    for who, cores in (("load generator", effort.load_cores), ("sink", effort.sink_cores)):
        if cores >= FULL:
            return f"the {who} was at its limit: {cores:.2f} of one core"
    if pinning.subject != pinning.testbed and (cores := effort.load_cores + effort.sink_cores) >= FULL * own:
        return f"load generator and sink were at their limit: {cores:.2f} of {own} cores"
    return ""


def findings(measurement: Measurement, limits: Limits) -> Iterator[Finding]:
    """What is wrong with the subject."""
    memory, latency = measurement.memory, measurement.acknowledgement
    if measurement.spans:
        yield from _of_spans(measurement, measurement.spans, limits)
    if memory and limits.growth is not None:
        grown = memory.slope / 60 * measurement.seconds / 2
        if grown > limits.growth:
            message = f"memory grew by {grown:.0f} MiB in the second half, more than {limits.growth:.0f}"
            yield Finding("memory", message)
    if memory and limits.swing is not None and memory.max > limits.swing * memory.mean:
        message = f"memory was {memory.max:.0f} MiB, more than {limits.swing:g} times its mean of {memory.mean:.0f}"
        yield Finding("memory", message)
    if latency and limits.p99_ms is not None and latency.p99 > limits.p99_ms:
        message = f"1 % of the requests were answered after more than {latency.p99:,.0f} ms, bound {limits.p99_ms:,.0f}"
        yield Finding("latency", message)


def _of_spans(measurement: Measurement, spans: Spans, limits: Limits) -> Iterator[Finding]:
    if spans.lost:
        yield Finding("lost", f"{spans.lost:,} of {spans.accepted:,} acknowledged spans never arrived")
    if spans.duplicated and not limits.duplicates:
        yield Finding("duplicated", f"{spans.duplicated:,} spans arrived again")
    if spans.wrongly_kept:
        yield Finding("wrongly_kept", f"{spans.wrongly_kept:,} spans arrived that should have been dropped")
    if spans.foreign:
        yield Finding("foreign", f"{spans.foreign:,} spans arrived with an id that was never sent")
    if spans.leaked:
        yield Finding("leaked", f"{spans.leaked:,} requests arrived with a secret that should have been removed")
    if limits.unacknowledged is not None:
        bound = limits.unacknowledged * measurement.in_flight * measurement.spans_per_request
        if spans.unacknowledged > bound:
            message = f"{spans.unacknowledged:,} spans arrived that nobody acknowledged, more than {bound:,}"
            yield Finding("unacknowledged", message)
    if limits.repeated is not None:
        bound = limits.repeated * measurement.in_flight * measurement.spans_per_request
        if spans.duplicated > bound:
            yield Finding("duplicated", f"{spans.duplicated:,} spans arrived again, more than {bound:,}")
    if spans.offered and (share := spans.accepted / spans.offered) < limits.accepted:
        yield Finding("goodput", f"{share:.1%} of the offered spans were accepted, less than {limits.accepted:.0%}")
    if measurement.capacity and (share := measurement.accepted_rate / measurement.capacity) < limits.goodput:
        message = f"under overload it accepted {share:.0%} of its capacity, less than {limits.goodput:.0%}"
        yield Finding("goodput", message)


def dear(measurement: Measurement, calibration: Calibration, limit: float) -> Finding | None:
    """A finding if a span costs more than `limit` times what parsing it with Python's protobuf costs here."""
    if not measurement.cost:
        return None
    ratio = measurement.cost.us_per_span / calibration.protobuf_us_per_span
    if ratio <= limit:
        return None
    return Finding("cpu", f"a span costs {ratio:.1f} times what parsing it with protobuf costs, more than {limit:g}")
