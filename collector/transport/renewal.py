"""Files that may change while the collector runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Generic, TypeVar

from collector.errors import StartError

Files = TypeVar("Files")


class Renewal(Generic[Files]):
    """Reads files again now and then, and has what has changed used.

    `read` and `use` raise `StartError` for what cannot be: that is logged once, and the old ones stay.
    """

    def __init__(
        self,
        files: Files,
        read: Callable[[], Files],
        use: Callable[[Files], None],
        logger: logging.Logger,
        what: str = "certificates",
    ) -> None:
        self._files = files
        self._read = read
        self._use = use
        self._logger = logger
        self._what = what
        self._complaint = ""
        self._timer: asyncio.TimerHandle | None = None

    def look(self) -> None:
        """Read the files, and have them used if they are not what they were."""
        try:
            found = self._read()
            if found == self._files:
                self._complaint = ""
                return
            self._use(found)
        except StartError as error:
            # Files are replaced one after the other: for a moment they need not belong together.
            if self._complaint != str(error):
                self._logger.error(f"{self._what} have changed and cannot be used, the old ones stay: {error}")
            self._complaint = str(error)
            return
        self._files, self._complaint = found, ""
        self._logger.info(f"{self._what.capitalize()} have changed and were read again")

    def start(self, pause: float) -> None:
        """Look every `pause` seconds, until `stop`."""
        loop = asyncio.get_running_loop()

        def again() -> None:
            self.look()
            self._timer = loop.call_later(pause, again)

        self._timer = loop.call_later(pause, again)

    def stop(self) -> None:
        """Look no more."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
