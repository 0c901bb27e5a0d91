"""The end of a pipeline that connectors look at.

A connector is shown the spans that the exporters beside it have taken. So it takes nothing away from them, and a
request that is refused and comes again is not counted twice.
"""

from __future__ import annotations

from collections.abc import Sequence

from collector.component import Connector, Consumer
from collector.ledger import Reason
from collector.spans import SpanBatch
from collector.telemetry.occasional import Occasional


class Tap:
    """Hands batches on to `next`, if there is one, and shows connectors what was taken."""

    def __init__(self, next: Consumer | None, connectors: Sequence[Connector]) -> None:
        self._next = next
        self._connectors = tuple(connectors)
        self._reports = Occasional()

    async def consume(self, batch: SpanBatch) -> None:
        """Return when the exporters have taken the batch and the connectors have seen it."""
        if self._next:
            await self._next.consume(batch)
        for connector in self._connectors:
            try:
                connector.consume(batch)
            except Exception as error:
                # The exporters have the spans: it is too late to refuse them.
                connector.settings.account.lose(len(batch), Reason.COMPONENT_ERROR)
                if (note := self._reports.note()) is not None:
                    connector.settings.logger.error(
                        f"a bug in the connector: {type(error).__name__} escaped{note}", exc_info=error
                    )
