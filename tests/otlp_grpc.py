"""What tests of OTLP/gRPC share: a running receiver on either engine, and grpcio as its client."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import grpc.aio
import pytest

from collector.component import Consumer
from collector.receivers.otlp import OtlpProtocols, OtlpReceiver, OtlpReceiverConfig
from collector.testing import StubHost, receiver_settings
from collector.transport.settings import GrpcServerConfig

SERVICE = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@contextlib.asynccontextmanager
async def running_receiver(next: Consumer, **grpc_options: Any) -> AsyncIterator[OtlpReceiver]:
    config = OtlpReceiverConfig(
        protocols=OtlpProtocols(grpc=GrpcServerConfig(**{"endpoint": "localhost:0", **grpc_options}))
    )
    running = OtlpReceiver(config, receiver_settings("otlp"), next)
    await running.start(StubHost())
    try:
        yield running
    finally:
        await running.shutdown()
        assert running.settings.account.problem() is None


Receive = Callable[..., contextlib.AbstractAsyncContextManager[OtlpReceiver]]


def address(running: OtlpReceiver) -> str:
    assert running.grpc is not None
    return running.grpc.address


async def send(
    target: str,
    data: bytes,
    *,
    method: str = SERVICE,
    credentials: grpc.ChannelCredentials | None = None,
    options: list[tuple[str, str]] | None = None,
    **call: Any,
) -> bytes:
    """Send a request on a channel of its own, and give the answer. Raises `grpc.aio.AioRpcError`."""
    opened = (
        grpc.aio.secure_channel(target, credentials, options)
        if credentials
        else grpc.aio.insecure_channel(target, options)
    )
    async with opened as channel:
        answer: bytes = await channel.unary_unary(method)(data, timeout=10, **call)
        return answer


async def refusal(target: str, data: bytes, **call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await send(target, data, **call)
    return caught.value
