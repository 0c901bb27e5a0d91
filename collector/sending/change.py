"""Another exporter behind a queue that stays, with what it holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from collector.component import Exporter, Host
from collector.config.types import Config
from collector.sending.attempts import Attempts

if TYPE_CHECKING:
    from collector.sending.crew import Crew
    from collector.sending.sender import Sender


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be done: start the exporter, which may fail, and then have the sender change."""

    sender: Sender
    exporter: Exporter
    config: Config

    def make(self, host: Host) -> Leaving:
        """Have the sender deliver through the exporter, and give what ends now."""
        return self.sender.change(self.exporter, self.config, host)


class Leaving:
    """An exporter that was replaced, and those who deliver through it until what they have begun is finished."""

    def __init__(self, exporter: Exporter, attempts: Attempts, crew: Crew | None) -> None:
        self._exporter = exporter
        self._attempts = attempts
        self._crew = crew

    async def shutdown(self) -> None:
        """Wait for what has begun, then stop the exporter."""
        try:
            if self._crew:
                await self._crew.ended()
            await self._attempts.ended()
        finally:
            await self._exporter.shutdown()
