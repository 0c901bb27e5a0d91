"""Files with credentials, which may change while the collector runs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from collector.errors import StartError
from collector.transport.renewal import Renewal

INTERVAL = 5.0
"""Seconds between two looks at a file."""


def read(name: str, option: str) -> str:
    """Read a file that an option names. Raises `StartError`."""
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise StartError(f"cannot read {name}: {reason}", path=option) from error


class Watched:
    """Uses the texts of some files, and again when they have changed."""

    def __init__(self, files: dict[str, str], use: Callable[[dict[str, str]], None], logger: logging.Logger) -> None:
        self._files = files
        self._use = use
        self._logger = logger
        self._renewal: Renewal[dict[str, str]] | None = None

    def start(self) -> None:
        """Use what is there, and look again now and then. Raises `StartError`."""
        texts = self._read()
        self._use(texts)
        if self._files:
            self._renewal = Renewal(texts, self._read, self._use, self._logger, "credentials")
            self._renewal.start(INTERVAL)

    def stop(self) -> None:
        """Look no more."""
        if self._renewal:
            self._renewal.stop()

    def _read(self) -> dict[str, str]:
        return {option: read(name, option) for option, name in self._files.items()}
