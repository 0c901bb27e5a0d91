"""What makes a measurement invalid, and what makes a finding: tables of figures and verdicts."""

import msgspec
import pytest
from testbed_results import latency, measurement, spans

from testbed.measuring.judging import dear, findings, invalid
from testbed.measuring.pinning import Pinning, pinning
from testbed.results import Calibration, Cost, Effort, Memory
from testbed.scenarios import Limits

SPLIT = Pinning(frozenset({0}), frozenset({1}))
SHARED = pinning("none", frozenset({0, 1}))

GOOD = measurement(
    seconds=60.0,
    accepted_rate=900.0,
    capacity=1000.0,
    spans=spans(1000),
    memory=Memory(idle=10, mean=20, p95=30, max=40, variance=1, slope=10),
    cost=Cost(1.0, 1.0, 1000, 4.0),
)


@pytest.mark.parametrize(
    ("load", "sink", "lag", "subject", "cores", "words"),
    [
        (0.4, 0.4, 1.0, 0.9, SPLIT, ""),
        (0.4, 0.4, 80.0, 0.9, SPLIT, "80 ms late"),
        (0.97, 0.1, 1.0, 0.5, SHARED, "the load generator was at its limit"),
        (0.1, 0.97, 1.0, 0.5, SHARED, "the sink was at its limit"),
        (0.5, 0.47, 1.0, 0.5, SPLIT, "load generator and sink were at their limit"),
        (0.5, 0.47, 1.0, 0.98, SPLIT, ""),
        (0.5, 0.47, 1.0, 0.5, SHARED, ""),
    ],
)
def test_the_testbeds_limits_are_not_the_subjects(  # noqa: PLR0917
    load: float, sink: float, lag: float, subject: float, cores: Pinning, words: str
) -> None:
    """Where generator or sink had no time left and the subject had, the figures are not the subject's."""
    reason = invalid(Effort(load, sink, lag), subject, cores)

    assert words in reason
    assert bool(reason) == bool(words)


@pytest.mark.parametrize(
    ("change", "limits", "check"),
    [
        ({}, Limits(), None),
        ({"spans": spans(1000, lost=1)}, Limits(), "lost"),
        ({"spans": spans(1000, duplicated=1)}, Limits(), "duplicated"),
        ({"spans": spans(1000, duplicated=1)}, Limits(duplicates=True), None),
        ({"spans": spans(1000, wrongly_kept=1)}, Limits(duplicates=True), "wrongly_kept"),
        ({"spans": spans(1000, foreign=1)}, Limits(duplicates=True), "foreign"),
        ({"spans": spans(1000, leaked=1)}, Limits(duplicates=True), "leaked"),
        ({"spans": spans(1000, unacknowledged=1000)}, Limits(), None),
        ({"spans": spans(1000, unacknowledged=1000)}, Limits(unacknowledged=0), "unacknowledged"),
        ({"spans": spans(1000, unacknowledged=1000)}, Limits(unacknowledged=20), None),
        ({"spans": spans(1000, accepted=980)}, Limits(), "goodput"),
        ({"spans": spans(1000, accepted=980)}, Limits(accepted=0.9), None),
        ({"accepted_rate": 600.0}, Limits(goodput=0.7), "goodput"),
        ({}, Limits(goodput=0.7), None),
        ({}, Limits(growth=4.0), "memory"),
        ({}, Limits(growth=6.0), None),
        ({}, Limits(swing=1.9), "memory"),
        ({}, Limits(swing=2.0), None),
        ({"acknowledgement": latency(500.0)}, Limits(), "latency"),
        ({"acknowledgement": latency(500.0)}, Limits(p99_ms=None), None),
    ],
)
def test_findings(change: dict[str, object], limits: Limits, check: str | None) -> None:
    """Each limit has its check, and what is within it is no finding."""
    found = list(findings(msgspec.structs.replace(GOOD, **change), limits))

    assert [finding.check for finding in found] == ([check] if check else [])


def test_processor_time_is_judged_in_units_of_the_calibration() -> None:
    """A span of 4 µs where protobuf takes half of one costs eight times as much."""
    calibration = Calibration("http", 100, 0.5)

    assert dear(GOOD, calibration, 8.5) is None
    finding = dear(GOOD, calibration, 7.5)
    assert finding
    assert "8.0 times" in finding.message


def test_halves_of_the_cores() -> None:
    """Subject and testbed have different cores if there are two."""
    assert pinning("split", frozenset({3, 5, 7})) == Pinning(frozenset({3}), frozenset({5, 7}))
    assert pinning("split", frozenset({3})) == Pinning(frozenset({3}), frozenset({3}))
    assert str(pinning("split", frozenset({0, 1}))) == "subject on cores 0, load and sink on 1"
