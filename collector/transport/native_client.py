"""OTLP clients without grpcio: the kernel sends on a thread of its own, and Python hears how calls ended.

A call is a number. The outcomes of all calls that have ended since the last look come with one wake-up.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
from collections.abc import Mapping

from collector._kernel import ClientCounts, OtlpClient, Outcome
from collector.errors import RetryableError
from collector.spans import SpanBatch
from collector.transport.client import GrpcClientConfig, addresses, agent
from collector.transport.statuses import OK, refusal

CONNECT_TIMEOUT = 20.0
"""Seconds for one address, as with gRPC."""
BACKOFF = (0.5, 5.0)
"""Seconds in which a failed connection is not tried again, at first and at most."""
MOST_CONNECTIONS = 8
"""To one address. There is one, unless more requests are under way than the server takes on it."""

_CLOSED = "the client is closed"


class NativeClient:
    """Sends batches and gives outcomes, of whichever protocol the settings say: `kernel/src/net/client/settings.rs`."""

    def __init__(self, settings: Mapping[str, object]) -> None:
        self._settings = settings
        self._client: OtlpClient | None = None
        self._numbers = itertools.count()
        self._calls: dict[int, asyncio.Future[Outcome]] = {}

    def open(self) -> None:
        """Start the thread. It connects when there is something to send."""
        client = self._client = OtlpClient(self._settings)
        asyncio.get_running_loop().add_reader(client.fileno(), self._hear, client)

    async def call(self, batch: SpanBatch) -> Outcome:
        """Send a batch. Raises `RetryableError` if the client is closed meanwhile. Cancelling breaks the call off."""
        if self._client is None:
            raise RetryableError(_CLOSED)
        number = next(self._numbers)
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._calls[number] = outcome
        self._client.send(batch, number)
        try:
            return await outcome
        except asyncio.CancelledError:
            if self._client:
                self._client.cancel(number)
            raise
        finally:
            del self._calls[number]

    def counts(self) -> ClientCounts:
        """What became of connections, while the client is open."""
        if self._client is None:
            raise RetryableError(_CLOSED)
        return self._client.counts()

    async def close(self) -> None:
        """Break calls off and close the connections. May be called twice, and without `open`."""
        client, self._client = self._client, None
        if client is None:
            return
        asyncio.get_running_loop().remove_reader(client.fileno())
        for outcome in self._calls.values():
            if not outcome.done():
                outcome.set_exception(RetryableError(_CLOSED))
        await asyncio.to_thread(client.join)

    def _hear(self, client: OtlpClient) -> None:
        """Take the outcomes that there are: the kernel has rung."""
        client.clear()
        for number, outcome in client.take():
            call = self._calls.get(number)
            # Who has gone away does not want to know.
            if call is not None and not call.done():
                call.set_result(outcome)


class NativeGrpcClient:
    """A client for one method. `timeout` is told to the server with every request; 0 is none."""

    def __init__(self, config: GrpcClientConfig, method: str, timeout: float) -> None:
        self._client = NativeClient(_settings(config, method, timeout))

    def open(self) -> None:
        """Start the client."""
        self._client.open()

    async def call(self, batch: SpanBatch) -> bytes:
        """Send one request and give the answer. Raises `ConsumeError`."""
        outcome = await self._client.call(batch)
        if outcome.status == OK:
            return outcome.body
        raise refusal(outcome.status, outcome.message, outcome.details)

    def counts(self) -> ClientCounts:
        """What became of connections, while the client is open."""
        return self._client.counts()

    async def close(self) -> None:
        """Close the client. May be called twice, and without `open`."""
        await self._client.close()


def _settings(config: GrpcClientConfig, method: str, timeout: float) -> dict[str, object]:
    target = addresses(config.endpoint)
    keepalive = config.keepalive
    headers = [(name, _text(value)) for name, value in config.metadata if name != "user-agent"]
    return {
        "target": target,
        "protocol": "grpc",
        "authority": config.authority or _authority(target),
        "path": method,
        "headers": [("user-agent", config.user_agent or agent()), *headers],
        "encoding": "identity" if config.compression in {"", "none"} else config.compression,
        "level": None,
        "timeout": timeout,
        "connect_timeout": CONNECT_TIMEOUT,
        "backoff": BACKOFF,
        "spread": config.balancer_name != "pick_first",
        "wait_for_ready": config.wait_for_ready,
        "max_connections": MOST_CONNECTIONS,
        "max_idle_connections": MOST_CONNECTIONS,
        "idle_timeout": 0.0,
        "keepalive_time": float(keepalive.time) if keepalive else 0.0,
        "keepalive_timeout": float(keepalive.timeout) if keepalive else 0.0,
        "keepalive_idle": bool(keepalive and keepalive.permit_without_stream),
    }


def _authority(target: Mapping[str, object]) -> str:
    """What the server is called in requests."""
    if "unix" in target:
        return "localhost"
    host, port = target["hosts"][0]  # type: ignore[index]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _text(value: str | bytes) -> str:
    """A header as it goes over the wire: binary ones in base64."""
    return value if isinstance(value, str) else base64.b64encode(value).decode().rstrip("=")
