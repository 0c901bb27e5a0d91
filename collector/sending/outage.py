"""Whether the backend is away, seen from what attempts came to.

Two things follow from it. An outage is said once, and once more when it is over, instead of once for each batch. And
while nothing gets through, batches that were not tried yet stay in the queue: their `max_elapsed_time` begins with the
first attempt, so that trying them all would use up the patience with all of them at once.
"""

from __future__ import annotations

from dataclasses import dataclass

_ANNOUNCE_EVERY = 10.0
"""Seconds. A backend that is away every other second is announced no more often than this."""

_PROBE_EVERY = 30.0
"""Seconds. How often an untried batch is tried during an outage, in case only the waiting ones are refused."""


@dataclass(slots=True)
class Recovery:
    """What an announced outage cost."""

    failures: int
    seconds: float


class Outage:
    """Follows attempts of one exporter. Times are seconds of any steady clock."""

    def __init__(self, patience: int) -> None:
        """After `patience` failures in a row, and with as many batches begun, nothing new is tried."""
        self._patience = patience
        self._failures = 0
        self._since = 0.0
        self._announced = False
        self._quiet_until = float("-inf")
        self._probed_at = float("-inf")

    def failed(self, now: float) -> bool:
        """Note an attempt that the backend did not take for now. True if that is worth telling."""
        if self._failures == 0:
            self._since = now
        self._failures += 1
        if self._announced or now < self._quiet_until:
            return False
        self._announced = True
        self._quiet_until = now + _ANNOUNCE_EVERY
        return True

    def answered(self, now: float) -> Recovery | None:
        """Note an attempt that the backend answered. Gives the figures of an outage that was announced and is over."""
        recovery = Recovery(self._failures, now - self._since) if self._announced else None
        self._failures = 0
        self._announced = False
        return recovery

    @property
    def present(self) -> bool:
        """Whether the last attempt failed."""
        return self._failures > 0

    def admits(self, begun: int, now: float) -> bool:
        """Say whether a batch that was never tried may be tried, while `begun` others were and are not finished."""
        if self._failures < self._patience or begun < self._patience:
            return True
        if now < self._probed_at + _PROBE_EVERY:
            return False
        self._probed_at = now
        return True
