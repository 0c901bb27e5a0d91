"""When a file is set aside, what it is called then, and which of those are deleted.

    spans.jsonl                            the one that is written
    spans-2026-01-02T15-04-05.000.jsonl    set aside at that time

The names are those of lumberjack, which the Go collector used for years. Its newer releases write `-size` after the
time and rename the others at start: files with either name are known here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import PurePath

from exporters.file.config import RotationConfig

_NAME = "%Y-%m-%dT%H-%M-%S"
_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d)\.(\d{3})(-size)?", re.ASCII)
_MILLISECOND = timedelta(milliseconds=1)


class Rotation:
    """Decides, and touches no file. Names are those in the directory of `path`, times are seconds since 1970."""

    def __init__(self, config: RotationConfig, path: PurePath) -> None:
        self._config = config
        # As in Go, where `.bashrc` is all extension: nothing stands before the time.
        stem, dot, extension = path.name.rpartition(".")
        self._prefix = f"{stem if dot else path.name}-"
        self._extension = f"{dot}{extension}" if dot else ""
        self._zone: tzinfo | None = None if config.localtime else UTC

    def due(self, size: int, record: int) -> bool:
        """Tell whether a file of `size` bytes is to be set aside before `record` bytes are written.

        An empty file never is, so that a record larger than the bound gets a file of its own.
        """
        return size > 0 and size + record > self._config.max_bytes

    def backup_name(self, now: float, names: Collection[str]) -> str:
        """What a file that is set aside now is called. No name is given twice: the next free millisecond is."""
        at = datetime.fromtimestamp(now, self._zone)
        # Naming by the clock alone, two rotations in a millisecond or an hour that comes twice cost a file.
        while (stamp := f"{at.strftime(_NAME)}.{at.microsecond // 1000:03}") in self._stamps(names):
            at += _MILLISECOND
        return f"{self._prefix}{stamp}{self._extension}"

    def expired(self, now: float, names: Collection[str]) -> list[str]:
        """Which of the files that were set aside are to be deleted: too many, or too old."""
        backups = sorted(self._backups(names), reverse=True)
        kept = len(backups) if not self._config.max_backups else self._config.max_backups
        oldest = now - self._config.max_days * 86_400 if self._config.max_days else float("-inf")
        return [name for nth, (at, name) in enumerate(backups) if nth >= kept or at < oldest]

    def _backups(self, names: Collection[str]) -> Iterator[tuple[float, str]]:
        """When each file was set aside, and its name."""
        for name in names:
            if found := self._stamp(name):
                try:
                    at = datetime.strptime(found[1], _NAME).replace(tzinfo=self._zone).timestamp()
                except ValueError:
                    continue  # a thirteenth month: nobody's name for a time
                yield at + int(found[2]) / 1000, name

    def _stamps(self, names: Collection[str]) -> set[str]:
        return {f"{found[1]}.{found[2]}" for name in names if (found := self._stamp(name))}

    def _stamp(self, name: str) -> re.Match[str] | None:
        if not (name.startswith(self._prefix) and name.endswith(self._extension)):
            return None
        return _STAMP.fullmatch(name, len(self._prefix), len(name) - len(self._extension))
