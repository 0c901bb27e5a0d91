"""The line between components: what crosses it is a `ConsumeError` or nothing.

An exception that is none of ours is a bug in a component. It must cost one batch and no more: it is logged with its
traceback, and goes on upstream as a `ComponentError`, which everybody knows how to handle.
"""

from __future__ import annotations

import logging

from collector.component import Consumer
from collector.errors import ComponentError, ConsumeError
from collector.spans import SpanBatch
from collector.telemetry.occasional import Occasional


class Guard:
    """Stands before a component and translates what is none of ours."""

    def __init__(self, next: Consumer, name: str, logger: logging.Logger) -> None:
        self.next = next
        self._name = name
        self._logger = logger
        self._reports = Occasional()

    async def consume(self, batch: SpanBatch) -> None:
        """Hand on the batch. Raises `ConsumeError` only."""
        try:
            await self.next.consume(batch)
        except ConsumeError:
            raise
        except Exception as error:
            if (note := self._reports.note()) is not None:
                self._logger.error(f"a bug in {self._name}: {type(error).__name__} escaped{note}", exc_info=error)
            raise ComponentError(f"{self._name}: {type(error).__name__}: {error}") from error
