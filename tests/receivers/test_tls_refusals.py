"""Settings of TLS that cannot be fulfilled: the receiver does not start, and says which."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from certificates import Authority, Identity
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from otlp_grpc import running_receiver
from otlp_http import http_receiver
from otlp_tls import client_context, post, tls

from collector.errors import StartError
from collector.testing import Sink
from collector.transport.tls import ServerTlsConfig


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
        async with running_receiver(Sink(), engine="grpcio", tls=tls(authority.issue("server"), **options)):
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


# --- Kinds of keys


def _encoded(
    authority: Authority, key: Any, form: PrivateFormat, secret: KeySerializationEncryption | None = None
) -> Identity:
    """A certificate for this key, which is written in this form."""
    identity = authority.issue("server", key=key)
    identity.key.write_bytes(key.private_bytes(Encoding.PEM, form, secret or NoEncryption()))
    return identity


def _rsa(bits: int) -> Callable[[], rsa.RSAPrivateKey]:
    return lambda: rsa.generate_private_key(65537, bits)


def _ec(curve: ec.EllipticCurve) -> Callable[[], ec.EllipticCurvePrivateKey]:
    return lambda: ec.generate_private_key(curve)


@pytest.mark.parametrize(
    ("make", "form", "label"),
    [
        (_rsa(2048), PrivateFormat.PKCS8, "PRIVATE KEY"),
        (_rsa(2048), PrivateFormat.TraditionalOpenSSL, "RSA PRIVATE KEY"),
        (_ec(ec.SECP256R1()), PrivateFormat.TraditionalOpenSSL, "EC PRIVATE KEY"),
        (_ec(ec.SECP384R1()), PrivateFormat.PKCS8, "PRIVATE KEY"),
        (ed25519.Ed25519PrivateKey.generate, PrivateFormat.PKCS8, "PRIVATE KEY"),
    ],
)
async def test_usual_keys_are_taken(
    authority: Authority, make: Callable[[], Any], form: PrivateFormat, label: str
) -> None:
    """PKCS#8, PKCS#1 and SEC 1."""
    server = _encoded(authority, make(), form)
    assert server.key.read_text().startswith(f"-----BEGIN {label}-----")
    async with http_receiver(Sink(), tls=tls(server)) as running:
        assert (await post(running, client_context(authority))).status == 200


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
async def test_an_encrypted_key_is_refused(authority: Authority, form: PrivateFormat) -> None:
    """In either form, since there is nobody to ask for a password."""
    server = _encoded(authority, _ec(ec.SECP256R1())(), form, BestAvailableEncryption(b"secret"))
    with pytest.raises(StartError, match="tls::key_file: the key is encrypted: write it without a password"):
        async with http_receiver(Sink(), tls=tls(server)):
            pass


@pytest.mark.parametrize("make", [_rsa(1024), _ec(ec.SECP521R1())])
async def test_a_key_of_another_kind_is_refused(authority: Authority, make: Callable[[], Any]) -> None:
    """With the kinds that there are."""
    server = _encoded(authority, make(), PrivateFormat.PKCS8)
    with pytest.raises(StartError, match="tls::key_file: keys of this kind are not known here, only RSA of 2048"):
        async with http_receiver(Sink(), tls=tls(server)):
            pass
