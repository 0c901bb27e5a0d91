"""Exporters that tests of a reload look into."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import pytest

from collector.component import Delivery, Exporter, Kind
from collector.errors import RetryableError
from collector.sending.config import SendingConfig
from collector.spans import SpanBatch
from collector.testing import known


class StoreConfig(SendingConfig):
    """Settings of `store`."""

    to: str = "a"
    """Which backend: a is one, b is another."""


class Store(Exporter):
    """Keeps what it delivers by its backend, of which some are down."""

    config_type = StoreConfig
    config: StoreConfig
    backends: defaultdict[str, list[SpanBatch]] = defaultdict(list)
    down: set[str] = set()

    async def export(self, batch: SpanBatch) -> Delivery:
        if self.config.to in self.down:
            raise RetryableError("it is down", retry_after=0.01)
        self.backends[self.config.to].append(batch)
        return Delivery()

    @classmethod
    def arrived(cls, backend: str) -> int:
        """How many spans a backend has."""
        return sum(len(batch) for batch in cls.backends[backend])


@pytest.fixture(autouse=True)
def store() -> Iterator[type[Store]]:
    """The exporter `store`, whose backends are up and empty."""
    Store.backends.clear()
    Store.down.clear()
    with known(Kind.EXPORTER, store=Store):
        yield Store
