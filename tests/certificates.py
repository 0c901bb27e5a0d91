"""An authority for tests, and the certificates that it issues."""

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


@dataclass
class Identity:
    """A private key and its certificate."""

    key: Path
    cert: Path

    @property
    def pem(self) -> tuple[bytes, bytes]:
        """Both as PEM, the key first."""
        return self.key.read_bytes(), self.cert.read_bytes()


class Authority:
    """Issues certificates for the length of a test."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        self.ca = directory / "ca.pem"
        self._write(self.ca, self._sign(self.name, self.key, ca=True))

    def issue(
        self, name: str, *, expired: bool = False, key: CertificateIssuerPrivateKeyTypes | None = None
    ) -> Identity:
        """Issue a certificate for localhost, and write it beside its key, which is one of P256 unless it is given."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        identity = Identity(self.directory / f"{name}.key", self.directory / f"{name}.pem")
        identity.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._write(identity.cert, self._sign(subject, key, ca=False, expired=expired))
        return identity

    def _sign(
        self, subject: x509.Name, key: CertificateIssuerPrivateKeyTypes, *, ca: bool, expired: bool = False
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=2 * expired)
        names = x509.SubjectAlternativeName(
            [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        )
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(names, critical=False)
            .sign(self.key, hashes.SHA256())
        )

    @staticmethod
    def _write(path: Path, certificate: x509.Certificate) -> None:
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
