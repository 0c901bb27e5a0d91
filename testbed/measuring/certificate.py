"""Certificates for loopback: for a subject that is spoken to with TLS, and for whoever tests with one of their own.

Keys are of elliptic curves unless they are given. A certificate begins two days before its end.
"""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who signs: a name and a private key."""

    name: str
    key: CertificateIssuerPrivateKeyTypes


@dataclass(frozen=True, slots=True)
class Certificate:
    """Where certificate and key lie."""

    cert: Path
    key: Path


def new_key() -> ec.EllipticCurvePrivateKey:
    """Make a private key."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: CertificateIssuerPrivateKeyTypes) -> bytes:
    """Write a private key in PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def cert_pem(
    name: str,
    key: CertificateIssuerPrivateKeyTypes,
    issuer: Issuer,
    *,
    authority: bool,
    host: str = "localhost",
    lasts: datetime.timedelta = DAY,
) -> bytes:
    """Sign a certificate for a host and 127.0.0.1, and write it in PEM. With `lasts` below 0 it has expired."""
    ends = datetime.datetime.now(datetime.UTC) + lasts
    signed = (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named(issuer.name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ends - 2 * DAY)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(host), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(issuer.key, hashes.SHA256())
    )
    return signed.public_bytes(serialization.Encoding.PEM)


def certificate(directory: Path) -> Certificate:
    """Write a certificate for loopback that signed itself, and its key, for a day."""
    key = new_key()
    made = Certificate(directory / "subject.pem", directory / "subject.key")
    made.cert.write_bytes(cert_pem("localhost", key, Issuer("localhost", key), authority=False))
    made.key.touch(mode=0o600)
    made.key.write_bytes(key_pem(key))
    return made


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
