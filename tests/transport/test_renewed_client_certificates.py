"""Certificates of the kernel's client that change while it runs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority, Identity
from otlp_grpc import address, running_receiver
from otlp_tls import tls

from collector.config.types import Duration
from collector.errors import RetryableError
from collector.testing import Sink, make_spans, until
from collector.transport.client import GrpcClientConfig
from collector.transport.native_client import NativeGrpcClient
from collector.transport.tls import ClientTlsConfig

METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@contextlib.asynccontextmanager
async def client_with(endpoint: str, authority: Path, shown: Identity) -> AsyncIterator[NativeGrpcClient]:
    """A client that looks at its files fifty times a second, and waits for a connection."""
    files: dict[str, Any] = {"ca_file": str(authority), "cert_file": str(shown.cert), "key_file": str(shown.key)}
    settings = ClientTlsConfig(**files, server_name_override="localhost", reload_interval=Duration.parse("20ms"))
    config = GrpcClientConfig(endpoint=endpoint, engine="native", tls=settings, compression="none", wait_for_ready=True)
    client = NativeGrpcClient(config, METHOD, 20.0, logging.getLogger("test"))
    client.open()
    try:
        yield client
    finally:
        await asyncio.wait_for(client.close(), 10)


@pytest.fixture
def known(tmp_path: Path) -> Authority:
    """Who the server believes."""
    (tmp_path / "known").mkdir()
    return Authority(tmp_path / "known")


@pytest.fixture
def stranger(tmp_path: Path) -> Authority:
    """Somebody it does not."""
    (tmp_path / "stranger").mkdir()
    return Authority(tmp_path / "stranger")


async def test_new_connections_show_a_new_certificate(
    known: Authority, stranger: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    """Half of a new pair leaves the old one, with one line in the log; the whole of it gets through."""
    caplog.set_level(logging.INFO)
    shown, next = stranger.issue("client"), known.issue("client")
    settings = tls(known.issue("server"), client_ca_file=str(known.ca))
    async with (
        running_receiver(sink := Sink(), engine="native", tls=settings) as running,
        client_with(address(running), known.ca, shown) as client,
    ):
        call = asyncio.create_task(client.call(make_spans(1)))
        await until(lambda: client.counts().connected + client.counts().unconnected > 0)

        shutil.copy(next.cert, shown.cert)
        await until(lambda: "cannot be used" in caplog.text)
        shutil.copy(next.key, shown.key)
        await until(lambda: "Certificates have changed" in caplog.text)

        # The server tells a stranger so behind the handshake: the call is lost with that connection.
        with contextlib.suppress(RetryableError):
            await call
        await client.call(make_spans(2))

    assert len(sink) >= 2
    [line] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "tls::key_file: the key does not belong to the certificate" in line.getMessage()


async def test_new_authorities_are_believed(
    known: Authority, stranger: Authority, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """A server of an authority that was added is spoken to."""
    caplog.set_level(logging.INFO)
    believed = tmp_path / "believed.pem"
    shutil.copy(stranger.ca, believed)
    async with (
        running_receiver(sink := Sink(), engine="native", tls=tls(known.issue("server"))) as running,
        client_with(address(running), believed, known.issue("client")) as client,
    ):
        call = asyncio.create_task(client.call(make_spans(1)))
        await until(lambda: client.counts().unconnected > 0)
        assert not call.done()

        believed.write_bytes(stranger.ca.read_bytes() + known.ca.read_bytes())
        await call

    assert len(sink) == 1
    assert "Certificates have changed" in caplog.text
