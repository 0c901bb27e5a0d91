"""What the native engine does its own way: requests gather into tickets, and are told apart again where it matters."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector.component import Consumer
from collector.errors import PermanentError
from collector.receivers.otlp import OtlpProtocols, OtlpReceiver, OtlpReceiverConfig
from collector.receivers.otlp.native_server import MOST_TICKETS
from collector.spans import SpanBatch
from collector.testing import Blocking, Sink, StubHost, make_request, receiver_settings
from collector.transport.settings import GrpcServerConfig

SERVICE = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@contextlib.asynccontextmanager
async def receiver(next: Consumer, *, one_by_one: bool = False) -> AsyncIterator[tuple[OtlpReceiver, Any]]:
    """A running receiver, and what sends to it."""
    server = GrpcServerConfig(endpoint="localhost:0", engine="native")
    running = OtlpReceiver(OtlpReceiverConfig(protocols=OtlpProtocols(grpc=server)), receiver_settings("otlp"), next)
    running.one_by_one = one_by_one
    await running.start(StubHost())
    try:
        assert running.grpc
        async with grpc.aio.insecure_channel(running.grpc.address) as channel:
            yield running, channel.unary_unary(SERVICE)
    finally:
        await running.shutdown()
        assert running.settings.account.problem() is None


def requests(count: int) -> list[bytes]:
    """Requests of a span each, with names of their own."""
    return [make_request(1, first=number).SerializeToString() for number in range(count)]


class Particular(Sink):
    """Refuses batches with a span of this name, for good."""

    async def consume(self, batch: SpanBatch) -> None:
        request = ExportTraceServiceRequest.FromString(batch.encode())
        names = [span.name for group in request.resource_spans for scope in group.scope_spans for span in scope.spans]
        if "span 3" in names:
            raise PermanentError("not span 3")
        await super().consume(batch)


async def _gathered(downstream: Blocking, call: Any) -> tuple[list[asyncio.Future[bytes]], int]:
    """Send requests that nobody takes until so many tickets are under way, and as many more behind them."""
    waiting = [asyncio.ensure_future(call(data)) for data in requests(3 * MOST_TICKETS)]
    await asyncio.wait_for(downstream.entered.wait(), 10)
    return waiting, len(waiting)


async def test_requests_that_wait_for_the_pipeline_become_one_batch() -> None:
    """The busier the pipeline is, the fewer and larger are its batches, and each client gets its answer."""
    downstream = Blocking()
    async with receiver(downstream) as (running, call):
        waiting, sent = await _gathered(downstream, call)
        downstream.release()
        answers = await asyncio.wait_for(asyncio.gather(*waiting), 10)

        account = running.settings.account.on("grpc")

    assert answers == [b""] * sent
    assert len(downstream) == sent
    assert len(downstream.batches) < sent
    assert (account.requests_accepted, account.accepted) == (sent, sent)


async def test_one_by_one_where_a_span_may_be_refused_for_all() -> None:
    """With `error_mode: propagate` behind it, every request is a batch of its own."""
    sink = Sink()
    async with receiver(sink, one_by_one=True) as (_, call):
        await asyncio.wait_for(asyncio.gather(*map(call, requests(40))), 10)

    assert [len(batch) for batch in sink.batches] == [1] * 40


async def test_a_batch_refused_for_good_is_taken_apart() -> None:
    """Only the request that is to blame is refused; its companions are taken, whatever they were joined with."""
    downstream = Particular()
    async with receiver(downstream) as (running, call):
        calls = map(call, requests(40))
        answers = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 10)

        account = running.settings.account.on("grpc")

    refused = [answer for answer in answers if answer != b""]
    assert len(refused) == 1
    assert isinstance(refused[0], grpc.aio.AioRpcError)
    assert (refused[0].code(), refused[0].details()) == (grpc.StatusCode.INTERNAL, "not span 3")
    assert {span.name for span in downstream.spans} == {f"span {n}" for n in range(40) if n != 3}
    assert (account.accepted, account.refused, account.requests_refused) == (39, 1, 1)


async def test_a_client_that_goes_away_harms_nobody() -> None:
    """Requests that were joined with one whose client is gone are answered all the same."""
    downstream = Blocking()
    async with receiver(downstream) as (_, call):
        waiting, sent = await _gathered(downstream, call)
        waiting[-1].cancel()
        downstream.release()
        answers = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 10)

    assert answers[:-1] == [b""] * (sent - 1)
    assert isinstance(answers[-1], asyncio.CancelledError)


async def test_clients_that_are_gone_before_anybody_looked_leave_nothing_behind() -> None:
    """More of them than there are tickets: each is counted as refused, and the next client is served."""
    sink = Sink()
    async with receiver(sink, one_by_one=True) as (running, call):
        assert running.grpc
        # A client that blocks this thread, and with it the event loop, until its requests have expired.
        with grpc.insecure_channel(running.grpc.address) as channel:
            gone = [channel.unary_unary(SERVICE).future(data, timeout=0.5) for data in requests(2 * MOST_TICKETS)]
            assert {future.exception().code() for future in gone} == {grpc.StatusCode.DEADLINE_EXCEEDED}

        assert await asyncio.wait_for(call(requests(1)[0]), 10) == b""

        account = running.settings.account.on("grpc")
    assert len(sink) == 1
    assert (account.accepted, account.refused) == (1, 2 * MOST_TICKETS)


async def test_the_deadline_of_a_client_is_honoured() -> None:
    """Nobody works for a client that does not wait any more."""
    downstream = Blocking()
    async with receiver(downstream) as (_, call):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(requests(1)[0], timeout=0.2)
        downstream.release()

    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    """An HTTP/2 frame: RFC 9113, section 4.1."""
    return len(body).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + body


SETTINGS = frame(4, 0, 0, b"")
HOSTILE = {
    "plain HTTP/1.1": b"POST /v1/traces HTTP/1.1\r\nHost: a\r\n\r\n",
    "a TLS handshake": bytes.fromhex("1603010200010001fc0303") + b"\x00" * 64,
    "half a preface": PREFACE[:10],
    "a frame longer than allowed": PREFACE + SETTINGS + (1 << 20).to_bytes(3, "big") + b"\x00\x00\x00\x00\x00\x01",
    "data on a stream that is not open": PREFACE + SETTINGS + frame(0, 1, 1, b"data"),
    "headers that do not decode": PREFACE + SETTINGS + frame(1, 4, 1, b"\xff" * 40),
    "headers without end": PREFACE + SETTINGS + frame(1, 0, 1, b"\x00" * 100) + frame(9, 0, 1, b"\x00" * 9000) * 40,
    "a flood of pings": PREFACE + SETTINGS + frame(6, 0, 0, b"ping-png") * 5000,
    "a flood of settings": PREFACE + SETTINGS * 5000,
    "streams reset as soon as they open": PREFACE
    + SETTINGS
    + b"".join(
        frame(1, 4, stream, b"\x83\x86\x84\x41\x01a") + frame(3, 0, stream, b"\x00\x00\x00\x08")
        for stream in range(1, 4001, 2)
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_connections_harm_nobody(name: str) -> None:
    """Others are served while it lasts, and the connection does not keep the server from ending."""
    sink = Sink()
    async with receiver(sink) as (running, call):
        assert running.grpc
        host, _, port = running.grpc.address.rpartition(":")
        _, hostile = await asyncio.open_connection(host, int(port))
        with contextlib.suppress(ConnectionError):
            hostile.write(HOSTILE[name])
            await asyncio.wait_for(hostile.drain(), 10)

        answers = await asyncio.wait_for(asyncio.gather(*map(call, requests(20))), 10)

        await asyncio.wait_for(running.shutdown(), 10)
        hostile.close()
        with contextlib.suppress(ConnectionError):
            await hostile.wait_closed()
    assert answers == [b""] * 20
    assert len(sink) == 20


async def test_mutated_connections_harm_nobody() -> None:
    """Bytes of a good connection, changed at random: the server goes on, and counts rightly."""
    chance = random.Random(5)
    good = PREFACE + SETTINGS + frame(1, 4, 1, b"\x83\x86\x84\x41\x01a") + frame(0, 1, 1, b"\x00\x00\x00\x00\x00")
    sink = Sink()
    async with receiver(sink) as (running, call):
        assert running.grpc
        host, _, port = running.grpc.address.rpartition(":")
        for _ in range(300):
            data = bytearray(good)
            for _ in range(chance.randint(1, 6)):
                data[chance.randrange(len(PREFACE) if chance.random() < 0.1 else len(data))] = chance.randrange(256)
            _, writer = await asyncio.open_connection(host, int(port))
            writer.write(data)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
        await asyncio.wait_for(asyncio.gather(*map(call, requests(20))), 10)

        account = running.settings.account.on("grpc")
    assert len(sink) == 20
    assert (account.accepted, account.requests_accepted) == (20, 20)
