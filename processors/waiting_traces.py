"""What processors that hold traces share: a store in the kernel, its clock, and the way to the next stage."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter

from collector._kernel import Bell, StageCounts, Traces
from collector.component import Processor, Settings
from collector.errors import RetryableError
from collector.handing_on import HandOn
from collector.ledger import ProcessorAccount, Reason
from collector.offload import Stage
from collector.spans import SpanBatch
from collector.telemetry.metrics import Histogram

_MILLISECONDS = (0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000)


class WaitingTraces:
    """Traces that wait inside a processor until the kernel has decided about them."""

    def __init__(
        self, processor: Processor, settings: Settings[ProcessorAccount], kernel: Mapping[str, object]
    ) -> None:
        """`kernel` is what the store is told. Raises the kernel's `OptionError`."""
        self._bell = Bell()
        self.traces = Traces(self._bell, kernel)
        self._account = settings.account
        self._logger = settings.logger
        self._hand_on = HandOn(processor, settings.account, settings.logger, leaving=self.traces.leaving)
        self._account.held = lambda: self.traces.spans + self._hand_on.spans
        self._timer: asyncio.TimerHandle | None = None
        self._listening = False
        self._dropped = 0
        """Spans that were not sampled, and are booked."""
        self._stressed = False
        self.latency = Histogram(_MILLISECONDS)
        """Milliseconds of the turns in which decisions are made."""

    def start(self) -> None:
        """Begin to decide, and to hand on."""
        asyncio.get_running_loop().add_reader(self._bell.fileno(), self._hear)
        self._listening = True
        self._hand_on.start()
        self._collect()

    def consume(self, batch: SpanBatch) -> None:
        """Hold the batch. Raises `RetryableError` when there is no room for it."""
        if not len(batch):
            return
        if (refusal := self.traces.offer(batch, asyncio.get_running_loop().time())) is not None:
            raise RetryableError(refusal)
        self._account.taken += len(batch)
        self._collect()

    def inherit(self, old: WaitingTraces) -> None:
        """Take over what another one holds, but for the batch that its next stage is about to take."""
        old.traces.close()
        old._collect()
        before = old.traces.spans
        self.traces.take_over(old.traces, asyncio.get_running_loop().time())
        moved = before - old.traces.spans
        old._account.taken -= moved
        self._account.taken += moved
        for batch in old._hand_on.take_back():
            self._account.taken += len(batch)
            self.traces.leaving(batch.pinned)
            self._hand_on.put(batch)
        self._collect()

    def stage(self) -> Stage:
        """Give the store, which takes spans as `consume` does, and rings when somebody has to look."""
        return Stage(self.traces, self._book)

    def _book(self, counts: StageCounts) -> None:
        self._account.taken += counts.taken
        self._book_dropped()

    def _book_dropped(self) -> None:
        dropped = self.traces.spans_dropped
        self._account.sampled_out += dropped - self._dropped
        self._dropped = dropped

    def restore(self, path: Path) -> None:
        """Take up what an earlier run has saved. Blocks."""
        try:
            found = self.traces.restore(path, asyncio.get_running_loop().time())
        except OSError as error:
            self._logger.error(f"{path}: traces of an earlier run cannot be read: {error}")
            return
        if found is None:
            return
        traces, spans, lost, is_damaged = found
        self._account.restored += spans + lost
        self._account.failed[Reason.DAMAGED] += lost
        if is_damaged:
            self._logger.error(f"{path} is damaged: {lost} spans of an earlier run are lost")
        self._logger.info(f"took up {traces} traces with {spans} spans of an earlier run")

    def save(self, path: Path) -> None:
        """Save what waits for the next run. Where that fails, it still waits. Blocks."""
        self.traces.close()
        try:
            traces, spans = self.traces.save(path)
        except OSError as error:
            self._logger.error(f"{path}: traces cannot be saved, and are decided about instead: {error}")
            return
        self._account.saved += spans
        self._logger.info(f"saved {traces} traces with {spans} spans for the next run")

    async def shutdown(self, *, discard: bool = False) -> None:
        """Decide about everything that waits, or discard it, and hand on what is left. What is cancelled is booked."""
        self.traces.close()
        if discard:
            self._discard()
        loop = asyncio.get_running_loop()
        try:
            while self.traces.decide_all(loop.time()):
                self._collect()
                await asyncio.sleep(0)
            self._collect()
            await self._hand_on.finish()
        except asyncio.CancelledError:
            await self._hand_on.give_up()
            raise
        finally:
            if self._listening:
                loop.remove_reader(self._bell.fileno())
                self._listening = False
            if self._timer:
                self._timer.cancel()
                self._timer = None

    def _discard(self) -> None:
        lost = 0
        while spans := self.traces.discard():
            lost += spans
        if lost:
            self._account.failed[Reason.SHUTDOWN] += lost
            self._logger.error(f"{lost} spans lost (shutdown): drop_pending_traces_on_shutdown is set")

    def _hear(self) -> None:
        """Collect what leaves, or set the timer for what has begun to wait: it has rung."""
        self._bell.clear()
        self._collect()

    def _collect(self) -> None:
        """Let go what is decided, and have the timer ring when the next traces are due."""
        while (batch := self.traces.next()) is not None:
            self._hand_on.put(batch)
        self._book_dropped()
        self._say_stress()
        due_at = self.traces.watch()
        if self._timer and (due_at is None or due_at < self._timer.when()):
            self._timer.cancel()
            self._timer = None
        if self._timer is None and due_at is not None and self._listening:
            self._timer = asyncio.get_running_loop().call_at(due_at, self._ring)

    def _say_stress(self) -> None:
        if self.traces.is_stressed == self._stressed:
            return
        self._stressed = not self._stressed
        if self._stressed:
            self._logger.warning(
                f"{self.traces.bytes} bytes are held, which is near max_bytes:"
                " new traces are decided about by probability alone until there is room again"
            )
        else:
            self._logger.warning("there is room again: new traces wait for their decision")

    def _ring(self) -> None:
        self._timer = None
        began = perf_counter()
        self.traces.decide(asyncio.get_running_loop().time())
        self.latency.observe(int((perf_counter() - began) * 1000))
        self._collect()
