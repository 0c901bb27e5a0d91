"""Rounds of a case put together: medians, ratios, and what does not count."""

from __future__ import annotations

from testbed_results import cost, measurement, nothing, result, spans

from testbed.report.grid import Case, Grid
from testbed.report.metrics import CPU, LOST
from testbed.results import Status, Subject


def rounds(subject: str, *costs: float, first: int = 1) -> list:
    return [measurement(subject, round=first + turn, cost=cost(us)) for turn, us in enumerate(costs)]


def groups(*measurements, **changes):
    grid = Grid(result(*measurements, **changes))
    return [grid.group(grid.cases[0], subject) for subject in ("spanmill", "gocollector")]


def test_a_figure_is_the_median_between_the_lowest_and_the_highest_round() -> None:
    """All three are kept, and how many rounds there were."""
    own, _ = groups(*rounds("spanmill", 3.0, 1.0, 1.5))

    figure = own.spread(CPU)

    assert (figure.median, figure.low, figure.high, figure.rounds) == (1.5, 1.0, 3.0, 3)


def test_a_ratio_pairs_equal_rounds() -> None:
    """Rounds 2 and 3 are in both: 4 / 2 and 9 / 3. The medians of all rounds would give 4 / 3."""
    own, peer = groups(*rounds("spanmill", 1.0, 4.0, 9.0), *rounds("gocollector", 2.0, 3.0, 100.0, first=2))

    assert own.ratio(CPU, peer) == 2.5


def test_a_ratio_leaves_out_rounds_that_do_not_count() -> None:
    """An invalid round of the peer takes its partner with it."""
    first, second = rounds("gocollector", 1.0, 2.0)
    invalid = measurement("gocollector", round=1, cost=first.cost, status=Status.INVALID, reason="late")
    own, peer = groups(*rounds("spanmill", 50.0, 4.0), invalid, second)

    assert own.ratio(CPU, peer) == 2.0


def test_there_is_no_ratio_without_a_common_round_or_to_nothing() -> None:
    """Neither a made-up pair nor a division by zero."""
    own, peer = groups(*rounds("spanmill", 1.0), *rounds("gocollector", 2.0, first=2))

    assert own.ratio(CPU, peer) is None
    assert own.ratio(LOST, own) is None


def test_the_typical_round_is_the_one_in_the_middle() -> None:
    """By cost, not by time."""
    own, _ = groups(*rounds("spanmill", 3.0, 1.0, 2.0))

    assert own.typical.round == 3


def test_a_subject_that_is_not_there_has_a_group_that_says_why() -> None:
    """And one that nobody has measured says that."""
    subjects = {"spanmill": Subject("Spanmill"), "gocollector": Subject("Go", absent="no build")}
    own, peer = groups(measurement(), subjects=subjects)

    assert own.troubles == []
    assert peer.troubles == ["absent: no build"]
    assert Grid(result(measurement())).row(Case.of(measurement()))[2].troubles == ["not measured"]


def test_troubles_name_their_rounds_and_one_failure_is_a_failed_group() -> None:
    """Rounds with the same reason are named together."""
    late = [nothing(measurement(round=turn), Status.INVALID, "late") for turn in (1, 2)]
    died = nothing(measurement(round=3), Status.FAILED, "died")
    own, _ = groups(measurement(round=4), died, *late)

    assert own.troubles == ["rounds 1, 2 invalid: late", "round 3 failed: died"]
    assert own.status == "failed"
    assert [it.round for it in own.valid] == [4]


def test_a_loss_in_one_round_of_three_is_in_the_spread() -> None:
    """The median is 0; the highest is not."""
    own, _ = groups(*(measurement(round=turn, spans=spans(100, lost=lost)) for turn, lost in ((1, 0), (2, 7), (3, 0))))

    figure = own.spread(LOST)

    assert (figure.median, figure.high) == (0, 7)
