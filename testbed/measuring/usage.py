"""Processor time and memory of a process with all its children, sampled from outside."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import psutil

PAUSE = 0.1
"""Seconds between samples."""
MIB = 1 << 20
_LOOK_AROUND = 10
"""Samples between looks for new children, and at shared pages: both walk all of /proc."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Usage at a moment. Processor times only grow, even when a process is replaced by another."""

    t: float
    """Seconds since 1970."""
    user: float
    system: float
    rss: float
    """MiB."""
    pss: float | None
    """MiB, where there are several processes."""

    @property
    def cpu(self) -> float:
        """User and system time."""
        return self.user + self.system


class UsageSampler:
    """Samples until it is closed. `readings` has all samples so far."""

    def __init__(self, pid: int) -> None:
        self.readings: list[Reading] = []
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._ended = (0.0, 0.0)
        self._watch(pid)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self.read()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _watch(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self._last: dict[psutil.Process, tuple[float, float]] = {self._root: (0.0, 0.0)}
        self._rounds = 0

    def replace(self, pid: int) -> None:
        """Go on with another process: the one so far has ended."""
        with self._lock:
            for user, system in self._last.values():
                self._ended = (self._ended[0] + user, self._ended[1] + system)
            self._watch(pid)

    def read(self) -> Reading:
        """Take a sample now."""
        with self._lock:
            look = self._rounds % _LOOK_AROUND == 0
            self._rounds += 1
            if look:
                with contextlib.suppress(psutil.Error):
                    for child in self._root.children(recursive=True):
                        self._last.setdefault(child, (0.0, 0.0))
            rss = sum(self._each(), 0.0)
            pss = self._pss() if look and len(self._last) > 1 else None
            user = self._ended[0] + sum(times[0] for times in self._last.values())
            system = self._ended[1] + sum(times[1] for times in self._last.values())
            reading = Reading(time.time(), user, system, rss / MIB, pss)
            self.readings.append(reading)
            return reading

    def _each(self) -> Iterator[float]:
        for process in self._last:
            with contextlib.suppress(psutil.Error), process.oneshot():
                times = process.cpu_times()
                self._last[process] = (times.user, times.system)
                yield process.memory_info().rss

    def _pss(self) -> float | None:
        with contextlib.suppress(psutil.Error):
            return float(sum(process.memory_full_info().pss for process in self._last)) / MIB
        return None

    def _run(self) -> None:
        while not self._stopped.wait(PAUSE):
            self.read()
