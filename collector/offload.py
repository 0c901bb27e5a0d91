"""The front of a pipeline, from its entrance to the first stage that takes responsibility, run by the kernel.

A receiver whose transport lives in the kernel may use it in place of `next`: requests are then answered without waking
Python, and Python sees finished batches only. It is there where a receiver feeds one pipeline, and all of that one's
stages up to a hold, or up to the sending queue of its only exporter, can say what they do as a part of the kernel. The
meaning is the same as without.

What the kernel counts is written into the accounts by `book`, which everybody who reads the ledger calls first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from collector._kernel import Gate, Hold, Journal, Plan, Program, Queue, StageCounts, Traces
from collector.ledger import PipelineAccount


class Book(Protocol):
    """Writes into the accounts what went through a stage."""

    def __call__(self, counts: StageCounts) -> None:
        """Book the counts, which are those since the last call."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What a component does, as a part of the kernel."""

    part: Gate | Program | Hold | Traces
    """What holds spans, a `Hold` or `Traces`, ends the front of the pipeline."""
    book: Book


@dataclass(frozen=True, slots=True)
class QueueEnd:
    """The sending queue at the end of a pipeline."""

    part: Callable[[], Queue | Journal]
    """Gives the part of the kernel, once the exporter has started."""
    book: Book


class Offload:
    """A plan and its books."""

    def __init__(self, stages: Iterable[Stage], end: Stage | QueueEnd, account: PipelineAccount) -> None:
        self._stages = list(stages)
        self._end = end
        self._account = account
        self._plan: Plan | None = None

    @property
    def plan(self) -> Plan:
        """What the transport calls in place of `next.consume`. Exporters have started when it is asked for."""
        if self._plan is None:
            end = self._end.part() if isinstance(self._end, QueueEnd) else self._end.part
            if isinstance(end, (Gate, Program)):
                raise TypeError("the front of a pipeline ends where spans are held")
            self._plan = Plan([stage.part for stage in self._stages if isinstance(stage.part, (Gate, Program))], end)
        return self._plan

    @property
    def is_idle(self) -> bool:
        """Whether no transport has the plan any more."""
        return self._plan is None or self._plan.is_idle

    def book(self) -> None:
        """Write what the plan has counted since the last call into the accounts."""
        if self._plan is None:
            return
        counts = self._plan.counts()
        # Whatever the first stage took, the pipeline took.
        self._account.taken += counts[0].taken
        for stage, count in zip((*self._stages, self._end), counts, strict=True):
            stage.book(count)


def offload(stages: Iterable[Stage | None], account: PipelineAccount, queue: QueueEnd | None = None) -> Offload | None:
    """Make a plan of the stages of a pipeline, front to back, and of the sending queue behind them, if that is all.

    `None` if one stage does not know how, or nothing of it holds spans.
    """
    front: list[Stage] = []
    for stage in stages:
        if stage is None:
            return None
        if isinstance(stage.part, (Hold, Traces)):
            return Offload(front, stage, account)
        front.append(stage)
    return Offload(front, queue, account) if queue else None
