"""A file of records on disk: opened, written, set aside, and mended."""

from __future__ import annotations

import errno
import logging
import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from collector.errors import StartError
from exporters.file.config import FileConfig
from exporters.file.records import Records
from exporters.file.rotation import Rotation


class RecordFile:
    """A file of whole records, begun anew when it is full or disappears.

    Its methods block, and are called one at a time.
    """

    def __init__(
        self, config: FileConfig, records: Records, logger: logging.Logger, clock: Callable[[], float] = time.time
    ) -> None:
        self._config = config
        self._path = Path(config.path)
        self._records = records
        self._rotation = Rotation(config.rotation, self._path) if config.rotation else None
        self._logger = logger
        self._clock = clock
        self._file: int | None = None
        self._opened = False
        self._torn: int | None = None
        """Where whole records end, if a part of one stands behind them."""

    def open(self, *, go_on: bool = False) -> None:
        """Open the file, and cut off a record that was not finished. Raises `StartError`.

        To `go_on` is not to empty it, whatever the settings say.
        """
        config = self._config
        try:
            if config.create_directory:
                self._path.parent.mkdir(config.directory_mode, parents=True, exist_ok=True)
            self._file = self._open(0 if go_on or config.append or self._rotation else os.O_TRUNC)
            self._recover(self._file)
            self._prune()
            self._opened = True
        except OSError as error:
            missing = error.errno == errno.ENOENT and not config.create_directory
            hint = "; with create_directory: true its directory is made" if missing else ""
            raise StartError(f"cannot write {config.path}: {reason(error)}{hint}", path="path") from error

    def append(self, record: bytes) -> None:
        """Append a record. Raises `OSError`, and then nothing of it is there."""
        if not self._opened:
            raise OSError(errno.EBADF, "the file is closed")
        if self._file is not None and self._gone(self._file):
            self._close()
        if self._file is None:
            self._file = self._open(0)
        self._mend(self._file)
        size = os.fstat(self._file).st_size
        if self._rotation and self._rotation.due(size, len(record)):
            self._file, size = self._rotate(self._file, self._rotation), 0
        self._write(self._file, size, memoryview(record))

    def close(self) -> None:
        """Close the file, with all of it on the disk. May be called twice, and without `open`."""
        self._opened = False
        if self._file is not None:
            with suppress(OSError):
                self._mend(self._file)  # who opens it next does it otherwise
        self._close()

    # --- one file

    def _open(self, flags: int) -> int:
        flags |= os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        return os.open(self._path, flags, self._config.file_mode)

    def _close(self) -> None:
        file, self._file, self._torn = self._file, None, None
        if file is not None:
            self._sync(file)
            os.close(file)

    def _gone(self, file: int) -> bool:
        """Tell whether the path leads to another file, or to none."""
        try:
            return not os.path.samestat(self._path.stat(), os.fstat(file))
        except FileNotFoundError:
            return True

    def _write(self, file: int, size: int, record: memoryview) -> None:
        written = 0
        try:
            while written < len(record):
                written += os.write(file, record[written:])
        except OSError:
            if written and _regular(file):
                self._torn = size
                with suppress(OSError):
                    self._mend(file)  # the next write tries it again
            raise

    def _mend(self, file: int) -> None:
        """Cut off what an attempt that failed has left. Raises `OSError`."""
        # Somebody may have emptied the file meanwhile: it is never made longer.
        if self._torn is not None and os.fstat(file).st_size > self._torn:
            os.ftruncate(file, self._torn)
        self._torn = None

    def _sync(self, file: int) -> None:
        """Wait until a file and its name are on the disk."""
        if not _regular(file):
            return
        try:
            os.fsync(file)
            with suppress(FileNotFoundError):
                directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    os.fsync(directory)
                finally:
                    os.close(directory)
        except OSError as error:
            self._logger.warning(f"a power cut now may cost spans in {self._path}: {reason(error)}")

    def _recover(self, file: int) -> None:
        """Cut off what a collector that was killed has left. Raises `OSError`, `StartError`."""
        size = os.fstat(file).st_size
        if not size or not _regular(file):
            return
        with self._path.open("rb") as content:
            foreign = self._records.foreign(content)
            if foreign:
                message = f"{self._path} holds {foreign} records, and {self._records.kind} was to follow; move it away"
                raise StartError(message, path="path")
            whole = self._records.whole(content, size)
        if whole < size:
            os.ftruncate(file, whole)
            self._logger.warning(f"cut the last {size - whole} bytes off {self._path}: a record that was not finished")

    # --- many files

    def _rotate(self, file: int, rotation: Rotation) -> int:
        """Set the file aside, and begin a new one. Raises `OSError`, and then the old one is still there."""
        backup = self._path.with_name(rotation.backup_name(self._clock(), os.listdir(self._path.parent)))
        self._path.rename(backup)
        try:
            begun = self._open(0)
        except OSError:
            backup.rename(self._path)
            raise
        self._sync(file)
        os.close(file)
        self._prune()
        return begun

    def _prune(self) -> None:
        """Delete what was set aside and is kept no longer."""
        if self._rotation is None:
            return
        try:
            for name in self._rotation.expired(self._clock(), os.listdir(self._path.parent)):
                self._path.with_name(name).unlink(missing_ok=True)
        except OSError as error:
            self._logger.warning(f"cannot delete old files beside {self._path}: {reason(error)}")


def reason(error: OSError) -> str:
    """What went wrong, for a message."""
    return (error.strerror or str(error)).lower()


def _regular(file: int) -> bool:
    """Tell whether it is a file on a disk, and no pipe and no device."""
    return stat.S_ISREG(os.fstat(file).st_mode)
