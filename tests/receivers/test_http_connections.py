"""Connections of OTLP/HTTP that lie, dawdle, break off or come in numbers, and what becomes of their neighbours."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import random
import time
from collections.abc import AsyncIterator

import grpc
import grpc.aio
import pytest
from otlp_http import PATH, PROTOBUF, Answer, address, exchange, head, http_receiver, post, raw

from collector.receivers.otlp import OtlpProtocols, OtlpReceiver, OtlpReceiverConfig, native_server
from collector.testing import Blocking, Sink, StubHost, make_request, receiver_settings, until
from collector.transport.connections import Troubles, most_connections
from collector.transport.settings import GrpcServerConfig

REQUEST = make_request(3).SerializeToString()
EMPTY_CHUNK = b"0\r\n\r\n"


def statuses(answer: bytes) -> list[int]:
    """The statuses of all answers on a connection."""
    return [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]


def account(running: OtlpReceiver, transport: str = "http") -> tuple[int, int]:
    """Clients that were too slow, and connections that were broken."""
    found = running.settings.account.on(transport)
    return found.slow_clients, found.broken_connections


# --- Lies


LIES: dict[str, tuple[bytes, list[int]]] = {
    "a length and chunks: the chunks count, and it is the last request": (
        head(5, "Transfer-Encoding: chunked") + EMPTY_CHUNK + head(len(REQUEST)) + REQUEST,
        [200],
    ),
    "chunks and a length": (
        head(None, "Transfer-Encoding: chunked", "Content-Length: 5") + EMPTY_CHUNK + head(len(REQUEST)) + REQUEST,
        [200],
    ),
    "two lengths that differ": (head(5, "Content-Length: 6") + b"abcdef", [400]),
    "a length that is no number": (head(None, "Content-Length: five") + b"abcde", [400]),
    "a length below zero": (head(None, "Content-Length: -5") + b"abcde", [400]),
    "a length beyond all numbers": (head(None, f"Content-Length: {2**70}") + b"abcde", [400]),
    "chunks that are not the last encoding": (head(None, "Transfer-Encoding: chunked, gzip") + EMPTY_CHUNK, [400]),
    "an encoding nobody knows": (head(None, "Transfer-Encoding: xchunked") + EMPTY_CHUNK, [400]),
    "a chunk whose length is no number": (head(None, "Transfer-Encoding: chunked") + b"zz\r\n", [400]),
    "a chunk with a length beyond all numbers": (head(None, "Transfer-Encoding: chunked") + b"f" * 17 + b"\r\n", [400]),
    "a body longer than its length": (head(0) + b"GARBAGE GARBAGE\r\n\r\n", [200, 400]),
    "a length over the limit": (head(1 << 40), [413]),
    "a header that is folded": (head(0, "X: a\r\n b"), [400]),
    "a space before the colon": (head(0, "Transfer-Encoding : chunked"), [400]),
    "a zero byte in a header": (head(0, "X: a\0b"), [400]),
    "headers without end": (head(0, *(f"X-{n}: {'x' * 1000}" for n in range(100))), [431]),
    "more headers than anybody needs": (head(0, *(f"X-{n}: x" for n in range(200))), [431]),
    "a path without end": (head(0, path="/" + "x" * 70_000), [414, 431]),
    "no HTTP at all": (b"\x00\x01\x02\x03 nonsense\r\n\r\n", [400]),
    "a TLS handshake": (bytes.fromhex("1603010200010001fc0303") + b"\x00" * 64, [400]),
    "half a preface": (b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", [400]),
}


@pytest.mark.parametrize("name", LIES)
async def test_a_connection_that_lies_is_refused_and_closed(name: str) -> None:
    """No bytes are ever taken for a request that is not one, and others are served."""
    data, expected = LIES[name]
    sink = Sink()
    async with http_receiver(sink) as running:
        answer = await raw(running, data)
        assert (await post(running, REQUEST)).status == 200

    assert statuses(answer) == expected or (len(expected) > 1 and statuses(answer) in [[one] for one in expected])
    assert len(sink) == 3


async def test_who_asks_before_the_body_is_told_whether_to_send_it() -> None:
    """A body that will not be taken need not be sent."""
    sink = Sink()
    async with http_receiver(sink) as running:
        taken = await raw(running, head(len(REQUEST), "Expect: 100-continue", "Connection: close") + REQUEST)
        too_large = await raw(running, head(1 << 30, "Expect: 100-continue"))
        lost = await raw(running, head(100, "Expect: 100-continue", "Connection: close", path="/v1/logs"))

    assert [statuses(answer) for answer in (taken, too_large, lost)] == [[100, 200], [413], [404]]
    assert len(sink) == 3


async def test_mutated_connections_harm_nobody() -> None:
    """Bytes of a good connection, changed at random: the server goes on, and counts rightly."""
    chance = random.Random(7)
    good = head(len(REQUEST), "Connection: close") + REQUEST
    sink = Sink()
    async with http_receiver(sink) as running:
        for _ in range(300):
            data = bytearray(good)
            for _ in range(chance.randint(1, 4)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            _, writer = await asyncio.open_connection(*address(running))
            writer.write(data)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
        assert (await post(running, REQUEST)).status == 200


# --- Half of a request


@pytest.mark.parametrize("data", [b"", b"PO", head(10)[:-2], head(10), head(10) + b"half"])
async def test_a_client_that_goes_away_in_the_middle_leaves_nothing(data: bytes) -> None:
    """Wherever it was; what was there of the body is no request."""
    sink = Sink()
    async with http_receiver(sink) as running:
        _, writer = await asyncio.open_connection(*address(running))
        writer.write(data)
        writer.close()
        await writer.wait_closed()
        assert (await post(running, REQUEST)).status == 200

        assert account(running) == (0, 0)
    assert len(sink) == 3


async def test_a_client_that_hangs_up_takes_its_request_back() -> None:
    """As with gRPC: nobody waits for the answer, and the spans count as refused."""
    downstream = Blocking()
    async with http_receiver(downstream) as running:
        _, writer = await asyncio.open_connection(*address(running))
        writer.write(head(len(REQUEST)) + REQUEST)
        await asyncio.wait_for(downstream.entered.wait(), 5)

        writer.write_eof()
        await until(lambda: not downstream.waiting)
        writer.close()

        found = running.settings.account.on("http")
    assert len(downstream) == 0
    assert (found.received, found.refused) == (3, 3)


# --- Slow ones


@pytest.mark.parametrize("data", [b"", b"P", b"PRI * HTTP/2.0\r\n", head(10)[:-2]])
async def test_a_head_that_takes_too_long_is_cut(data: bytes) -> None:
    """Counted from the opening of the connection; others are served."""
    sink = Sink()
    async with http_receiver(sink, read_header_timeout=0.3) as running:
        slow = asyncio.create_task(raw(running, data))
        for _ in range(5):
            assert (await post(running, REQUEST)).status == 200
        answer = await slow
        await until(lambda: account(running) == (1, 0))

    assert answer == b""
    assert len(sink) == 15


async def test_a_later_head_that_takes_too_long_is_cut() -> None:
    """Counted from its first byte: between requests a connection may be silent for longer."""
    async with http_receiver(Sink(), read_header_timeout=0.3) as running:
        reader, writer = await asyncio.open_connection(*address(running))
        writer.write(head(0))
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        # Another one is cut meanwhile, which shows that the time has passed.
        assert await raw(running, b"POST") == b""
        writer.write(head(0))
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        writer.write(b"POST")

        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        await until(lambda: account(running) == (2, 0))


async def test_a_body_that_takes_too_long_is_cut() -> None:
    """Its client is told, when it still listens, and others are served."""
    sink = Sink()
    async with http_receiver(sink, read_timeout=0.3) as running:
        drip = asyncio.create_task(raw(running, head(1000) + b"drip"))
        chunks = asyncio.create_task(raw(running, head(None, "Transfer-Encoding: chunked") + b"5\r\nab"))
        for _ in range(5):
            assert (await post(running, REQUEST)).status == 200
        answers = await asyncio.gather(drip, chunks)
        await until(lambda: account(running) == (2, 0))

    assert [statuses(answer) for answer in answers] == [[408], [408]]
    assert all(b"connection: close" in answer for answer in answers)
    assert len(sink) == 15


async def test_hundreds_of_slow_clients_keep_nobody_waiting() -> None:
    """Heads and bodies that drip, all at once: each is cut, and in between requests are served as ever."""
    sink = Sink()
    async with http_receiver(sink, read_header_timeout=1, read_timeout=1) as running:
        slow = [asyncio.create_task(raw(running, data)) for data in [b"POST /v1", head(9000) + b"drip"] * 150]
        for _ in range(20):
            assert (await asyncio.wait_for(post(running, REQUEST), 5)).status == 200
        answers = await asyncio.gather(*slow)
        await until(lambda: account(running) == (300, 0))

    assert [statuses(answer) for answer in answers] == [[], [408]] * 150
    assert len(sink) == 60


async def test_a_slow_pipeline_is_no_slow_client() -> None:
    """The times are those of the client: once its request is there, it may wait."""
    downstream = Blocking()
    async with http_receiver(downstream, read_timeout=0.1, read_header_timeout=0.1, idle_timeout=0.1) as running:
        waiting = asyncio.create_task(post(running, REQUEST))
        await asyncio.wait_for(downstream.entered.wait(), 5)
        # Whoever is too slow is cut meanwhile, which shows that the time has passed.
        await raw(running, b"POST")
        assert not waiting.done()
        downstream.release()

        assert (await waiting).status == 200


async def test_the_body_of_a_grpc_request_may_not_dawdle_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds a share of the memory for all."""
    monkeypatch.setattr(native_server, "BODY", 0.3)
    sink = Sink()
    async with grpc_receiver(sink) as running:
        assert running.grpc
        async with grpc.aio.insecure_channel(running.grpc.address) as channel:
            call = channel.stream_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await asyncio.wait_for(call, 10)
            answer = await channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")(REQUEST)

        await until(lambda: account(running, "grpc") == (1, 0))
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert "took too long to arrive" in (caught.value.details() or "")
    assert (answer, len(sink)) == (b"", 3)


@contextlib.asynccontextmanager
async def grpc_receiver(sink: Sink) -> AsyncIterator[OtlpReceiver]:
    server = GrpcServerConfig(endpoint="localhost:0", engine="native")
    running = OtlpReceiver(OtlpReceiverConfig(protocols=OtlpProtocols(grpc=server)), receiver_settings("otlp"), sink)
    await running.start(StubHost())
    try:
        yield running
    finally:
        await running.shutdown()


async def test_an_idle_connection_is_closed_when_that_is_asked_for() -> None:
    """Between requests, and not counted as anybody's fault."""
    async with http_receiver(Sink(), idle_timeout=0.2) as running:
        answer = await raw(running, head(0))
        assert account(running) == (0, 0)

    assert statuses(answer) == [200]


async def test_keep_alive_can_be_switched_off() -> None:
    """Then each connection brings one request."""
    async with http_receiver(Sink(), keep_alives_enabled=False) as running:
        answer = await raw(running, head(0) + head(0))

    assert statuses(answer) == [200]
    assert b"connection: close" in answer


async def test_requests_in_a_row_are_answered_in_a_row() -> None:
    """A client need not wait for an answer before it sends the next request."""
    sink = Sink()
    async with http_receiver(sink) as running:
        answer = await raw(running, (head(len(REQUEST)) + REQUEST) * 20 + head(0, "Connection: close"))

    assert statuses(answer) == [200] * 21
    assert len(sink) == 60


# --- Many of them


async def test_hundreds_of_connections_are_kept_open() -> None:
    """Each brings requests one after the other, and all are served."""
    sink = Sink()
    async with http_receiver(sink) as running:
        connections = [http.client.HTTPConnection(*address(running), timeout=30) for _ in range(500)]

        def rounds() -> list[int]:
            return [
                exchange(connection, REQUEST, {"content-type": PROTOBUF}, "POST", PATH).status
                for _ in range(2)
                for connection in connections
            ]

        answers = await asyncio.to_thread(rounds)
        sockets = [connection.sock for connection in connections]
        for connection in connections:
            connection.close()

    assert answers == [200] * 1000
    assert all(sockets), "nobody was asked to connect anew"
    assert len(sink) == 3000


async def test_connections_beyond_the_bound_wait_for_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are not turned away, and it is counted."""
    monkeypatch.setattr(native_server, "most_connections", lambda: 2)
    sink = Sink()
    async with http_receiver(sink) as running:
        first, second = [await asyncio.open_connection(*address(running)) for _ in range(2)]
        for reader, writer in (first, second):
            writer.write(head(0))
            assert b"200 OK" in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        third = asyncio.create_task(post(running, REQUEST))
        await until(lambda: running.settings.account.on("http").crowded)
        assert not third.done()

        first[1].close()

        assert (await asyncio.wait_for(third, 10)).status == 200
        second[1].close()
    assert len(sink) == 3


def test_there_are_descriptors_for_as_many_connections() -> None:
    """At least a few, at most ten thousand."""
    assert 16 <= most_connections() <= 10_000


def test_troubles_are_reported_once_a_minute() -> None:
    """The first at once, what follows together."""
    troubles = Troubles()

    assert troubles.note(slow=0, broken=0, strangers=0, crowded=0, now=0) is None
    assert troubles.note(slow=2, broken=0, strangers=0, crowded=0, now=1) == (
        "connections of clients: 2 cut because a request took too long to arrive"
    )
    assert troubles.note(slow=1, broken=1, strangers=1, crowded=0, now=30) is None
    assert troubles.note(slow=0, broken=1, strangers=0, crowded=3, now=62) == (
        "connections of clients: 1 cut because a request took too long to arrive, 2 broken off because of what was"
        " sent, 1 came to no TLS, 3 kept waiting because there are too many"
    )
    assert troubles.note(slow=0, broken=0, strangers=0, crowded=0, now=200) is None


# --- The end


async def _until_refused(place: tuple[str, int], tries: int = 100) -> None:
    for _ in range(tries):
        try:
            _, writer = await asyncio.open_connection(*place)
        except ConnectionError:
            return
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    pytest.fail("connections are accepted for ever")


async def test_shutdown_answers_what_is_under_way_and_closes_what_is_idle() -> None:
    """A request that has arrived is finished, its connection is closed, and no other is accepted."""
    downstream = Blocking()
    async with http_receiver(downstream) as running:
        place = address(running)
        idle = await asyncio.open_connection(*place)
        idle[1].write(head(0))
        await asyncio.wait_for(idle[0].readuntil(b"\r\n\r\n"), 5)
        under_way = asyncio.create_task(raw(running, head(len(REQUEST)) + REQUEST))
        await asyncio.wait_for(downstream.entered.wait(), 5)

        stopping = asyncio.create_task(running.shutdown())
        assert await asyncio.wait_for(idle[0].read(), 5) == b""
        # The listener goes in the same turn as the idle connection, behind it or before.
        await _until_refused(place)
        assert not stopping.done()
        downstream.release()

        answer = await under_way
        await asyncio.wait_for(stopping, 5)
        idle[1].close()
    assert statuses(answer) == [200]
    assert b"connection: close" in answer
    assert len(downstream) == 3


async def test_a_drain_under_load_loses_nothing_that_was_answered() -> None:
    """Whoever read a 200 has its spans taken; whoever did not knows that it must send again."""
    sink = Sink()
    taken = 0

    def sender(place: tuple[str, int]) -> int:
        accepted = 0
        connection = http.client.HTTPConnection(*place, timeout=10)
        try:
            while True:
                answer: Answer = exchange(connection, REQUEST, {"content-type": PROTOBUF}, "POST", PATH)
                assert answer.status in {200, 503}
                accepted += answer.status == 200
        except (OSError, http.client.HTTPException):
            return accepted
        finally:
            connection.close()

    async with http_receiver(sink) as running:
        senders = [asyncio.create_task(asyncio.to_thread(sender, address(running))) for _ in range(8)]
        await until(lambda: len(sink) > 300)
        await asyncio.wait_for(running.shutdown(), 10)
        taken = sum(await asyncio.wait_for(asyncio.gather(*senders), 20))

    assert taken >= 100
    assert 0 <= len(sink) - 3 * taken <= 3 * 8, "at most the last request of each was taken and not heard of"


async def test_a_shutdown_that_is_cancelled_breaks_off() -> None:
    """At the deadline nobody waits for a stuck pipeline: its clients are told, and keep their spans."""
    downstream = Blocking()
    async with http_receiver(downstream) as running:
        under_way = asyncio.create_task(raw(running, head(len(REQUEST)) + REQUEST))
        await asyncio.wait_for(downstream.entered.wait(), 5)

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(running.shutdown(), 0.05)
        answer = await under_way

        found = running.settings.account.on("http")
    assert statuses(answer) in ([], [503])
    assert (found.received, found.refused) == (3, 3)


async def test_an_unfinished_body_does_not_hold_up_the_end() -> None:
    """A drain waits for what arrives; the deadline of the body bounds that."""
    async with http_receiver(Sink(), read_timeout=0.5) as running:
        dawdler = asyncio.create_task(raw(running, head(1000) + b"drip"))
        await post(running, REQUEST)
        began = time.monotonic()
        await asyncio.wait_for(running.shutdown(), 10)
        await dawdler

    assert time.monotonic() - began < 5
