"""What tests of TLS share: settings of servers, and clients of the standard library."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
import ssl
from typing import Any

from certificates import Authority, Identity
from otlp_http import PATH, PROTOBUF, Answer, address, exchange

from collector.receivers.otlp import OtlpReceiver
from collector.testing import make_request
from collector.transport.tls import ServerTlsConfig

REQUEST = make_request(1).SerializeToString()


def tls(server: Identity, **options: Any) -> ServerTlsConfig:
    """The settings of a server with this certificate."""
    return ServerTlsConfig(cert_file=str(server.cert), key_file=str(server.key), **options)


def client_context(authority: Authority, client: Identity | None = None, **options: Any) -> ssl.SSLContext:
    """What a client of the standard library believes and shows."""
    context = ssl.create_default_context(cafile=authority.ca)
    if client:
        context.load_cert_chain(client.cert, client.key)
    for name, value in options.items():
        setattr(context, name, value)
    return context


async def post(running: OtlpReceiver, context: ssl.SSLContext) -> Answer:
    """Send a request over HTTPS. Raises `ssl.SSLError`."""
    host, port = address(running)
    connection = http.client.HTTPSConnection(host, port, timeout=20, context=context)
    with contextlib.closing(connection):
        return await asyncio.to_thread(exchange, connection, REQUEST, {"content-type": PROTOBUF}, "POST", PATH)


def handshake(running: OtlpReceiver, context: ssl.SSLContext) -> ssl.SSLSocket:
    """Shake hands and no more. Raises `ssl.SSLError`."""
    return context.wrap_socket(socket.create_connection(address(running), 20), server_hostname="localhost")


async def closed(writer: asyncio.StreamWriter) -> None:
    """Hang up, whatever the other side has done."""
    writer.close()
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        await writer.wait_closed()
