"""Durations, as Go writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.config.types import Duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("200ms", 0.2), ("1h30m", 5400), ("1.5s", 1.5), ("-1s", -1), ("0", 0), (".5m", 30), ("2us", 2e-6), ("+3s", 3)],
)
def test_reads_what_go_writes(text: str, seconds: float) -> None:
    """Units from nanoseconds to hours, several in a row."""
    assert Duration.decode(text) == pytest.approx(seconds)


@pytest.mark.parametrize("value", ["", "5", "s", "1 s", "1d", "--1s", "1s ", "1m2", "+", "٣s", 5, 1.5, True, None, []])
def test_refuses_what_go_refuses_and_numbers_without_unit(value: object) -> None:
    """A bare number would be nanoseconds to the Go collector, which nobody means."""
    with pytest.raises(ValueError, match="must be a duration such as 200ms or 5s"):
        Duration.decode(value)


def test_a_bare_zero_is_a_duration() -> None:
    """Zero is the same in every unit."""
    assert Duration.decode(0) == Duration(0)


@given(st.integers(0, 10**7), st.sampled_from(["ms", "s", "m", "h"]))
def test_what_it_writes_it_reads(count: int, unit: str) -> None:
    """The shortest notation stands for the same time."""
    duration = Duration.parse(f"{count}{unit}")

    assert Duration.parse(str(duration)) == pytest.approx(duration)
