"""The OTLP receiver, spoken to by a real gRPC client."""

from __future__ import annotations

import asyncio
import gzip
from typing import Literal

import grpc
import grpc.aio
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from otlp_grpc import SERVICE, Receive, address, refusal, send

from collector.errors import (
    ComponentError,
    ConsumeError,
    MalformedError,
    PermanentError,
    RetryableError,
    StartError,
    ThrottledError,
    TooLargeError,
)
from collector.receivers.otlp import OtlpProtocols, OtlpReceiver, OtlpReceiverConfig
from collector.testing import Blocking, Failing, Sink, StubHost, make_request, receiver_settings
from collector.transport.settings import GrpcServerConfig


def retry_delay(error: grpc.aio.AioRpcError) -> float | None:
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            info = RetryInfo()
            assert Status.FromString(value).details[0].Unpack(info)
            return info.retry_delay.ToMilliseconds() / 1000
    return None


async def test_hands_on_what_it_receives_and_answers_with_nothing(receiver: Receive) -> None:
    """A success is an empty message: partial success stays unset."""
    sink = Sink()
    async with receiver(sink) as running:
        answer = await send(address(running), make_request(3).SerializeToString())

        account = running.settings.account.on("grpc")

    assert answer == b""
    assert [span.name for span in sink.spans] == ["span 0", "span 1", "span 2"]
    assert (account.received, account.accepted, account.requests_accepted) == (3, 3, 1)


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
async def test_takes_compressed_requests(receiver: Receive, compression: grpc.Compression) -> None:
    """They are inflated before they are read."""
    sink = Sink()
    async with receiver(sink) as running:
        data = make_request(200).SerializeToString()

        await send(address(running), data, compression=compression)

    assert sink.batches[0].encode() == data


async def test_an_empty_request_succeeds_without_the_pipeline(receiver: Receive) -> None:
    """Nobody downstream hears of a request without spans."""
    downstream = Failing()
    async with receiver(downstream) as running:
        assert await send(address(running), b"") == b""

        account = running.settings.account.on("grpc")

    assert downstream.refused == 0
    assert (account.requests_accepted, account.accepted) == (1, 0)


@pytest.mark.parametrize(
    ("error", "code", "delay"),
    [
        (RetryableError("no room"), grpc.StatusCode.UNAVAILABLE, 1.0),
        (RetryableError("no room", retry_after=2.5), grpc.StatusCode.UNAVAILABLE, 2.5),
        (ThrottledError("too much"), grpc.StatusCode.RESOURCE_EXHAUSTED, 1.0),
        (PermanentError("never"), grpc.StatusCode.INTERNAL, None),
        (TooLargeError("never"), grpc.StatusCode.INTERNAL, None),
        (ComponentError("a bug"), grpc.StatusCode.INTERNAL, None),
        (MalformedError("not OTLP"), grpc.StatusCode.INVALID_ARGUMENT, None),
    ],
)
async def test_a_refusal_reads_in_grpc_as_the_table_says(
    receiver: Receive, error: ConsumeError, code: grpc.StatusCode, delay: float | None
) -> None:
    """Clients learn from the status whether, and when, to send again."""
    async with receiver(Failing(error)) as running:
        told = await refusal(address(running), make_request(2).SerializeToString())

        account = running.settings.account.on("grpc")

    assert (told.code(), told.details(), retry_delay(told)) == (code, str(error), delay)
    assert (account.received, account.refused, account.requests_refused) == (2, 2, 1)


async def test_an_exception_that_is_none_of_ours_is_internal(
    receiver: Receive, caplog: pytest.LogCaptureFixture
) -> None:
    """The client is not told what the bug is; the log is."""
    async with receiver(Failing(ZeroDivisionError("secret"))) as running:
        told = await refusal(address(running), make_request(1).SerializeToString())

    assert (told.code(), told.details()) == (grpc.StatusCode.INTERNAL, "internal error")
    assert "secret" in caplog.text


async def test_malformed_bytes_are_refused_between_good_requests(receiver: Receive) -> None:
    """What cannot be read is refused with what and where, counted, and harms nobody else."""
    sink = Sink()
    good = make_request(1).SerializeToString()
    async with receiver(sink) as running:
        await send(address(running), good)
        told = await refusal(address(running), good[:-3])
        await send(address(running), good)

        account = running.settings.account.on("grpc")

    assert told.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "byte" in (told.details() or "")
    assert len(sink) == 2
    assert (account.requests_malformed, account.requests_refused, account.refused) == (1, 1, 0)


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
async def test_a_request_over_the_limit_is_refused_for_good(receiver: Receive, compression: grpc.Compression) -> None:
    """The limit holds after decompression, and carries no RetryInfo: the same request will never pass."""
    sink = Sink()
    async with receiver(sink, max_recv_msg_size_mib=1) as running:
        large = make_request(1, attributes={"text": "x" * (2 << 20)}).SerializeToString()
        told = await refusal(address(running), large, compression=compression)
        await send(address(running), make_request(1).SerializeToString())

    assert (told.code(), retry_delay(told)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, None)
    assert len(gzip.compress(large)) < 1 << 20
    assert len(sink) == 1


async def test_a_large_request_passes_whole(receiver: Receive) -> None:
    """Beyond a megabyte the work moves to a thread, and the result is the same."""
    sink = Sink()
    data = make_request(40, attributes={"text": "x" * 50_000}).SerializeToString()
    async with receiver(sink) as running:
        await send(address(running), data)

    assert sink.batches[0].encode() == data


@pytest.mark.parametrize("signal", ["metrics", "logs"])
async def test_other_signals_are_told_that_they_are_wrong_here(receiver: Receive, signal: str) -> None:
    """An SDK that exports everything to one endpoint reads why this part does not work."""
    method = f"/opentelemetry.proto.collector.{signal}.v1.{signal.capitalize()}Service/Export"
    async with receiver(Sink()) as running:
        told = await refusal(address(running), b"", method=method)

    assert told.code() == grpc.StatusCode.UNIMPLEMENTED
    assert f"traces only: send {signal} elsewhere" in (told.details() or "")


HEALTH = "/grpc.health.v1.Health/Check"
TRACE_SERVICE = b"opentelemetry.proto.collector.trace.v1.TraceService"


@pytest.mark.parametrize("service", [b"", TRACE_SERVICE])
async def test_answers_health_checks_of_grpc(receiver: Receive, service: bytes) -> None:
    """An orchestrator asks at the port that takes spans, for everything or for the service."""
    request = bytes((0x0A, len(service))) + service if service else b""
    async with receiver(Sink()) as running:
        assert await send(address(running), request, method=HEALTH) == b"\x08\x01"
        told = await refusal(address(running), b"\x0a\x07unknown", method=HEALTH)

    assert told.code() == grpc.StatusCode.NOT_FOUND
    assert running.settings.account.on("grpc").requests_received == 0


async def test_a_client_that_cancels_takes_its_request_back(receiver: Receive) -> None:
    """The await in the pipeline is cancelled, and the spans count as refused."""
    downstream = Blocking()
    async with receiver(downstream) as running, grpc.aio.insecure_channel(address(running)) as channel:
        call = channel.unary_unary(SERVICE)(make_request(2).SerializeToString())
        sending = asyncio.ensure_future(call)
        await asyncio.wait_for(downstream.entered.wait(), 5)

        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        async with asyncio.timeout(5):
            while downstream.waiting:  # noqa: ASYNC110  the server hears of it over a socket
                await asyncio.sleep(0.01)
        account = running.settings.account.on("grpc")

    assert len(downstream) == 0
    assert (account.received, account.refused) == (2, 2)


async def test_shutdown_answers_what_is_under_way(receiver: Receive) -> None:
    """A request that has arrived is finished, and no other is accepted."""
    downstream = Blocking()
    async with receiver(downstream) as running, grpc.aio.insecure_channel(address(running)) as channel:
        answer = asyncio.ensure_future(channel.unary_unary(SERVICE)(make_request(2).SerializeToString()))
        await asyncio.wait_for(downstream.entered.wait(), 5)
        stopping = asyncio.create_task(running.shutdown())
        await asyncio.sleep(0)
        assert not stopping.done()

        downstream.release()

        assert await answer == b""
        await asyncio.wait_for(stopping, 5)
    assert len(downstream) == 2


async def test_a_shutdown_that_is_cancelled_breaks_off(receiver: Receive) -> None:
    """At the deadline nobody waits for a stuck pipeline: its clients are told, and keep their spans."""
    downstream = Blocking()
    async with receiver(downstream) as running, grpc.aio.insecure_channel(address(running)) as channel:
        answer = asyncio.ensure_future(channel.unary_unary(SERVICE)(make_request(2).SerializeToString()))
        await asyncio.wait_for(downstream.entered.wait(), 5)

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(running.shutdown(), 0.05)
        [told] = await asyncio.gather(answer, return_exceptions=True)

        account = running.settings.account.on("grpc")
    assert isinstance(told, grpc.aio.AioRpcError)
    assert told.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
    assert (account.received, account.refused) == (2, 2)


async def test_a_port_in_use_is_a_clear_start_error(receiver: Receive) -> None:
    """Two collectors on one port do not share it silently."""
    async with receiver(Sink()) as first:
        taken = address(first)
        with pytest.raises(StartError) as caught:
            async with receiver(Sink(), endpoint=taken):
                pass

    assert str(caught.value) == f"protocols::grpc::endpoint: cannot listen on {taken}: address already in use"


@pytest.mark.parametrize("engine", ["grpcio", "native"])
async def test_who_sent_a_request_travels_along_when_somebody_reads_it(engine: Literal["grpcio", "native"]) -> None:
    """The peer always, the headers with `include_metadata`; without a reader neither."""
    for wanted, include in ((False, True), (True, False), (True, True)):
        sink = Sink()
        config = OtlpReceiverConfig(
            protocols=OtlpProtocols(
                grpc=GrpcServerConfig(endpoint="localhost:0", engine=engine, include_metadata=include)
            )
        )
        running = OtlpReceiver(config, receiver_settings(), sink)
        running.needs_origin = wanted
        await running.start(StubHost())
        await send(address(running), make_request(1).SerializeToString(), metadata=(("tenant", "a"), ("tenant", "b")))
        await running.shutdown()

        origin = sink.batches[0].origin
        assert (origin is not None) == wanted
        if origin:
            assert origin.peer.startswith("127.0.0.1:")
            assert origin.metadata.get("tenant") == (["a", "b"] if include else None)
