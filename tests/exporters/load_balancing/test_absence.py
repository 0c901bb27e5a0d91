"""When a backend counts as away."""

from collector.config.types import Duration
from exporters.load_balancing.absence import Absence
from exporters.load_balancing.config import FailoverConfig

FAILOVER = FailoverConfig(after=Duration(10), retry_interval=Duration(5))


def test_is_away_once_nothing_got_through_for_long_enough() -> None:
    """A failure now and then is none."""
    absence = Absence(FAILOVER)
    absence.failed(0)
    assert not absence.is_away(9.9)
    absence.answered()
    absence.failed(8)
    assert not absence.is_away(17.9)
    assert not absence.is_away(18), "the first look is an attempt"
    assert absence.is_away(18.1)


def test_is_tried_now_and_then_and_back_with_the_first_answer() -> None:
    """One attempt in each interval goes to it."""
    absence = Absence(FAILOVER)
    absence.failed(0)
    looks = [absence.is_away(10 + tenth / 10) for tenth in range(100)]

    assert [index for index, away in enumerate(looks) if not away] == [0, 50]
    absence.answered()
    assert not absence.is_away(20)


def test_without_settings_nobody_is_ever_away() -> None:
    """A backend that is down keeps its share, as in the Go collector."""
    absence = Absence(None)
    absence.failed(0)

    assert not absence.is_away(1e9)
