"""Where we lose: exactly the cells in which a peer is better."""

from __future__ import annotations

import pytest
from testbed_results import cost, full, latency, measurement, memory, nothing, result, spans

from testbed.report import tables
from testbed.report.document import Items, Table, Text
from testbed.report.grid import Grid
from testbed.report.markdown import markdown
from testbed.report.standing import losses
from testbed.report.summary import losing, summary
from testbed.results import Finding, Status


def lost(*measurements) -> set[tuple[str, str]]:
    return {(cell.metric.title, cell.peer.subject) for cell in losses(Grid(result(*measurements)))}


def test_nothing_is_lost_among_equals() -> None:
    """And the page says so."""
    grid = Grid(result(measurement(), measurement("gocollector"), measurement("rotel")))

    [said] = losing(grid)

    assert losses(grid) == []
    assert isinstance(said, Text)
    assert said.text.startswith("Spanmill is not worse than any other subject")


@pytest.mark.parametrize(
    ("changes", "title"),
    [
        ({"cost": cost(1.6)}, "CPU per span"),
        ({"accepted_rate": 410_000.0}, "Accepted"),
        ({"memory": memory(57)}, "Peak RSS"),
        ({"acknowledgement": latency(2.0)}, "Acknowledgement p99"),
        ({"end_to_end": latency(100.0, 1.3)}, "End-to-end p50"),
        ({"startup_seconds": 0.1}, "Startup"),
        ({"drain_seconds": 0.1}, "Drain"),
    ],
)
def test_a_peer_that_is_better_is_named(changes: dict[str, object], title: str) -> None:
    """The other peer, who is our equal, is not."""
    found = lost(measurement(), measurement("gocollector", **changes), measurement("rotel"))

    assert (title, "gocollector") in found
    assert {subject for _, subject in found} == {"gocollector"}


@pytest.mark.parametrize("changes", [{"cost": cost(1.8)}, {"accepted_rate": 390_000.0}, {"cost": cost(1.7 * 0.999)}])
def test_a_peer_that_is_worse_or_equal_in_print_is_not_named(changes: dict[str, object]) -> None:
    """What rounds to 1.00 is no loss."""
    assert lost(measurement(), measurement("gocollector", **changes)) == set()


@pytest.mark.parametrize("field", ["lost", "wrongly_kept", "leaked", "foreign", "duplicated", "unanswered"])
def test_one_bad_round_of_three_is_a_loss(field: str) -> None:
    """Although the median is 0."""
    own = [measurement(round=turn, spans=spans(100, **{field: int(turn == 2)})) for turn in (1, 2, 3)]
    peer = [measurement("gocollector", round=turn, spans=spans(100)) for turn in (1, 2, 3)]

    assert lost(*own, *peer) == {(field.replace("_", " ").capitalize(), "gocollector")}


def test_a_loss_within_the_spread_of_the_rounds_says_so() -> None:
    """It is listed all the same."""
    own = [measurement(round=turn, cost=cost(us)) for turn, us in ((1, 1.0), (2, 2.0), (3, 2.2))]
    peer = [measurement("gocollector", round=turn, cost=cost(us)) for turn, us in ((1, 1.1), (2, 1.5), (3, 2.1))]

    [cell] = losses(Grid(result(*own, *peer)))

    assert cell.ratio == pytest.approx(2.2 / 2.1)
    assert cell.within_spread


def test_the_table_has_a_row_for_each_loss_with_both_figures() -> None:
    """The ratio is there, too."""
    grid = Grid(result(measurement(cost=cost(3.0)), measurement("gocollector", cost=cost(2.0)), measurement("rotel")))

    _, table = losing(grid)

    assert isinstance(table, Table)
    assert [row[1:6] for row in table.rows] == [
        ["CPU per span, µs", "Go collector", "3.00", "2.00", "1.50x"],
        ["CPU per span, µs", "Rotel", "3.00", "1.70", "1.76x"],
    ]


def test_what_is_taken_before_any_load_is_one_row() -> None:
    """Starting up is the same in all cases: the worst of them stands for all."""
    own = [measurement(spans_per_request=size, startup_seconds=taken) for size, taken in ((512, 0.3), (10, 0.4))]
    peer = [measurement("gocollector", spans_per_request=size, startup_seconds=0.1) for size in (512, 10)]

    _, table = losing(Grid(result(*own, *peer)))

    assert isinstance(table, Table)
    [row] = [row for row in table.rows if row[1] == "Startup, s"]
    assert row[3:] == ["0.400", "0.100", "4.00x", "before any load: the worst of 2 cases"]


def test_our_failure_and_our_finding_are_losses_where_a_peer_has_none() -> None:
    """A row without figures is not a way out."""
    failed = nothing(measurement(), Status.FAILED, "did not start")
    grid = Grid(result(failed, measurement("gocollector")))
    *_, items = losing(grid)
    assert isinstance(items, Items)
    assert items.texts == ["512 spans a request, beside Go collector: failed: did not start"]

    found = measurement(findings=[Finding("memory", "grew by 5 MiB a minute")])
    *_, items = losing(Grid(result(found, measurement("gocollector"))))
    assert isinstance(items, Items)
    assert items.texts == ["512 spans a request, beside Go collector: round 1, memory: grew by 5 MiB a minute"]


def test_a_peer_without_figures_is_no_reason() -> None:
    """Nobody lost to somebody who was not there."""
    grid = Grid(result(measurement(), nothing(measurement("gocollector"), Status.FAILED, "died")))

    assert len(losing(grid)) == 1


def test_the_whole_table_is_what_a_reader_would_find_in_the_comparison() -> None:
    """In the sample, cell by cell: whoever has the ratio on the wrong side is in the list."""
    grid = Grid(full())
    metric = next(cell.metric for cell in losses(grid) if cell.metric.title == "CPU per span")
    table = tables.comparison(grid, grid.of("saturation"), metric)
    wrong = sum(float(text[:-1]) > 1 for row in table.rows for text in row[-2:] if text != "-")

    found = [cell for cell in losses(grid) if cell.metric is metric and cell.own.case.scenario == "saturation"]

    assert wrong > 0
    assert len(found) == wrong


def test_the_summary_counts_what_was_lost_before_a_subject_died() -> None:
    """A failed round has no figures that count, but its lost spans are lost."""
    died = measurement(status=Status.FAILED, reason="exited with 1", spans=spans(100, lost=42))

    text = markdown(summary(Grid(result(died, measurement("gocollector")))))

    assert "| saturation | Spanmill | 0 of 1 | 42 |" in text
