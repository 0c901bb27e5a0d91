"""When a failed attempt is repeated."""

import pytest

from collector.config.types import Duration
from collector.errors import RetryableError
from collector.sending.config import RetryConfig
from collector.sending.retry import RetryPolicy

ERROR = RetryableError("away")


def policy(dice: float = 0.5, **options: object) -> RetryPolicy:
    return RetryPolicy(RetryConfig(**options), lambda: dice)  # type: ignore[arg-type]


def test_waits_grow_to_the_maximum() -> None:
    """Each wait is `multiplier` times the one before, up to `max_interval`."""
    waits = [policy().wait(attempts, ERROR, 0.0) for attempts in (1, 2, 3, 6, 10_000)]

    assert waits == [5.0, 7.5, 11.25, 30.0, 30.0]


def test_a_multiplier_below_one_shrinks() -> None:
    """Nothing forbids it, and it must not fail."""
    assert policy(multiplier=0.5).wait(3, ERROR, 0.0) == 1.25
    assert policy(multiplier=1e300).wait(50, ERROR, 0.0) == 30.0


@pytest.mark.parametrize(("dice", "wait"), [(0.0, 2.5), (0.5, 5.0), (1.0, 7.5)])
def test_waits_are_spread(dice: float, wait: float) -> None:
    """A wait lies within `randomization_factor` of the computed one."""
    assert policy(dice).wait(1, ERROR, 0.0) == wait


def test_the_backend_may_ask_for_more() -> None:
    """A delay the backend asked for is the least wait, not the wait."""
    assert policy().wait(1, RetryableError("slow down", retry_after=12.0), 0.0) == 12.0
    assert policy().wait(1, RetryableError("slow down", retry_after=1.0), 0.0) == 5.0


def test_gives_up_when_the_budget_would_be_exceeded() -> None:
    """It is given up before the wait that would end too late."""
    assert policy().wait(1, ERROR, 295.0) == 5.0
    assert policy().wait(1, ERROR, 295.1) is None
    assert policy().wait(1, RetryableError("", retry_after=301.0), 0.0) is None


def test_a_budget_of_zero_is_endless() -> None:
    """`max_elapsed_time: 0` never gives up."""
    assert policy(max_elapsed_time=Duration(0)).wait(1, ERROR, 1e9) == 5.0


def test_switched_off() -> None:
    """With `enabled: false` nothing is repeated."""
    assert policy(enabled=False).wait(1, ERROR, 0.0) is None
