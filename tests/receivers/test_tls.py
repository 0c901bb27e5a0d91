"""TLS of the OTLP receiver: over gRPC with both engines, and over HTTP."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import grpc
import pytest
from certificates import Authority
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from otlp_grpc import Receive, address, refusal, send
from otlp_http import PATH, http_receiver
from otlp_http import address as http_address
from otlp_tls import REQUEST, client_context, closed, handshake, post, tls
from self_signed import Identity as SelfSigned

from collector.testing import Sink, until
from collector.transport.tls import ServerTlsConfig

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
        await closed(writer)

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


async def test_a_client_may_have_issued_its_certificate_itself(authority: Authority, tmp_path: Path) -> None:
    """It is taken if it is the one that was given, as in Go, and while it is valid."""
    known, unknown = SelfSigned(tmp_path, "known"), SelfSigned(tmp_path, "unknown")
    late = SelfSigned(tmp_path, "late", days=-9)
    believed = tmp_path / "believed.pem"
    believed.write_bytes(known.certificate + late.certificate)
    async with http_receiver(Sink(), tls=tls(authority.issue("server"), client_ca_file=str(believed))) as running:

        async def ask(client: SelfSigned) -> int:
            context = client_context(authority)
            context.load_cert_chain(client.cert_file, client.key_file)
            return (await post(running, context)).status

        assert await ask(known) == 200
        for client in (unknown, late):
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await ask(client)
