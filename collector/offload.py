"""The front of a pipeline, from its entrance to the first stage that holds spans, run by the kernel.

A receiver whose transport lives in the kernel may use it in place of `next`: requests are then answered without waking
Python, and Python sees finished batches only. It is there where a receiver feeds one pipeline, and all of that one's
stages up to a hold can say what they do as a part of the kernel. The meaning is the same as without.

What the kernel counts is written into the accounts by `book`, which everybody who reads the ledger calls first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from collector._kernel import Gate, Hold, Plan, Program, StageCounts
from collector.ledger import PipelineAccount


class Book(Protocol):
    """Writes into the accounts what went through a stage."""

    def __call__(self, counts: StageCounts) -> None:
        """Book the counts, which are those since the last call."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What a component does, as a part of the kernel."""

    part: Gate | Program | Hold
    """A `Hold` ends the front of the pipeline."""
    book: Book


class Offload:
    """A plan and its books."""

    def __init__(self, stages: Iterable[Stage], hold: Stage, account: PipelineAccount) -> None:
        self._stages = [*stages, hold]
        parts = [stage.part for stage in self._stages]
        if not isinstance(hold.part, Hold):
            raise TypeError("the front of a pipeline ends with a hold")
        self.plan = Plan([part for part in parts if not isinstance(part, Hold)], hold.part)
        """What the transport calls in place of `next.consume`."""
        self._account = account

    def book(self) -> None:
        """Write what the plan has counted since the last call into the accounts."""
        counts = self.plan.counts()
        # Whatever the first stage took, the pipeline took.
        self._account.taken += counts[0].taken
        for stage, count in zip(self._stages, counts, strict=True):
            stage.book(count)


def offload(stages: Iterable[Stage | None], account: PipelineAccount) -> Offload | None:
    """Make a plan of the stages of a pipeline, front to back. `None` if one before the hold, or no stage, knows how."""
    front: list[Stage] = []
    for stage in stages:
        if stage is None:
            return None
        if isinstance(stage.part, Hold):
            return Offload(front, stage, account)
        front.append(stage)
    return None
