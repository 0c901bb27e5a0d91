"""What processors with OTTL share: options, and the account of what cannot be evaluated."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from collector._kernel import OpCounts
from collector.component import Settings
from collector.config.types import ANY_CASE, Notice
from collector.ledger import ProcessorAccount
from collector.telemetry.metrics import MetricKind, Sample
from collector.telemetry.occasional import Occasional

OtherSignal = Annotated[Any, Notice("has no effect here: Spanmill takes traces only")]
"""Conditions or statements for metrics, logs or profiles."""

ErrorMode = Annotated[Literal["ignore", "silent", "propagate"], ANY_CASE]
"""What becomes of a condition or statement that cannot be evaluated."""

Context = Annotated[Literal["resource", "scope", "span", "spanevent"], ANY_CASE]
"""What a condition is asked about, or a statement runs for."""


class Failures:
    """Conditions and statements that could not be evaluated: counted one by one, and logged now and then."""

    def __init__(self, settings: Settings[ProcessorAccount], consequence: str) -> None:
        self._settings = settings
        self._consequence = consequence
        self._occasional = Occasional()
        self._counts: dict[str, int] = {}
        settings.metrics.register(
            "spanmill_processor_failed_evaluations",
            MetricKind.COUNTER,
            "OTTL conditions and statements that could not be evaluated, by where they stand in the processor.",
            self._samples,
        )

    def note(self, counts: Iterable[OpCounts]) -> None:
        """Add up what failed in a pass."""
        for count in counts:
            if not count.failed:
                continue
            for place, failed in count.tallies.items():
                if failed:
                    self._counts[place] = self._counts.get(place, 0) + failed
            if count.first_failure and (note := self._occasional.note()) is not None:
                self._settings.logger.warning("%s: %s%s", self._consequence, count.first_failure, note)

    def _samples(self) -> Iterable[Sample]:
        for place, failed in self._counts.items():
            yield Sample({"processor": self._settings.id, "option": place}, failed)
