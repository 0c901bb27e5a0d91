"""The line between components: what crosses it is a `ConsumeError` or nothing.

An exception that is none of ours is a bug in a component. It must cost one batch and no more: it is logged with its
traceback, and goes on upstream as a `ComponentError`, which everybody knows how to handle.
"""

from __future__ import annotations

import logging
import time

from collector.component import Consumer
from collector.errors import ComponentError, ConsumeError
from collector.spans import SpanBatch

_TRACEBACK_EVERY = 10.0
"""Seconds. A component that fails for one batch mostly fails for the next thousand as well."""


class Guard:
    """Stands before a component and translates what is none of ours."""

    def __init__(self, next: Consumer, name: str, logger: logging.Logger) -> None:
        self.next = next
        self._name = name
        self._logger = logger
        self._log_from = 0.0
        self._unlogged = 0

    async def consume(self, batch: SpanBatch) -> None:
        """Hand on the batch. Raises `ConsumeError` only."""
        try:
            await self.next.consume(batch)
        except ConsumeError:
            raise
        except Exception as error:
            self._log(error)
            raise ComponentError(f"{self._name}: {type(error).__name__}: {error}") from error

    def _log(self, error: Exception) -> None:
        now = time.monotonic()
        if now < self._log_from:
            self._unlogged += 1
            return
        before = f" ({self._unlogged} more since the last report)" if self._unlogged else ""
        self._logger.error(
            f"a bug in {self._name}: {type(error).__name__} escaped, the batch was refused{before}", exc_info=error
        )
        self._log_from = now + _TRACEBACK_EVERY
        self._unlogged = 0
