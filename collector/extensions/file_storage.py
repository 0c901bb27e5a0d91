"""`file_storage`: keep the queues of exporters on disk, so that what was accepted survives a crash.

Each queue has a directory of its own below `directory`, which one process at a time can use. Spans are appended to
files of up to 16 MiB, and a file goes as soon as all that is in it was delivered. Files are readable for their owner
only.

    extensions:
      file_storage:
        directory: /var/lib/spanmill
        max_size: 10_737_418_240
    exporters:
      otlp:
        endpoint: backend:4317
        sending_queue:
          storage: file_storage
          sizer: bytes
          queue_size: 10_000_000_000
        retry_on_failure:
          max_elapsed_time: 0
    service:
      extensions: [file_storage]
"""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path
from typing import Annotated, Any, TypedDict

from collector._kernel import Journal
from collector.component import Host
from collector.config.types import Config, Duration, FieldError, NonNegativeInt, Notice
from collector.errors import StartError
from collector.storage import Bounds, Storage

_PAUSE = 0.05
"""Seconds between looks at a directory that is in use."""


class FileStorageConfig(Config):
    """Settings of the `file_storage` extension."""

    directory: str = "/var/lib/otelcol/file_storage"
    """Where the directories of the queues are. It has to exist, unless `create_directory` is set."""
    create_directory: bool = False
    """Make `directory` if it is not there."""
    directory_permissions: str = "0750"
    """Who may enter it if it is made, in octal."""
    timeout: Duration = Duration.parse("1s")
    """How long to wait for a directory that another process has in use, as during a restart."""
    fsync: bool = True
    """Acknowledge spans only once the disk has them. Without it they survive the end of the process, and not that of
    the machine."""
    max_size: NonNegativeInt = 0
    """The most bytes of disk for each queue; 0 is no bound."""
    recreate: Annotated[bool, Notice("has no effect here: damaged files never prevent a start")] = False
    """Taken, without effect."""
    compaction: Annotated[Any, Notice("has no effect here: files go when what is in them was delivered")] = None
    """Taken, without effect."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say."""
        if self.timeout < 0:
            raise FieldError("timeout", f"must be 0 or more, got {self.timeout}")
        if not self.directory:
            raise FieldError("directory", "is required")
        _ = self.mode

    @property
    def mode(self) -> int:
        """`directory_permissions` as a number. Raises `FieldError`."""
        try:
            mode = int(self.directory_permissions, 8)
        except ValueError:
            mode = -1
        if not 0 <= mode <= 0o777:
            raise FieldError("directory_permissions", f"must be octal such as 0750, got {self.directory_permissions!r}")
        return mode


class _Limits(TypedDict):
    """What the kernel's journal is held to."""

    max_bytes: int
    fsync: bool
    max_requests: int
    max_spans: int
    max_size: int
    cache_bytes: int


class FileStorageExtension(Storage):
    """Knows where queues are on disk."""

    config_type = FileStorageConfig
    config: FileStorageConfig

    async def start(self, host: Host) -> None:
        """See to it that the directory can be used. Raises `StartError`."""
        await asyncio.to_thread(self._prepare)

    async def open(self, owner: str, bounds: Bounds) -> Journal:
        """Open the queue of a component. Raises `StartError`."""
        directory = self._directory(owner)
        loop = asyncio.get_running_loop()
        until = loop.time() + self.config.timeout
        while True:
            try:
                return await asyncio.to_thread(self._journal, directory, bounds)
            except BlockingIOError as error:
                if loop.time() >= until:
                    raise StartError(f"cannot open {directory}: {error}") from error
            except OSError as error:
                raise StartError(f"cannot open {directory}: {error.strerror or error}") from error
            await asyncio.sleep(_PAUSE)

    def file(self, owner: str) -> Path:
        """Give the path of a file of a component's own, beside the directories of the queues."""
        return Path(self.config.directory, f"{name_for(owner)}.saved")

    def is_place_of(self, owner: str, journal: Journal) -> bool:
        """Say whether this is the queue that `open` would give."""
        return Path(journal.directory) == self._directory(owner)

    def keep(self, journal: Journal, bounds: Bounds) -> None:
        """Hold a queue, which another extension has opened in this place, to the limits of this one."""
        journal.limit(**self._limits(bounds))

    def _directory(self, owner: str) -> Path:
        return Path(self.config.directory, name_for(owner))

    def _journal(self, directory: Path, bounds: Bounds) -> Journal:
        return Journal(str(directory), **self._limits(bounds))

    def _limits(self, bounds: Bounds) -> _Limits:
        return {
            "max_bytes": self.config.max_size,
            "fsync": self.config.fsync,
            "max_requests": bounds.requests,
            "max_spans": bounds.spans,
            "max_size": bounds.size,
            "cache_bytes": bounds.cache,
        }

    def _prepare(self) -> None:
        directory = Path(self.config.directory)
        try:
            if self.config.create_directory and not directory.exists():
                directory.mkdir(parents=True)
                directory.chmod(self.config.mode)
            if not stat.S_ISDIR(directory.stat().st_mode):
                raise StartError(f"{directory} is not a directory", path="directory")
        except FileNotFoundError as error:
            message = f"{directory} does not exist: make it, or set create_directory: true"
            raise StartError(message, path="directory") from error
        except OSError as error:
            raise StartError(f"{directory}: {error.strerror}", path="directory") from error
        if not os.access(directory, os.W_OK | os.X_OK):
            raise StartError(f"{directory}: not writable for this process", path="directory")


def name_for(owner: str) -> str:
    """Give the name of a component's directory. What is unusual in file names is written as `~` and four digits.

    >>> name_for("exporters::otlp/backend")
    'exporters_otlp~002Fbackend'
    """
    kind, _, id = owner.partition("::")
    usual = "".join(letter if letter.isalnum() or letter in "_-." else f"~{ord(letter):04X}" for letter in id)
    return f"{kind}_{usual}"
