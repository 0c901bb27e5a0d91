"""Clients of gRPC that ping more often than they may: the native engine lets them go, as grpcio does by itself."""

from __future__ import annotations

import asyncio
import contextlib

from otlp_grpc import address, running_receiver, send

from collector.config.types import Duration
from collector.testing import Sink, make_request, until
from collector.transport.settings import KeepaliveEnforcementPolicy, KeepaliveServerConfig
from testbed.hostile.frames import ACK, PREFACE, Frame, Type, read_frame


async def _pinged(target: str, count: int, *, too_often: bool) -> tuple[int, bool]:
    """Ping so many times in a row, and wait until all are answered, or until the server asks to go."""
    host, _, port = target.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    answered, dismissed = 0, False
    try:
        writer.write(PREFACE + Frame(Type.SETTINGS, 0, 0).encode())
        for number in range(count):
            writer.write(Frame(Type.PING, 0, 0, number.to_bytes(8, "big")).encode())
        while not dismissed if too_often else answered < count:
            frame = await asyncio.wait_for(read_frame(reader), 10)
            answered += frame.type == Type.PING and bool(frame.flags & ACK)
            dismissed = frame.type == Type.GOAWAY
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    return answered, dismissed


async def test_who_pings_too_often_is_asked_to_go() -> None:
    """The default is the Go collector's: every five minutes, and others are served all the same."""
    sink = Sink()
    async with running_receiver(sink, engine="native") as running:
        _, dismissed = await _pinged(address(running), 200, too_often=True)
        await send(address(running), make_request(1).SerializeToString())

    assert dismissed
    assert len(sink) == 1


async def test_it_is_counted() -> None:
    """As a connection that ended because of what was sent."""
    async with running_receiver(Sink(), engine="native") as running:
        await _pinged(address(running), 200, too_often=True)
        await until(lambda: running.settings.account.on("grpc").broken_connections == 1)


async def test_pings_may_be_allowed() -> None:
    """`enforcement_policy` says how often."""
    policy = KeepaliveEnforcementPolicy(min_time=Duration.parse("1ns"), permit_without_stream=True)
    keepalive = KeepaliveServerConfig(enforcement_policy=policy)
    async with running_receiver(Sink(), engine="native", keepalive=keepalive) as running:
        answered, dismissed = await _pinged(address(running), 20, too_often=False)

    assert (answered, dismissed) == (20, False)
