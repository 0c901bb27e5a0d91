"""What extensions for storage offer: queues on disk, each in a place of its own."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path

from collector._kernel import Journal
from collector.component import Extension


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most that a queue holds, each of them at the same time."""

    requests: int
    spans: int
    size: int
    """Bytes on the wire."""
    cache: int
    """Bytes of memory for contents that are on disk as well."""


class Storage(Extension):
    """Keeps what must survive the process."""

    @abstractmethod
    async def open(self, owner: str, bounds: Bounds) -> Journal:
        """Open the queue of a component, `exporters::otlp/backend`, which nobody else may have open.

        It comes with what an earlier run has left in it. Raises `StartError`.
        """

    @abstractmethod
    def file(self, owner: str) -> Path:
        """Give the path of a file of a component's own, which is there if an earlier run has left it."""

    def is_place_of(self, owner: str, journal: Journal) -> bool:
        """Say whether this is the queue that `open` would give. Asked before the extension is started."""
        return False

    def keep(self, journal: Journal, bounds: Bounds) -> None:
        """Hold a queue, which another extension has opened in this place, to the limits of this one."""
