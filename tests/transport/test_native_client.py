"""The kernel's client over gRPC: what happens to calls when servers and connections misbehave."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import logging
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration as ProtobufDuration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from raw_http2 import CANCEL, REFUSED_STREAM, Connection, raw_http2

from collector.config.types import Duration, FieldError
from collector.errors import ConsumeError, PermanentError, RetryableError
from collector.testing import make_spans, until
from collector.transport.client import GrpcClientConfig, KeepaliveClientConfig, addresses
from collector.transport.native_client import NativeGrpcClient
from collector.transport.tls import ClientTlsConfig
from testbed.hostile.frames import Type

METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
BATCH = make_spans(3)


@contextlib.asynccontextmanager
async def client_to(endpoint: str, patience: float = 20.0, **options: Any) -> AsyncIterator[NativeGrpcClient]:
    plain = {"tls": ClientTlsConfig(insecure=True), "compression": "none"}
    client = NativeGrpcClient(
        GrpcClientConfig(**{"endpoint": endpoint, "engine": "native", **plain, **options}),
        METHOD,
        patience,
        logging.getLogger("test"),
    )
    client.open()
    try:
        yield client
    finally:
        await asyncio.wait_for(client.close(), 10)


async def refused(client: NativeGrpcClient) -> ConsumeError:
    with pytest.raises(ConsumeError) as caught:
        await client.call(BATCH)
    return caught.value


@contextlib.asynccontextmanager
async def backend(answer: Any, port: int = 0, **options: int) -> AsyncIterator[grpc.aio.Server]:
    """A server of grpcio; `server.port` is where it listens."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0), *((f"grpc.{k}", v) for k, v in options.items())])
    handlers = {"Export": grpc.unary_unary_rpc_method_handler(answer)}
    service = METHOD.split("/")[1]
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    server.port = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield server
    finally:
        await server.stop(None)


# --- requests that the server has not seen


async def test_a_refused_stream_is_sent_again() -> None:
    """Once, by the client itself: the server says that it has done nothing."""
    messages: list[bytes] = []

    async def refuse_first(connection: Connection) -> None:
        async for stream in connection.requests():
            messages.append(connection.messages[stream])
            if len(messages) == 1:
                connection.reset(stream, REFUSED_STREAM)
            else:
                connection.answer(stream, b"taken")

    async with raw_http2(refuse_first) as address, client_to(address) as client:
        assert await client.call(BATCH) == b"taken"
        assert client.counts().resent == 1

    assert messages == [b"\x00" + BATCH.size.to_bytes(4) + BATCH.encode()] * 2


async def test_what_is_refused_again_is_for_later() -> None:
    """A server that refuses everything is not asked for ever."""
    seen: list[int] = []

    async def refuse(connection: Connection) -> None:
        async for stream in connection.requests():
            seen.append(stream)
            connection.reset(stream, REFUSED_STREAM)

    async with raw_http2(refuse) as address, client_to(address) as client:
        error = await refused(client)

    assert isinstance(error, RetryableError)
    assert str(error).startswith("UNAVAILABLE")
    assert len(seen) == 2


async def test_a_server_that_goes_away_has_not_seen_later_streams() -> None:
    """They go to a new connection."""

    async def leave(connection: Connection) -> None:
        async for stream in connection.requests():
            if connection.number == 0:
                connection.go_away(0)
                return
            connection.answer(stream, b"taken")

    async with raw_http2(leave) as address, client_to(address) as client:
        assert await client.call(BATCH) == b"taken"
        assert client.counts().connected == 2


async def test_a_server_that_goes_away_finishes_what_it_has() -> None:
    """The answer still comes on the old connection, and the next call makes a new one."""

    async def leave_politely(connection: Connection) -> None:
        async for stream in connection.requests():
            connection.go_away(stream)
            connection.answer(stream, b"%d" % connection.number)

    async with raw_http2(leave_politely) as address, client_to(address) as client:
        assert [await client.call(BATCH) for _ in range(3)] == [b"0", b"1", b"2"]
        assert client.counts().resent <= 2, "a call may meet a connection that is just leaving"


@pytest.mark.parametrize("goes_away", [True, False])
async def test_nobody_knows_what_became_of_a_request_whose_connection_broke(goes_away: bool) -> None:
    """It is for later, and the client does not send it again by itself."""
    seen: list[int] = []

    async def vanish(connection: Connection) -> None:
        async for stream in connection.requests():
            seen.append(stream)
            if goes_away:
                connection.go_away(stream)
            return

    async with raw_http2(vanish) as address, client_to(address) as client:
        error = await refused(client)

    assert isinstance(error, RetryableError)
    assert str(error).startswith("UNAVAILABLE: ")
    assert seen == [1]


# --- answers


@pytest.mark.parametrize(
    ("code", "name", "kind"),
    [
        (0, "INTERNAL", PermanentError),
        (2, "INTERNAL", PermanentError),
        (CANCEL, "CANCELLED", RetryableError),
        (11, "RESOURCE_EXHAUSTED", PermanentError),
        (12, "PERMISSION_DENIED", PermanentError),
    ],
)
async def test_a_stream_that_is_reset_has_a_status(code: int, name: str, kind: type[ConsumeError]) -> None:
    """By the table of gRPC over HTTP/2."""

    async def reset(connection: Connection) -> None:
        async for stream in connection.requests():
            connection.reset(stream, code)

    async with raw_http2(reset) as address, client_to(address) as client:
        error = await refused(client)

    assert type(error) is kind
    assert str(error).startswith(f"{name}: the server broke the request off")


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "INTERNAL"),
        (401, "UNAUTHENTICATED"),
        (403, "PERMISSION_DENIED"),
        (404, "UNIMPLEMENTED"),
        (429, "UNAVAILABLE"),
        (502, "UNAVAILABLE"),
        (503, "UNAVAILABLE"),
        (504, "UNAVAILABLE"),
        (500, "UNKNOWN"),
        (302, "UNKNOWN"),
    ],
)
async def test_a_proxy_answers_in_http(status: int, name: str) -> None:
    """By the table of gRPC."""

    async def answer(connection: Connection) -> None:
        async for stream in connection.requests():
            connection.headers(stream, {":status": str(status), "content-type": "text/html"}, end=False)
            connection.send(Type.DATA, 1, stream, b"<html>")

    async with raw_http2(answer) as address, client_to(address) as client:
        assert str(await refused(client)).startswith(f"{name}: the server answers with HTTP status {status}")


def packed_delay(seconds: int) -> bytes:
    info = AnyMessage()
    info.Pack(RetryInfo(retry_delay=ProtobufDuration(seconds=seconds)))
    packed: bytes = Status(code=8, details=[info]).SerializeToString()
    return packed


@pytest.mark.parametrize("padding", ["", "="])
async def test_a_status_may_stand_in_the_headers(padding: str) -> None:
    """With its message percent-encoded, and its details in base64 with padding or without."""
    text = base64.b64encode(packed_delay(7)).decode().rstrip("=")
    text += padding * (-len(text) % 4)

    async def answer(connection: Connection) -> None:
        fields = {":status": "200", "content-type": "application/grpc", "grpc-status": "8"}
        fields |= {"grpc-message": "na%C3%AFve", "grpc-status-details-bin": text}
        async for stream in connection.requests():
            connection.headers(stream, fields, end=True)

    async with raw_http2(answer) as address, client_to(address) as client:
        error = await refused(client)

    assert isinstance(error, RetryableError)
    assert (str(error), error.retry_after) == ("RESOURCE_EXHAUSTED: naïve", 7.0)


async def test_a_status_nobody_knows_is_unknown() -> None:
    """And so is none."""
    statuses = iter([{"grpc-status": "99"}, {"grpc-status": "?"}, {"x-other": "1"}])

    async def answer(connection: Connection) -> None:
        async for stream in connection.requests():
            connection.answer(stream, b"", next(statuses))

    async with raw_http2(answer) as address, client_to(address) as client:
        errors = [str(await refused(client)) for _ in range(3)]

    assert errors == ["UNKNOWN", "UNKNOWN", "UNKNOWN: the server gives no status"]


async def test_answers_may_be_compressed() -> None:
    """With gzip, as the client says."""

    async def answer(connection: Connection) -> None:
        message = gzip.compress(b"taken")
        async for stream in connection.requests():
            fields = {":status": "200", "content-type": "application/grpc+proto", "grpc-encoding": "gzip"}
            connection.headers(stream, fields, end=False)
            connection.send(Type.DATA, 0, stream, b"\x01" + len(message).to_bytes(4) + message)
            connection.headers(stream, {"grpc-status": "0"}, end=True)

    async with raw_http2(answer) as address, client_to(address) as client:
        assert await client.call(BATCH) == b"taken"


@pytest.mark.parametrize("compressed", [True, False])
async def test_answers_are_bounded(compressed: bool) -> None:
    """What is larger than 4 MiB is no reason to send the batch again in parts."""
    message = gzip.compress(bytes(5 << 20)) if compressed else bytes(5 << 20)

    async def answer(connection: Connection) -> None:
        data = bytes([compressed]) + len(message).to_bytes(4) + message
        async for stream in connection.requests():
            fields = {":status": "200", "content-type": "application/grpc", "grpc-encoding": "gzip"}
            connection.headers(stream, fields, end=False)
            for start in range(0, min(len(data), 900_000), 16_000):
                connection.send(Type.DATA, 0, stream, data[start : start + 16_000])
            window = 900_000
            while window < len(data):
                frame = await connection.read()
                if frame.type == Type.RST_STREAM:
                    break
                if frame.stream == stream:
                    step = min(int.from_bytes(frame.payload), len(data) - window)
                    for start in range(window, window + step, 16_000):
                        connection.send(Type.DATA, 0, stream, data[start : min(start + 16_000, window + step)])
                    window += step
            else:
                connection.headers(stream, {"grpc-status": "0"}, end=True)

    async with raw_http2(answer) as address, client_to(address) as client:
        error = await refused(client)

    assert type(error) is PermanentError
    assert str(error).startswith("INTERNAL")


async def test_a_server_that_speaks_something_else() -> None:
    """Is told apart from one that is not there."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server, client_to("{}:{}".format(*server.sockets[0].getsockname())) as client:
        error = await refused(client)

    assert isinstance(error, RetryableError)


# --- connections


async def test_a_call_that_is_cancelled_is_broken_off() -> None:
    """The server hears of it, and the connection stays."""
    codes: list[bytes] = []
    arrived = asyncio.Event()

    async def wait(connection: Connection) -> None:
        async for stream in connection.requests():
            if connection.messages[stream][5:] != BATCH.encode():
                connection.answer(stream, b"taken")
                continue
            arrived.set()
            frame = await connection.read()
            while frame.type != Type.RST_STREAM:
                frame = await connection.read()
            codes.append(frame.payload)

    async with raw_http2(wait) as address, client_to(address) as client:
        call = asyncio.create_task(client.call(BATCH))
        await asyncio.wait_for(arrived.wait(), 10)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await client.call(make_spans(1)) == b"taken"
        assert client.counts().connected == 1

    assert codes == [CANCEL.to_bytes(4)]


async def test_more_connections_where_one_is_not_enough() -> None:
    """A server that takes one request at a time gets as many connections as there are calls, within a bound."""
    running: list[int] = []
    go = asyncio.Event()

    async def one_by_one(connection: Connection) -> None:
        async for stream in connection.requests():
            running.append(connection.number)
            await go.wait()
            connection.answer(stream, b"taken")

    async with (
        raw_http2(one_by_one, max_concurrent_streams=1) as address,
        client_to(address) as client,
    ):
        go.set()
        await client.call(BATCH)
        go.clear()
        running.clear()
        calls = [asyncio.create_task(client.call(BATCH)) for _ in range(20)]
        await until(lambda: len(running) == 8)
        assert client.counts().open == 8
        go.set()
        assert await asyncio.gather(*calls) == [b"taken"] * 20
        assert client.counts().connected == 8

    assert sorted(running[:8]) == list(range(8))


@pytest.mark.parametrize(("balancer", "reached"), [("round_robin", 2), ("pick_first", 1)])
async def test_calls_are_spread_over_addresses(balancer: str, reached: int) -> None:
    """In turn, or all to the first that works."""
    counts = [0, 0]

    def counting(index: int) -> Any:
        async def take(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
            counts[index] += 1
            return b""

        return take

    async with backend(counting(0)) as first, backend(counting(1)) as second:
        endpoint = f"ipv4:127.0.0.1:{first.port},127.0.0.1:{second.port}"
        async with client_to(endpoint, balancer_name=balancer) as client:
            await client.call(BATCH)
            await until(lambda: client.counts().open == reached)
            for _ in range(10):
                await client.call(BATCH)

    assert sum(counts) == 11
    assert sum(count >= 5 for count in counts) == reached


async def test_one_address_that_is_dead_fails_nobody() -> None:
    """Calls go to the other, whichever comes first."""

    async def take(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        return b""

    async with backend(take) as gone:
        pass
    for balancer in ("round_robin", "pick_first"):
        async with backend(take) as alive:
            endpoint = f"ipv4:127.0.0.1:{gone.port},127.0.0.1:{alive.port}"
            async with client_to(endpoint, balancer_name=balancer) as client:
                for _ in range(5):
                    assert await client.call(BATCH) == b""


async def test_comes_back_when_the_server_does() -> None:
    """While it is away calls fail at once, and for a while nobody looks: that is bounded by seconds."""

    async def take(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        return b""

    async with backend(take) as server:
        port = server.port
        async with client_to(f"127.0.0.1:{port}") as client:
            await client.call(BATCH)
            await server.stop(None)
            began = time.monotonic()
            for _ in range(50):
                assert isinstance(await refused(client), RetryableError)
            assert client.counts().unconnected <= 2, "not at every call"
            assert time.monotonic() - began < 5
            async with backend(take, port):
                deadline = time.monotonic() + 10
                while time.monotonic() < deadline:
                    with contextlib.suppress(RetryableError):
                        assert await client.call(BATCH) == b""
                        break
                    await asyncio.sleep(0.05)
                else:
                    pytest.fail("never came back")


async def test_a_call_may_wait_for_the_server() -> None:
    """With `wait_for_ready`, until it is there or time is over."""

    async def take(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        return b""

    async with backend(take) as server:
        port = server.port
    async with client_to(f"127.0.0.1:{port}", 0.3, wait_for_ready=True) as client:
        assert str(await refused(client)) == "DEADLINE_EXCEEDED: no answer within 0.3 seconds"
    async with client_to(f"127.0.0.1:{port}", wait_for_ready=True) as client:
        call = asyncio.create_task(client.call(BATCH))
        await until(lambda: client.counts().unconnected)
        async with backend(take, port):
            assert await asyncio.wait_for(call, 15) == b""


async def test_pings_find_out_that_a_server_is_gone() -> None:
    """One that answers nothing, not even pings."""

    async def sleep(connection: Connection) -> None:
        frame = await connection.read()
        while frame.type != Type.PING:
            frame = await connection.read()
        await asyncio.sleep(30)

    keepalive = KeepaliveClientConfig(time=Duration(0.05), timeout=Duration(0.05))
    async with raw_http2(sleep) as address, client_to(address, keepalive=keepalive) as client:
        began = time.monotonic()
        error = await refused(client)

    assert isinstance(error, RetryableError)
    assert time.monotonic() - began < 10


async def test_a_server_that_hangs_up_at_once_is_not_there() -> None:
    """It is not dialled again and again."""
    seen: list[int] = []

    async def leave(connection: Connection) -> None:
        seen.append(connection.number)

    async with raw_http2(leave) as address, client_to(address) as client:
        for _ in range(20):
            assert isinstance(await refused(client), RetryableError)

    assert len(seen) <= 4


async def test_a_server_that_says_nothing_runs_out_of_time() -> None:
    """Also if it is none of HTTP/2."""

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            pass
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    async with server, client_to("{}:{}".format(*server.sockets[0].getsockname()), 0.2) as client:
        assert str(await refused(client)) == "DEADLINE_EXCEEDED: no answer within 0.2 seconds"


async def test_a_name_that_nobody_knows() -> None:
    """Is for later: name servers have bad days."""
    async with client_to("no-such-host.invalid:4317") as client:
        error = await refused(client)

    assert isinstance(error, RetryableError)
    assert str(error).startswith("UNAVAILABLE: cannot resolve no-such-host.invalid")


async def test_headers_arrive() -> None:
    """Binary ones as bytes."""
    seen: list[dict[str, Any]] = []

    async def take(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        seen.append(dict(context.invocation_metadata() or ()))
        return b""

    headers = {"X-Tenant": "research", "x-key-bin": "ü"}
    async with (
        backend(take) as server,
        client_to(f"127.0.0.1:{server.port}", headers=headers, user_agent="me/1") as client,
    ):
        await client.call(BATCH)

    assert (seen[0]["x-tenant"], seen[0]["x-key-bin"], seen[0]["user-agent"]) == ("research", "ü".encode(), "me/1")


@pytest.mark.parametrize("compression", ["gzip", "none"])
async def test_ropes_arrive_whole(compression: str) -> None:
    """A batch of many pieces is one message, however large: more than any window."""
    seen: list[bytes] = []

    async def take(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        seen.append(request)
        return b""

    parts = [make_spans(3, attributes={"n": number, "text": "x" * 3000}) for number in range(700)]
    batch = type(BATCH).join(parts)
    async with (
        backend(take, max_receive_message_length=-1) as server,
        client_to(f"127.0.0.1:{server.port}", compression=compression) as client,
    ):
        await client.call(batch)

    assert batch.size > 6 << 20
    assert seen == [batch.encode()]


# --- life


def threads() -> int:
    names = (Path(f"/proc/self/task/{task}/comm") for task in os.listdir("/proc/self/task"))
    return sum(name.read_text() == "otlp-client\n" for name in names if name.exists())


async def test_closing_leaves_nothing_behind() -> None:
    """Calls end, threads and descriptors go, and the server is told."""
    gone = asyncio.Event()

    async def wait(connection: Connection) -> None:
        async for _ in connection.requests():
            pass
        gone.set()

    async with raw_http2(wait) as address:
        before = len(os.listdir("/proc/self/fd"))
        async with client_to(address) as client:
            call = asyncio.create_task(client.call(BATCH))
            await until(lambda: client.counts().connected)
            assert threads() == 1
        with pytest.raises(RetryableError, match="the client is closed"):
            await call
        with pytest.raises(RetryableError, match="the client is closed"):
            await client.call(BATCH)
        await client.close()
        await asyncio.wait_for(gone.wait(), 5)
        assert threads() == 0
        await until(lambda: len(os.listdir("/proc/self/fd")) <= before)


PROGRAM = """
import asyncio, sys
from collector.testing import StubHost, exporter_settings, make_spans
from collector.transport.tls import ClientTlsConfig
from testbed.hostile.frames import Type
from exporters.otlp_grpc import OtlpGrpcConfig, OtlpGrpcExporter

async def main():
    config = OtlpGrpcConfig(endpoint=sys.argv[1], engine="native", tls=ClientTlsConfig(insecure=True))
    exporter = OtlpGrpcExporter(config, exporter_settings())
    await exporter.start(StubHost())
    globals()["kept"] = exporter
    call = asyncio.create_task(exporter.export(make_spans(3)))
    done, _ = await asyncio.wait([call], timeout=float(sys.argv[2]))
    print(len(done), sorted(name for name in sys.modules if name.split(".")[0] in {"grpc", "grpc_status"}))

asyncio.run(main())
"""


async def test_nobody_needs_grpcio_or_waits_for_an_open_client() -> None:
    """The native engine imports nothing of grpcio, and a program may end with calls under way."""

    async def wait(connection: Connection) -> None:
        async for _ in connection.requests():
            pass

    async with raw_http2(wait) as address:
        program = [sys.executable, "-c", PROGRAM, address, "0.3"]
        ran = await asyncio.to_thread(subprocess.run, program, capture_output=True, text=True, timeout=20, check=False)

    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "0 []\n", "")


# --- configuration


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("backend:4317", {"hosts": [("backend", 4317)]}),
        ("dns:///backend:4317", {"hosts": [("backend", 4317)]}),
        ("[::1]:4317", {"hosts": [("::1", 4317)]}),
        ("ipv4:10.0.0.1:4317,10.0.0.2:4318", {"hosts": [("10.0.0.1", 4317), ("10.0.0.2", 4318)]}),
        ("ipv6:[::1]:4317,[::2]:4318", {"hosts": [("::1", 4317), ("::2", 4318)]}),
        ("unix:///run/backend.sock", {"unix": "/run/backend.sock"}),
        ("unix:run/backend.sock", {"unix": "run/backend.sock"}),
    ],
)
def test_endpoints(endpoint: str, expected: dict[str, object]) -> None:
    """As the kernel takes them."""
    assert addresses(endpoint) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"compression": "snappy"},
            "compression: snappy is not supported by the native engine; use gzip, zstd or none",
        ),
        (
            {"endpoint": "dns://8.8.8.8/backend:4317"},
            "endpoint: the native engine asks the system's resolver and not 8.8.8.8; use dns:///backend:4317",
        ),
        ({"authority": "no/host"}, "authority: must be a host, with or without a port, got 'no/host'"),
        ({"headers": {"TE": "x"}}, "headers: 'TE' cannot be the name of a gRPC header"),
        ({"endpoint": "xds:///backend"}, "endpoint: the native engine does not know xds: use grpcio"),
        (
            {"endpoint": "ipv4:10.0.0.1"},
            "endpoint: must be addresses with ports, such as 10.0.0.1:4317, got '10.0.0.1'",
        ),
    ],
)
def test_refuses(options: dict[str, Any], message: str) -> None:
    """What the engine cannot do, by name."""
    with pytest.raises(FieldError) as caught:
        GrpcClientConfig(
            **{"endpoint": "backend:4317", "engine": "native", "tls": ClientTlsConfig(insecure=True), **options}
        )

    assert str(caught.value) == message
