"""Whether and when a failed attempt is repeated: exponential backoff with jitter, within a budget.

The decision is told everything, the time and the dice included, and remembers nothing.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from collector.errors import RetryableError
from collector.sending.config import RetryConfig

_LARGEST_EXPONENT = 1000
"""Enough for any multiplier to reach `max_interval`, and small enough for a float."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Decides by the settings of `retry_on_failure`."""

    config: RetryConfig
    dice: Callable[[], float] = random.random
    """Gives a number from 0 to 1, excluded."""

    def wait(self, attempts: int, error: RetryableError, elapsed: float) -> float | None:
        """Say how many seconds to wait before the next attempt, or `None` to give up.

        `attempts` have failed so far, the last one with `error`, `elapsed` seconds after the first began.
        """
        if not self.config.enabled:
            return None
        wait = max(self._backoff(attempts), error.retry_after or 0.0)
        budget = self.config.max_elapsed_time
        return None if 0 < budget < elapsed + wait else wait

    def _backoff(self, attempts: int) -> float:
        config = self.config
        try:
            grown = config.initial_interval * config.multiplier ** min(attempts - 1, _LARGEST_EXPONENT)
        except OverflowError:
            grown = config.max_interval
        interval = min(grown, config.max_interval)
        return interval * (1 + config.randomization_factor * (2 * self.dice() - 1))
