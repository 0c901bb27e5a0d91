"""Neighbouring `SpanOp`s of a pipeline, fused: the kernel walks the bytes once for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from collector._kernel import Op, OpCounts, Program, StageCounts
from collector.component import Component, Consumer, SpanOp
from collector.errors import PermanentError
from collector.offload import Stage
from collector.spans import SpanBatch

LARGE = 1 << 20
"""Bytes. From here on a pass takes long enough to be worth a thread, and everybody else would notice the wait."""


@dataclass(frozen=True, slots=True)
class Member:
    """A processor that is part of a program."""

    processor: SpanOp
    ops: Sequence[Op]

    def commit(self, incoming: int, counts: list[OpCounts]) -> int:
        """Book what a pass did to `incoming` spans, and say how many are left."""
        account = self.processor.settings.account
        dropped = sum(count.dropped for count in counts)
        account.taken += incoming
        account.passed_on += incoming - dropped
        if self.processor.drop_reason == "sampled_out":
            account.sampled_out += dropped
        else:
            account.filtered += dropped
        try:
            self.processor.committed(counts)
        except Exception:
            # The batch is taken by now: what a processor does with its counts cannot change that.
            self.processor.settings.logger.exception("a bug in what follows a committed pass")
        return incoming - dropped


class ProgramProcessor(Component):
    """Runs a program over each batch and hands on what is left.

    What it counts is committed when `next` took the result: a batch that comes again is not counted twice.
    """

    def __init__(self, members: Sequence[Member], next: Consumer) -> None:
        self.members = tuple(members)
        self.next = next
        self._program = Program([op for member in members for op in member.ops])

    @property
    def reads_origin(self) -> bool:
        """Whether batches must carry their origin."""
        return any(op.reads_origin for member in self.members for op in member.ops)

    @property
    def can_fail(self) -> bool:
        """Whether one span may make it refuse a whole batch."""
        return any(op.can_fail for member in self.members for op in member.ops)

    async def consume(self, batch: SpanBatch) -> None:
        """Hand on what the program leaves of the batch, if it leaves anything."""
        if batch.size < LARGE:
            result = self._program.run(batch)
        else:
            result = await asyncio.to_thread(self._program.run, batch)
        if result.refusal is not None:
            raise PermanentError(result.refusal)
        if len(result.batch):
            await self.next.consume(result.batch)
        self._commit(len(batch), result.counts)

    def stage(self) -> Stage:
        """Give the part of the kernel that does the same as `consume`."""
        return Stage(self._program, self._book)

    def _book(self, counts: StageCounts) -> None:
        if counts.taken:
            self._commit(counts.taken, counts.ops)

    def _commit(self, spans: int, counts: list[OpCounts]) -> None:
        """Book what the program did to so many spans that were taken."""
        at = 0
        for member in self.members:
            end = at + len(member.ops)
            spans = member.commit(spans, counts[at:end])
            at = end
