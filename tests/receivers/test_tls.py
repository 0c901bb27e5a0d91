"""TLS of the OTLP receiver: over gRPC with both engines, and over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import http.client
import logging
import shutil
import socket
import ssl
from typing import Any

import grpc
import pytest
from certificates import Authority, Identity
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from otlp_grpc import Receive, address, refusal, running_receiver, send
from otlp_http import PATH, PROTOBUF, Answer, exchange, http_receiver
from otlp_http import address as http_address

from collector.config.types import Duration
from collector.errors import StartError
from collector.receivers.otlp import OtlpReceiver
from collector.testing import Sink, make_request, until
from collector.transport import native_tls
from collector.transport.native_tls import Certificates
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
    host, port = http_address(running)
    connection = http.client.HTTPSConnection(host, port, timeout=20, context=context)
    with contextlib.closing(connection):
        return await asyncio.to_thread(exchange, connection, REQUEST, {"content-type": PROTOBUF}, "POST", PATH)


def handshake(running: OtlpReceiver, context: ssl.SSLContext) -> ssl.SSLSocket:
    """Shake hands and no more. Raises `ssl.SSLError`."""
    return context.wrap_socket(socket.create_connection(http_address(running), 20), server_hostname="localhost")


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


# --- Over gRPC, with both engines


async def test_speaks_tls(receiver: Receive, authority: Authority) -> None:
    """A certificate and a key switch TLS on; who speaks without is not heard."""
    server = authority.issue("server")
    sink = Sink()
    settings = ServerTlsConfig(cert_file=str(server.cert), key_pem=server.key.read_text())
    async with receiver(sink, tls=settings) as running:
        trusting = grpc.ssl_channel_credentials(authority.ca.read_bytes())
        await send(address(running), REQUEST, credentials=trusting)
        told = await refusal(address(running), REQUEST)

    assert len(sink) == 1
    assert told.code() == grpc.StatusCode.UNAVAILABLE


async def test_asks_clients_for_a_certificate(receiver: Receive, authority: Authority) -> None:
    """`client_ca_file` is mTLS: who shows no certificate is not heard."""
    server, client = authority.issue("server"), authority.issue("client")
    sink = Sink()
    async with receiver(sink, tls=tls(server, client_ca_file=str(authority.ca))) as running:
        ca = authority.ca.read_bytes()
        known = grpc.ssl_channel_credentials(ca, *client.pem)
        await send(address(running), REQUEST, credentials=known)
        anonymous = grpc.ssl_channel_credentials(ca)
        told = await refusal(address(running), REQUEST, credentials=anonymous)

    assert len(sink) == 1
    assert told.code() == grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_version": "1.3"}, "protocols::grpc::tls::min_version: grpcio speaks TLS 1.2 and 1.3"),
        ({"max_version": "1.2"}, "protocols::grpc::tls::max_version: grpcio speaks TLS 1.2 and 1.3"),
        ({"cipher_suites": ["TLS_RSA_WITH_AES_128_CBC_SHA"]}, "protocols::grpc::tls::cipher_suites: grpcio cannot"),
        ({"curve_preferences": ["P256"]}, "protocols::grpc::tls::curve_preferences: grpcio cannot"),
        ({"client_ca_file_reload": True}, "protocols::grpc::tls::client_ca_file_reload: grpcio reads"),
        (
            {"client_ca_file": "/nowhere/ca.pem"},
            "protocols::grpc::tls::client_ca_file: cannot read /nowhere/ca.pem: No",
        ),
    ],
)
async def test_what_grpcio_cannot_do_is_refused_at_start_by_name(
    authority: Authority, options: dict[str, Any], message: str
) -> None:
    """An operator who asks for a minimum TLS version must not get another."""
    with pytest.raises(StartError) as caught:
        async with running_receiver(Sink(), tls=tls(authority.issue("server"), **options)):
            pass

    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_version": "1.0"}, "min_version: TLS 1.0 is broken and not spoken here, only 1.2 and 1.3"),
        ({"cipher_suites": ["TLS_RSA_WITH_AES_128_CBC_SHA"]}, "cipher_suites: TLS_RSA_WITH_AES_128_CBC_SHA is not"),
        ({"curve_preferences": ["P521"]}, "curve_preferences: P521 is not known here, only X25519, P256 and P384"),
        ({"client_ca_file": "/nowhere/ca.pem"}, "client_ca_file: cannot read /nowhere/ca.pem: No such file"),
        ({"client_ca_file": __file__}, "client_ca_file: there is no certificate in it"),
        ({"cert_file": "/nowhere/cert.pem"}, "cert_file: cannot read /nowhere/cert.pem: No such file"),
        ({"cert_file": __file__}, "cert_file: there is no certificate in it"),
        ({"key_file": "", "key_pem": "no key"}, "key_pem: there is no private key in it"),
    ],
)
async def test_what_the_native_engine_cannot_do_is_refused_at_start_by_name(
    authority: Authority, options: dict[str, Any], message: str
) -> None:
    """With the option that is to blame."""
    server = authority.issue("server")
    settings = ServerTlsConfig(**{"cert_file": str(server.cert), "key_file": str(server.key), **options})
    with pytest.raises(StartError) as caught:
        async with running_receiver(Sink(), engine="native", tls=settings):
            pass

    assert str(caught.value).startswith(f"protocols::grpc::tls::{message}")


async def test_a_key_of_another_certificate_is_refused_at_start(authority: Authority) -> None:
    """Rather than at the first client."""
    server, other = authority.issue("server"), authority.issue("other")
    settings = ServerTlsConfig(cert_file=str(server.cert), key_file=str(other.key))
    with pytest.raises(StartError, match="tls::key_file: the key does not belong to the certificate"):
        async with http_receiver(Sink(), tls=settings):
            pass


# --- Over HTTP


async def test_speaks_https(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK's exporter and a client of the standard library are served; who speaks without TLS is counted."""
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        # They would win over what the exporter is told.
        monkeypatch.delenv(variable, raising=False)
    sink = Sink()
    async with http_receiver(sink, tls=tls(authority.issue("server"))) as running:
        assert (await post(running, client_context(authority))).status == 200
        provider = TracerProvider()
        url = f"https://localhost:{http_address(running)[1]}{PATH}"
        exporter = OTLPSpanExporter(endpoint=url, certificate_file=str(authority.ca))
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        await asyncio.to_thread(provider.get_tracer("test").start_span("secret").end)
        await asyncio.to_thread(provider.shutdown)
        _, writer = await asyncio.open_connection(*http_address(running))
        writer.write(b"POST /v1/traces HTTP/1.1\r\n\r\n")
        await until(lambda: running.settings.account.on("http").strangers == 1)
        await _closed(writer)

    assert len(sink) == 2


@pytest.mark.parametrize(("offered", "chosen"), [(["h2", "http/1.1"], "h2"), (["http/1.1"], "http/1.1"), ([], None)])
async def test_agrees_on_a_version_of_http(authority: Authority, offered: list[str], chosen: str | None) -> None:
    """By ALPN, HTTP/2 rather than HTTP/1.1."""
    context = client_context(authority)
    if offered:
        context.set_alpn_protocols(offered)
    async with http_receiver(Sink(), tls=tls(authority.issue("server"))) as running:
        with await asyncio.to_thread(handshake, running, context) as agreed:
            assert agreed.selected_alpn_protocol() == chosen


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


async def test_the_suites_of_tls_1_2_can_be_chosen(authority: Authority) -> None:
    """One of them, and no other."""
    suite = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
    context = client_context(authority, maximum_version=ssl.TLSVersion.TLSv1_2)
    async with http_receiver(Sink(), tls=tls(authority.issue("server"), cipher_suites=[suite])) as running:
        with await asyncio.to_thread(handshake, running, context) as agreed:
            cipher = agreed.cipher()
            assert cipher
            assert cipher[0] == "ECDHE-ECDSA-AES256-GCM-SHA384"


async def test_certificates_of_clients_are_checked(authority: Authority) -> None:
    """One of the authority is taken; none, or one that has expired, is not."""
    good, late = authority.issue("good"), authority.issue("late", expired=True)
    sink = Sink()
    settings = tls(authority.issue("server"), client_ca_file=str(authority.ca))
    async with http_receiver(sink, tls=settings) as running:
        assert (await post(running, client_context(authority, good))).status == 200
        for nobody in (None, late):
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await post(running, client_context(authority, nobody))
        await until(lambda: running.settings.account.on("http").strangers == 2)

    assert len(sink) == 1


async def test_handshakes_that_do_not_end_keep_nobody_waiting(authority: Authority) -> None:
    """Others are served meanwhile, and a shutdown does not wait either."""
    sink = Sink()
    async with http_receiver(sink, tls=tls(authority.issue("server"))) as running:
        silent = [await asyncio.open_connection(*http_address(running)) for _ in range(50)]
        for _, writer in silent:
            writer.write(b"\x16\x03\x01")
        assert (await post(running, client_context(authority))).status == 200
    await asyncio.gather(*(_closed(writer) for _, writer in silent))

    assert len(sink) == 1


# --- Certificates that change


@contextlib.asynccontextmanager
async def _changing(monkeypatch: pytest.MonkeyPatch, settings: ServerTlsConfig) -> Any:
    monkeypatch.setattr(native_tls, "CLIENT_CA_INTERVAL", 0.02)
    async with http_receiver(Sink(), tls=settings) as running:
        yield running


def _common_name(running: OtlpReceiver, context: ssl.SSLContext) -> str:
    with handshake(running, context) as agreed:
        certificate: Any = agreed.getpeercert()
        return str(dict(pair for part in certificate["subject"] for pair in part)["commonName"])


async def test_a_new_certificate_is_shown_and_a_wrong_one_is_not(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """New connections see it; a pair that does not belong together leaves the old one, and one line in the log."""
    caplog.set_level(logging.INFO)
    shown, next = authority.issue("first"), authority.issue("second")
    async with _changing(monkeypatch, tls(shown, reload_interval=Duration.parse("20ms"))) as running:
        name = functools.partial(asyncio.to_thread, _common_name, running, client_context(authority))
        assert await name() == "first"

        shutil.copy(next.cert, shown.cert)
        await until(lambda: "cannot be used" in caplog.text)
        assert await name() == "first"

        shutil.copy(next.key, shown.key)
        await until(lambda: "Certificates have changed" in caplog.text)
        assert await name() == "second"

    [line] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "tls::key_file: the key does not belong to the certificate" in line.getMessage()


async def test_new_authorities_of_clients_are_believed(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Any
) -> None:
    """A client of an authority that was added is taken."""
    caplog.set_level(logging.INFO)
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    client, believed = other.issue("client"), tmp_path / "believed.pem"
    shutil.copy(authority.ca, believed)
    settings = tls(authority.issue("server"), client_ca_file=str(believed), client_ca_file_reload=True)
    async with _changing(monkeypatch, settings) as running:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await post(running, client_context(authority, client))

        believed.write_bytes(authority.ca.read_bytes() + other.ca.read_bytes())
        await until(lambda: "Certificates have changed" in caplog.text)

        assert (await post(running, client_context(authority, client))).status == 200


def test_nothing_is_read_again_unless_that_is_asked_for(authority: Authority) -> None:
    """Also when the files have changed."""
    server = authority.issue("server")
    certificates = Certificates(tls(server), [], logging.getLogger("test"))
    certificates.read()
    shutil.copy(authority.issue("other").cert, server.cert)

    assert certificates.look() is None
