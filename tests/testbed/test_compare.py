"""Two runs beside each other: bands, spreads, and groups that vanish."""

from __future__ import annotations

import msgspec
import pytest
from testbed_results import cost, full, latency, measurement, memory, nothing, result, spans

from testbed.compare import CALIBRATED, Bands, Difference, Verdict, compare, table
from testbed.results import Calibration, Measurement, Status


def verdicts(before: list[Measurement], after: list[Measurement], **changes: object) -> dict[str, Verdict]:
    """What is not unchanged, by figure."""
    found = compare(result(*before, **changes), result(*after, **changes))
    return {it.figure: it.verdict for it in found if it.verdict is not Verdict.UNCHANGED}


def costs(*values: float) -> list[Measurement]:
    return [measurement(round=turn, cost=cost(us)) for turn, us in enumerate(values, 1)]


def test_a_run_is_like_itself() -> None:
    """Every group has its rows, and none of them changed."""
    found = compare(full(), full())

    assert {it.verdict for it in found} == {Verdict.UNCHANGED}
    assert {it.subject for it in found} == {"spanmill", "gocollector", "rotel"}


@pytest.mark.parametrize(
    ("changes", "figure"),
    [
        ({"accepted_rate": 300_000.0}, "Accepted, spans/s"),
        ({"memory": memory(80)}, "Peak RSS, MiB"),
        ({"startup_seconds": 0.9}, "Startup, s"),
        ({"cost": cost(2.1)}, CALIBRATED),
    ],
)
def test_what_became_worse_is_a_regression_and_the_way_back_an_improvement(
    changes: dict[str, object], figure: str
) -> None:
    """Whichever way is worse."""
    good, bad = [measurement()], [measurement(**changes)]

    assert verdicts(good, bad) == {figure: Verdict.REGRESSION}
    assert verdicts(bad, good) == {figure: Verdict.IMPROVEMENT}


def test_latencies_are_compared() -> None:
    """Both percentiles of the acknowledgement, and the end-to-end tail."""
    slow = [measurement(acknowledgement=latency(6.0), end_to_end=latency(240.0, 1.3))]

    assert set(verdicts([measurement()], slow)) == {
        "Acknowledgement p50, ms",
        "Acknowledgement p99, ms",
        "End-to-end p99, ms",
    }


def test_within_the_band_nothing_changed() -> None:
    """A seventh is noise, a sixth is not, and the band can be set."""
    before, after = result(*costs(1.0)), result(*costs(1.14))

    assert not [it for it in compare(before, after) if it.verdict is not Verdict.UNCHANGED]
    assert [it.figure for it in compare(before, after, Bands(cpu=0.1)) if it.verdict is Verdict.REGRESSION] == [
        CALIBRATED
    ]
    assert verdicts(costs(1.0), costs(1.17)) == {CALIBRATED: Verdict.REGRESSION}


def test_within_the_spread_of_the_rounds_before_nothing_changed() -> None:
    """A round before was as bad as that, so it proves nothing; and the row says so."""
    before, after = costs(1.0, 1.0, 1.5), costs(1.4, 1.4, 1.4)

    assert verdicts(before, after) == {}
    assert verdicts(before, costs(1.6, 1.6, 1.6)) == {CALIBRATED: Verdict.REGRESSION}
    [note] = [it.note for it in compare(result(*before), result(*after)) if it.figure == CALIBRATED]
    assert note == "within what the rounds before differ by"


@pytest.mark.parametrize(
    ("field", "figure"),
    [
        ("lost", "Lost, spans"),
        ("wrongly_kept", "Wrongly kept, spans"),
        ("leaked", "Leaked, spans"),
        ("foreign", "Foreign, spans"),
    ],
)
def test_the_first_fault_is_a_regression(field: str, figure: str) -> None:
    """One span in one round of three, where the median is 0."""
    clean = [measurement(round=turn, spans=spans(100)) for turn in (1, 2, 3)]
    faulty = [measurement(round=turn, spans=spans(100, **{field: int(turn == 3)})) for turn in (1, 2, 3)]

    assert verdicts(clean, faulty) == {figure: Verdict.REGRESSION}
    assert verdicts(faulty, clean) == {figure: Verdict.IMPROVEMENT}


def test_more_duplicates_are_a_regression_beyond_their_band() -> None:
    """From none to some is beyond any band."""
    none, some, more = ([measurement(spans=spans(1000, duplicated=count))] for count in (0, 100, 140))

    assert verdicts(none, some) == {"Duplicated, spans": Verdict.REGRESSION}
    assert verdicts(some, more) == {}


@pytest.mark.parametrize(
    "after",
    [
        [],
        [nothing(measurement(), Status.FAILED, "died")],
        [nothing(measurement(), Status.INVALID, "late")],
        [nothing(measurement(), Status.ABSENT, "gone")],
        [measurement(), nothing(measurement(round=2), Status.FAILED, "died")],
    ],
)
def test_a_group_that_vanished_or_failed_is_a_regression(after: list[Measurement]) -> None:
    """Even if another subject is still there, or another round was well."""
    other = measurement("gocollector")

    assert verdicts([measurement(), other], [*after, other]) == {"status": Verdict.REGRESSION}


def test_a_group_that_recovered_is_an_improvement_and_another_is_new() -> None:
    """Neither is silent."""
    failed = nothing(measurement(), Status.FAILED, "died")

    assert verdicts([failed], [measurement()]) == {"status": Verdict.IMPROVEMENT}
    assert verdicts([], [measurement()]) == {"status": Verdict.NEW}


def test_a_figure_that_is_not_measured_any_more_is_a_regression() -> None:
    """Nothing arrived at the sink, so there is no latency."""
    assert verdicts([measurement()], [measurement(end_to_end=None)]) == {"End-to-end p99, ms": Verdict.REGRESSION}


def test_a_slower_machine_is_taken_out_of_the_processor_time() -> None:
    """Everything costs twice as much, the yardstick too."""
    before = result(*costs(2.0), calibrations=[Calibration("llm", 512, 0.5)])
    after = result(*costs(4.0), calibrations=[Calibration("llm", 512, 1.0)])

    [difference] = [it for it in compare(before, after) if it.figure == CALIBRATED]

    assert (difference.before, difference.after, difference.change) == ("4.00", "4.00", 0.0)
    assert "Processor time was divided by" in table([difference])


def test_without_a_calibration_in_both_the_processor_time_is_as_measured() -> None:
    """And the table says that."""
    before = result(*costs(2.0), calibrations=[Calibration("llm", 512, 0.5)])
    after = result(*costs(4.0), calibrations=[Calibration("llm", 100, 1.0)])

    [difference] = [it for it in compare(before, after) if it.figure == "CPU per span, µs"]

    assert difference.verdict is Verdict.REGRESSION
    assert "as measured" in table([difference])


def test_the_table_begins_with_what_is_worst() -> None:
    """And ends with how many there are of each."""
    before = result(measurement(), measurement("gocollector"))
    after = result(measurement(cost=cost(3.4)), measurement("gocollector", cost=cost(0.85)))

    lines = table(compare(before, after)).splitlines()

    assert lines[1].split()[:2] == ["regression", "spanmill"]
    assert "+100%" in lines[1]
    assert lines[2].split()[:2] == ["improvement", "gocollector"]
    assert "1 regression, 1 improvement, 24 unchanged, 0 new." in lines


def test_a_group_is_told_from_others_by_everything_it_ran_with() -> None:
    """Another compression is another group: one vanished, one is new."""
    plain = measurement()
    zipped = msgspec.structs.replace(plain, compression="gzip")

    found: list[Difference] = compare(result(plain), result(zipped))

    assert [(it.case.compression, it.verdict) for it in found] == [
        ("none", Verdict.REGRESSION),
        ("gzip", Verdict.NEW),
    ]
