"""An authority for tests, and the certificates that it issues."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

from testbed.measuring.certificate import DAY, Issuer, cert_pem, key_pem, new_key


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
        self._issuer = Issuer("test authority", new_key())
        self.ca = directory / "ca.pem"
        self.ca.write_bytes(cert_pem(self._issuer.name, self._issuer.key, self._issuer, authority=True))

    def issue(
        self, name: str, *, expired: bool = False, key: CertificateIssuerPrivateKeyTypes | None = None
    ) -> Identity:
        """Issue a certificate for localhost, and write it beside its key, which is one of P256 unless it is given."""
        key = key or new_key()
        identity = Identity(self.directory / f"{name}.key", self.directory / f"{name}.pem")
        identity.key.write_bytes(key_pem(key))
        lasts = -DAY if expired else DAY
        identity.cert.write_bytes(cert_pem(name, key, self._issuer, authority=False, lasts=lasts))
        return identity
