"""Certificates of the OTLP receiver that change while it runs."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import shutil
import ssl
from typing import Any

import pytest
from certificates import Authority
from otlp_http import http_receiver
from otlp_tls import client_context, handshake, post, tls

from collector._kernel import ServerTls
from collector.config.types import Duration
from collector.receivers.otlp import OtlpReceiver
from collector.testing import Sink, until
from collector.transport import native_tls
from collector.transport.native_tls import Certificates
from collector.transport.tls import ServerTlsConfig


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
    """A client of an authority that was added is taken, and refused once the authority is gone again."""
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

        caplog.clear()
        believed.write_bytes(authority.ca.read_bytes())
        await until(lambda: "Certificates have changed" in caplog.text)

        with pytest.raises((ssl.SSLError, ConnectionError)):
            await post(running, client_context(authority, client))


def test_nothing_is_read_again_unless_that_is_asked_for(authority: Authority) -> None:
    """Also when the files have changed."""
    server = authority.issue("server")
    certificates = Certificates(tls(server), [], logging.getLogger("test"))
    certificates.read()
    shown: list[ServerTls] = []
    shutil.copy(authority.issue("other").cert, server.cert)

    certificates.renewal(shown.append).look()

    assert shown == []


def test_a_certificate_that_is_gone_is_an_error_once(authority: Authority, caplog: pytest.LogCaptureFixture) -> None:
    """However long it is gone; and once more, if it was there in between."""
    server = authority.issue("server")
    away = server.cert.with_suffix(".away")
    certificates = Certificates(tls(server, reload_interval=Duration.parse("1s")), [], logging.getLogger("test"))
    certificates.read()
    shown: list[ServerTls] = []
    renewal = certificates.renewal(shown.append)

    server.cert.rename(away)
    for _ in range(3):
        renewal.look()
    assert len(caplog.records) == 1
    assert "tls::cert_file: cannot read" in caplog.text

    away.rename(server.cert)
    renewal.look()
    server.cert.rename(away)
    renewal.look()
    assert len(caplog.records) == 2
    assert shown == []
