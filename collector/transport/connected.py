"""What exporters of all signals have in common that send over a connection of their own."""

from __future__ import annotations

from typing import Protocol

from collector.component import Component, Delivery, Host, Reference
from collector.spans import SpanBatch


class Connection(Protocol):
    """Somebody to send requests to."""

    def references(self) -> list[Reference]:
        """The extension that knows as whom to send."""

    @property
    def is_stale(self) -> bool:
        """Whether certificates have changed since it was opened."""

    def open(self, host: Host) -> None:
        """Make the client, which connects later. Raises `StartError`."""

    async def send(self, request: SpanBatch | bytes) -> Delivery:
        """Send the request once. Raises `RetryableError`, `PermanentError` or `TooLargeError`."""

    async def close(self) -> None:
        """Close the client."""


class Connected(Component):
    """A component that lives as long as its connection."""

    connection: Connection

    def references(self) -> list[Reference]:
        """The extension that knows as whom to send."""
        return self.connection.references()

    @property
    def is_stale(self) -> bool:
        """Whether the certificates have changed since the start."""
        return self.connection.is_stale

    async def start(self, host: Host) -> None:
        """Make the client, which connects later. Raises `StartError`."""
        self.connection.open(host)

    async def shutdown(self) -> None:
        """Close the client."""
        await self.connection.close()
