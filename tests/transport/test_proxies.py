"""Ways through proxies, and who takes which."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from http_backend import Reply, Request, http_backend
from raw_http2 import Connection, raw_http2
from self_signed import Identity

from collector.component import Delivery
from collector.config.types import FieldError
from collector.errors import RetryableError, StartError
from collector.testing import StubHost, exporter_settings, make_spans
from collector.transport.proxies import Proxy, parse_proxy, proxy_from
from collector.transport.tls import ClientTlsConfig
from exporters.otlp_grpc import OtlpGrpcConfig, OtlpGrpcExporter
from exporters.otlp_http import OtlpHttpConfig, OtlpHttpExporter

BATCH = make_spans(3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://proxy:3128", Proxy("proxy", 3128)),
        ("http://proxy", Proxy("proxy", 80)),
        ("proxy:3128", Proxy("proxy", 3128)),
        ("http://[::1]:3128/", Proxy("::1", 3128)),
        ("http://me:p%40ss@proxy:1", Proxy("proxy", 1, "Basic " + base64.b64encode(b"me:p@ss").decode())),
    ],
)
def test_reads_urls_of_proxies(text: str, expected: Proxy) -> None:
    """With credentials, if they are there."""
    assert parse_proxy(text) == expected


@pytest.mark.parametrize("text", ["socks5://proxy:1080", "https://proxy", "http://", "http://proxy:x"])
def test_refuses_other_proxies(text: str) -> None:
    """In the configuration and in the environment."""
    with pytest.raises(FieldError, match=r"^proxy_url: "):
        OtlpHttpConfig(endpoint="http://backend", proxy_url=text)
    with pytest.raises(StartError, match="HTTPS_PROXY"):
        proxy_from({"HTTPS_PROXY": text}, "https", "backend", 443)


@pytest.mark.parametrize(
    ("exceptions", "host", "port", "goes_through"),
    [
        ("", "backend.test", 443, True),
        ("*", "backend.test", 443, False),
        ("backend.test", "backend.test", 443, False),
        ("backend.test", "eu.backend.test", 443, False),
        ("backend.test", "mybackend.test", 443, True),
        (".backend.test", "backend.test", 443, True),
        ("*.backend.test", "eu.backend.test", 443, False),
        ("other, BACKEND.test", "Backend.Test", 443, False),
        ("backend.test:443", "backend.test", 443, False),
        ("backend.test:444", "backend.test", 443, True),
        ("10.0.0.0/8", "10.1.2.3", 443, False),
        ("10.0.0.0/8", "11.1.2.3", 443, True),
        ("10.0.0.0/8", "backend.test", 443, True),
        ("10.1.2.3", "10.1.2.3", 443, False),
        ("10.1.2.3:80", "10.1.2.3", 443, True),
        ("2001:db8::1", "2001:db8::1", 443, False),
        ("[2001:db8::1]:443", "2001:db8::1", 443, False),
        ("nonsense/8", "10.1.2.3", 443, True),
        ("", "localhost", 443, False),
        ("", "127.0.0.1", 443, False),
        ("", "::1", 443, False),
    ],
)
def test_who_goes_without(exceptions: str, host: str, port: int, goes_through: bool) -> None:
    """By Go's rules, which know ranges of addresses, and never take a proxy to this machine."""
    environment = {"https_proxy": "http://proxy:3128", "NO_PROXY": exceptions}

    assert proxy_from(environment, "https", host, port) == (Proxy("proxy", 3128) if goes_through else None)


def test_each_scheme_has_its_proxy() -> None:
    """And none is none."""
    environment = {"HTTP_PROXY": "one:1", "HTTPS_PROXY": "two:2"}

    assert proxy_from(environment, "http", "backend", 80) == Proxy("one", 1)
    assert proxy_from(environment, "https", "backend", 80) == Proxy("two", 2)
    assert proxy_from({"HTTPS_PROXY": ""}, "https", "backend", 80) is None


@contextlib.asynccontextmanager
async def tunnels(to: str, answer: bytes = b"HTTP/1.1 200 OK\r\n\r\n") -> AsyncIterator[tuple[str, list[str]]]:
    """A proxy that opens ways to one server, wherever they are to lead. Gives its URL, and the heads it has read."""
    heads: list[str] = []
    host, _, port = to.rpartition(":")

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(answer)
        if b" 200 " not in answer:
            writer.close()
            return
        ahead, back = await asyncio.open_connection(host, int(port))
        await asyncio.gather(pump(reader, back), pump(ahead, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://me:secret@127.0.0.1:{server.sockets[0].getsockname()[1]}", heads


@contextlib.asynccontextmanager
async def started(exporter: Any) -> AsyncIterator[Any]:
    await exporter.start(StubHost())
    try:
        yield exporter
    finally:
        await asyncio.wait_for(exporter.shutdown(), 10)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return Identity(tmp_path_factory.mktemp("server"), "backend.test")


async def test_https_goes_through_a_tunnel(server: Identity) -> None:
    """The proxy hears where it leads, and nothing else."""
    tls = ClientTlsConfig(ca_file=str(server.cert_file))
    with http_backend(tls=server.server_context()) as backend:
        async with tunnels(f"127.0.0.1:{backend.port}") as (proxy, heads):
            config = OtlpHttpConfig(endpoint="https://backend.test", proxy_url=proxy, tls=tls)
            async with started(OtlpHttpExporter(config, exporter_settings())) as exporter:
                for _ in range(3):
                    assert await exporter.export(BATCH) == Delivery()

    assert len(heads) == 1
    assert heads[0].startswith("CONNECT backend.test:443 HTTP/1.1\r\nHost: backend.test:443\r\n")
    assert f"Proxy-Authorization: Basic {base64.b64encode(b'me:secret').decode()}\r\n" in heads[0]
    assert backend.requests[0].headers["host"] == "backend.test"
    assert "proxy-authorization" not in backend.requests[0].headers


async def test_http_is_handed_on_by_the_proxy() -> None:
    """It reads the whole URL, and the credentials."""
    lines: list[str] = []

    def answer(request: Request) -> Reply:
        lines.append(request.path)
        return Reply()

    with http_backend(answer) as proxy:
        url = proxy.url.replace("http://", "http://me:secret@")
        config = OtlpHttpConfig(endpoint="http://backend.test:4318", proxy_url=url)
        async with started(OtlpHttpExporter(config, exporter_settings())) as exporter:
            assert await exporter.export(BATCH) == Delivery()

    assert lines == ["http://backend.test:4318/v1/traces"]
    assert proxy.requests[0].headers["host"] == "backend.test:4318"
    assert proxy.requests[0].headers["proxy-authorization"].startswith("Basic ")


async def test_grpc_goes_through_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """With TLS and without: HTTPS_PROXY is that of gRPC."""

    async def take(connection: Connection) -> None:
        async for stream in connection.requests():
            connection.answer(stream)

    async with raw_http2(take) as address, tunnels(address) as (proxy, heads):
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        config = OtlpGrpcConfig(endpoint="backend.test:4317", engine="native", tls=ClientTlsConfig(insecure=True))
        async with started(OtlpGrpcExporter(config, exporter_settings())) as exporter:
            assert await exporter.export(BATCH) == Delivery()

    assert heads[0].startswith("CONNECT backend.test:4317 HTTP/1.1\r\n")


async def test_a_proxy_that_refuses_is_for_later() -> None:
    """It says why."""
    async with tunnels("127.0.0.1:1", b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n") as (proxy, _):
        config = OtlpHttpConfig(endpoint="https://backend.test", proxy_url=proxy)
        async with started(OtlpHttpExporter(config, exporter_settings())) as exporter:
            with pytest.raises(RetryableError, match=r"opens no way to backend\.test:443: it answers 407"):
                await exporter.export(BATCH)


async def test_an_unusable_proxy_in_the_environment_is_an_error_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its variable is named."""
    monkeypatch.setenv("HTTP_PROXY", "socks5://proxy")
    with pytest.raises(StartError, match="the proxy in HTTP_PROXY of the environment must be a URL"):
        async with started(OtlpHttpExporter(OtlpHttpConfig(endpoint="http://backend.test"), exporter_settings())):
            pass
