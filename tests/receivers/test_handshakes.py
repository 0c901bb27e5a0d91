"""Handshakes of TLS that fail, or never end."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import sys
from typing import Any

import pytest
from certificates import Authority
from otlp_grpc import running_receiver
from otlp_http import address, http_receiver
from otlp_tls import client_context, closed, handshake, post, tls

from collector import memory
from collector.testing import Sink, until


@pytest.mark.parametrize(
    ("server", "client"),
    [
        ({}, {"alpn": ["spdy/1"]}),
        ({"min_version": "1.3"}, {"maximum_version": ssl.TLSVersion.TLSv1_2}),
        ({"max_version": "1.2"}, {"minimum_version": ssl.TLSVersion.TLSv1_3}),
    ],
)
async def test_no_agreement_is_counted(authority: Authority, server: dict[str, Any], client: dict[str, Any]) -> None:
    """A client that wants another protocol, or another version of TLS."""
    context = client_context(authority)
    context.set_alpn_protocols(client.pop("alpn", ["http/1.1"]))
    for name, value in client.items():
        setattr(context, name, value)
    async with http_receiver(Sink(), tls=tls(authority.issue("server"), **server)) as running:
        with pytest.raises(ssl.SSLError):
            await asyncio.to_thread(handshake, running, context)
        await until(lambda: running.settings.account.on("http").strangers == 1)


async def test_handshakes_that_do_not_end_keep_nobody_waiting(authority: Authority) -> None:
    """Others are served meanwhile, and a shutdown does not wait either."""
    sink = Sink()
    async with http_receiver(sink, tls=tls(authority.issue("server"))) as running:
        silent = [await asyncio.open_connection(*address(running)) for _ in range(50)]
        for _, writer in silent:
            writer.write(b"\x16\x03\x01")
        assert (await post(running, client_context(authority))).status == 200
    await asyncio.gather(*(closed(writer) for _, writer in silent))

    assert len(sink) == 1


async def test_grpc_is_http2_alone(authority: Authority) -> None:
    """Who wants HTTP/1.1 on the port of gRPC comes to no TLS, and who speaks without TLS does not either."""
    context = client_context(authority)
    context.set_alpn_protocols(["http/1.1"])
    async with running_receiver(Sink(), engine="native", tls=tls(authority.issue("server"))) as running:
        assert running.grpc
        host, _, port = running.grpc.address.rpartition(":")
        with pytest.raises(ssl.SSLError):
            await asyncio.open_connection(host, int(port), ssl=context, server_hostname="localhost")
        await until(lambda: running.settings.account.on("grpc").strangers == 1)

        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            await asyncio.wait_for(reader.read(), 10)
        await until(lambda: running.settings.account.on("grpc").strangers == 2)
        await closed(writer)


async def test_tls_where_there_is_none_is_counted(authority: Authority) -> None:
    """As a connection that ended because of what was sent."""
    async with http_receiver(Sink()) as running:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.to_thread(handshake, running, client_context(authority))
        await until(lambda: running.settings.account.on("http").broken_connections == 1)


CLIENT = """
import contextlib, socket, ssl, sys
port, authority, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
context = ssl.create_default_context(cafile=authority)
cut = bytes.fromhex("16 0301 0200 01 0001fc 0303") + b"x" * 400
for number in range(count):
    with socket.create_connection(("127.0.0.1", port), 20) as raw, contextlib.suppress(ssl.SSLError, ConnectionError):
        if number % 4 < 3:
            raw.sendall([b"POST / HTTP/1.1" + b"\\r\\n" * 2, cut, b""][number % 4])
        else:
            # With TLS 1.3 a client hears behind the handshake that it was not taken.
            context.wrap_socket(raw, server_hostname="localhost").recv(1)
"""
"""Fails at once, in the middle, by hanging up, and for want of a certificate; in a process with memory of its own."""


async def test_failed_handshakes_leave_no_memory_behind(authority: Authority) -> None:
    """A thousand of them, after some that fill the caches."""
    settings = tls(authority.issue("server"), client_ca_file=str(authority.ca))
    async with http_receiver(Sink(), tls=settings) as running:
        account = running.settings.account.on("http")

        async def fail(count: int) -> None:
            # Who hangs up without a wrong word is not counted: perhaps it looked whether somebody is there.
            expected = account.strangers + count // 2
            arguments = (sys.executable, "-c", CLIENT, str(address(running)[1]), str(authority.ca), str(count))
            client = await asyncio.create_subprocess_exec(*arguments)
            assert await asyncio.wait_for(client.wait(), 25) == 0
            await until(lambda: account.strangers == expected)

        await fail(1000)
        before = memory.rss()
        await fail(1000)
        grown = memory.rss() - before

    assert grown < 1 << 20, f"{grown / 1000:.0f} bytes for each handshake"
