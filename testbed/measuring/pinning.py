"""Which cores the subject has, and which the testbed: on shared ones the load generator would measure itself."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Pin = Literal["split", "none"]


@dataclass(frozen=True, slots=True)
class Pinning:
    """Cores of the subject, and of load generator and sink."""

    subject: frozenset[int]
    testbed: frozenset[int]

    def __str__(self) -> str:
        if self.subject == self.testbed:
            return f"none: all share cores {_list(self.subject)}"
        return f"subject on cores {_list(self.subject)}, load and sink on {_list(self.testbed)}"


def pinning(pin: Pin, available: frozenset[int] | None = None) -> Pinning:
    """Give each half of the cores with `split`, both all of them with `none` or where there is only one."""
    cores = sorted(available or os.sched_getaffinity(0))
    half = len(cores) // 2
    if pin == "none" or not half:
        return Pinning(frozenset(cores), frozenset(cores))
    return Pinning(frozenset(cores[:half]), frozenset(cores[half:]))


@contextlib.contextmanager
def on_cores(cores: frozenset[int]) -> Iterator[None]:
    """Start children of this thread on these cores: they inherit them, so that they see them from the beginning."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _list(cores: frozenset[int]) -> str:
    return ", ".join(map(str, sorted(cores)))
