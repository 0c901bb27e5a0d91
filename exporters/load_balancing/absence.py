"""Whether a backend is away, so that others take its share: decided by what became of attempts, and the time."""

from __future__ import annotations

from exporters.load_balancing.config import FailoverConfig


class Absence:
    """Follows one backend. Times are seconds of any steady clock. Without settings nobody is ever away."""

    def __init__(self, config: FailoverConfig | None) -> None:
        self._config = config
        self._since: float | None = None
        """Since when nothing got through, if that is so."""
        self._tried_at = float("-inf")

    def failed(self, now: float) -> None:
        """Note that the backend did not take something, and did not say when it would."""
        if self._since is None:
            self._since = now

    def answered(self) -> None:
        """Note that the backend is there, whatever it said."""
        self._since = None

    def is_away(self, now: float) -> bool:
        """Say whether what belongs to the backend goes to others. Now and then it does not, to see if it is back."""
        if self._config is None or self._since is None or now < self._since + self._config.after:
            return False
        return now < self._tried_at + self._config.retry_interval

    def tried(self, now: float) -> None:
        """Note that something goes to the backend now."""
        self._tried_at = now
