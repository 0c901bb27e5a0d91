"""Log lines that may come up with every batch, and are written now and then."""

from __future__ import annotations

import time
from collections.abc import Callable


class Occasional:
    """Lets one line through in `interval` seconds and counts the others.

    if (note := self._losses.note()) is not None:
        logger.error(f"512 spans lost{note}")
    """

    def __init__(self, interval: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = interval
        self._clock = clock
        self._quiet_until = float("-inf")
        self._unwritten = 0

    def note(self) -> str | None:
        """Say how many lines were left out, ready to be appended; `None` if this one is to be left out as well."""
        now = self._clock()
        if now < self._quiet_until:
            self._unwritten += 1
            return None
        self._quiet_until = now + self._interval
        unwritten, self._unwritten = self._unwritten, 0
        return f" ({unwritten} more like this since the last report)" if unwritten else ""
