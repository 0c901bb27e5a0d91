"""When a backend counts as away."""

from collector.config.types import Duration
from exporters.load_balancing.absence import Absence
from exporters.load_balancing.config import FailoverConfig

FAILOVER = FailoverConfig(after=Duration(10), retry_interval=Duration(5))


def test_is_away_once_nothing_got_through_for_long_enough() -> None:
    """A failure now and then is none."""
    absence = Absence(FAILOVER)
    absence.tried(0)
    absence.failed(0)
    assert not absence.is_away(9.9)
    absence.answered()
    absence.tried(8)
    absence.failed(8)
    absence.tried(17.9)
    absence.failed(17.9)
    assert not absence.is_away(17.9)
    assert absence.is_away(18)


def test_is_tried_now_and_then_and_back_with_the_first_answer() -> None:
    """In each interval one batch goes to it, if there is one that has something for it."""
    absence = Absence(FAILOVER)
    absence.failed(0)
    absence.tried(10)
    assert absence.is_away(14.9)
    assert not absence.is_away(15)
    assert not absence.is_away(16), "there was nothing for it"
    absence.tried(16)
    assert absence.is_away(20.9)
    absence.answered()
    assert not absence.is_away(17)


def test_without_settings_nobody_is_ever_away() -> None:
    """A backend that is down keeps its share, as in the Go collector."""
    absence = Absence(None)
    absence.failed(0)

    assert not absence.is_away(1e9)
