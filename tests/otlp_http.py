"""What tests of OTLP/HTTP share: a running receiver, and a client of the standard library."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from collector.component import Consumer
from collector.receivers.otlp import OtlpProtocols, OtlpReceiver, OtlpReceiverConfig
from collector.receivers.otlp.http_config import OtlpHttpConfig
from collector.testing import StubHost, receiver_settings

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
PATH = "/v1/traces"


@contextlib.asynccontextmanager
async def http_receiver(next: Consumer, **options: Any) -> AsyncIterator[OtlpReceiver]:
    """A receiver that speaks HTTP only. In the end its account balances."""
    http = OtlpHttpConfig(**{"endpoint": "localhost:0", **options})
    running = OtlpReceiver(OtlpReceiverConfig(protocols=OtlpProtocols(http=http)), receiver_settings("otlp"), next)
    await running.start(StubHost())
    try:
        yield running
    finally:
        await asyncio.wait_for(running.shutdown(), 20)
        assert running.settings.account.problem() is None


def address(running: OtlpReceiver) -> tuple[str, int]:
    assert running.http is not None
    host, _, port = running.http.address.rpartition(":")
    return host, int(port)


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def problem(self) -> Status:
        """The body of a refusal in protobuf."""
        return Status.FromString(self.body)

    @property
    def delay(self) -> float | None:
        """Seconds after which the client may come back, as the details of the body say."""
        info = RetryInfo()
        for detail in self.problem.details:
            assert detail.Unpack(info)
            return info.retry_delay.ToMilliseconds() / 1000
        return None


def exchange(
    connection: http.client.HTTPConnection, body: Any, headers: Mapping[str, str], method: str, path: str
) -> Answer:
    connection.request(method, path, body, dict(headers))
    response = connection.getresponse()
    # Names come in lower case over either version.
    return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())


async def post(
    running: OtlpReceiver,
    body: Any,
    content_type: str | None = PROTOBUF,
    *,
    method: str = "POST",
    path: str = PATH,
    **headers: str,
) -> Answer:
    """Send a request on a connection of its own, in a thread: the receiver runs on this loop."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    if content_type is not None:
        fields["content-type"] = content_type
    connection = http.client.HTTPConnection(*address(running), timeout=20)
    with contextlib.closing(connection):
        return await asyncio.to_thread(exchange, connection, body, fields, method, path)


async def raw(running: OtlpReceiver, data: bytes) -> bytes:
    """Send bytes, and give all that comes until the server hangs up."""
    reader, writer = await asyncio.open_connection(*address(running))
    try:
        writer.write(data)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        return await asyncio.wait_for(reader.read(), 15)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def head(length: int | None = None, *more: str, method: str = "POST", path: str = PATH) -> bytes:
    """The head of a request in HTTP/1.1."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Type: {PROTOBUF}", *more]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
