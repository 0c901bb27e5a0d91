"""Certificates that nobody issued, for tests: given to clients as what they are to believe."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

from testbed.measuring.certificate import Issuer, cert_pem, key_pem, new_key


class Identity:
    """A key and a certificate that it signed itself, and that ends in so many days."""

    def __init__(self, directory: Path, name: str, days: int = 1) -> None:
        key = new_key()
        lasts = datetime.timedelta(days=days)
        self.key = key_pem(key)
        self.certificate = cert_pem(name, key, Issuer(name, key), authority=True, host=name, lasts=lasts)
        self.key_file, self.cert_file = directory / f"{name}.key", directory / f"{name}.pem"
        self.key_file.write_bytes(self.key)
        self.cert_file.write_bytes(self.certificate)

    def server_context(self, *protocols: str) -> ssl.SSLContext:
        """What a server of the standard library shows. `protocols` are those of ALPN."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert_file, self.key_file)
        if protocols:
            context.set_alpn_protocols(protocols)
        return context
