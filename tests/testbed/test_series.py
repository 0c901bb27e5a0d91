"""Rates, memory and its trend, from counts and samples."""

import random

import pytest

from testbed.measuring.series import memory, series, trend
from testbed.measuring.usage import Reading
from testbed.scenarios import SCENARIOS


def _readings(*rss: float) -> list[Reading]:
    return [Reading(100 + 0.25 * at, 0.2 * at, 0.05 * at, value, None) for at, value in enumerate(rss)]


def test_counts_become_rates() -> None:
    """What is reported at odd moments is a rate between the even ones."""
    load = [
        {"t": t, "totals": {"offered": 1000 * (t - 100), "accepted": 500 * (t - 100), "refused": 0}}
        for t in (100.0, 100.13, 100.41, 100.77, 101.2)
    ]
    sink = [{"t": t, "counts": {"delivered": 250 * (t - 100)}} for t in (100.0, 100.3, 101.1)]

    samples = series(100.5, load, sink, _readings(10, 10, 20, 30, 30))

    assert [sample.t for sample in samples] == [-0.25, 0.0, 0.25, 0.5]
    assert [sample.rss for sample in samples] == [10, 20, 30, 30]
    for sample in samples:
        assert (sample.offered, sample.accepted, sample.delivered) == pytest.approx((1000, 500, 250))
        assert sample.cpu == pytest.approx(1.0)


def test_a_trend_is_not_moved_by_outliers() -> None:
    """A steady rise with spikes in a tenth of the samples is the steady rise."""
    chance = random.Random(1)
    points = [(t / 10, 3.0 * t / 10 + (200 if chance.random() < 0.1 else 0)) for t in range(400)]

    assert trend(points) == pytest.approx(3.0, rel=0.02)
    assert trend([]) == trend([(1.0, 5.0)]) == 0.0


def test_memory_looks_at_the_second_half_for_its_trend() -> None:
    """A collector that fills its queues first and then stays as it is does not grow."""
    readings = _readings(*range(10, 50), *([50] * 40))

    found = memory(8.0, readings, readings[0].t, readings[-1].t)

    assert found.slope == 0.0
    assert (found.idle, found.max, found.p95, found.pss_max) == (8.0, 50, 50, None)


def test_bursts_are_ten_times_the_rest_for_five_seconds_of_fifteen() -> None:
    """The shape is the same in every period."""
    steps = SCENARIOS["burst"].shape(100.0, 45.0)

    assert [step.rate for step in steps] == [100, 1000, 100] * 3
    assert all(step.seconds == 5 for step in steps)


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_lasts_as_long_as_it_says(name: str) -> None:
    """The shape fills the time, and what happens meanwhile lies in it, in order."""
    scenario = SCENARIOS[name]

    steps = scenario.shape(scenario.rate, scenario.seconds)

    assert sum(step.seconds for step in steps) == pytest.approx(scenario.seconds)
    moments = [action.at for action in scenario.actions]
    assert moments == sorted(moments)
    assert all(0 < at < 1 for at in moments)
