"""TLS as the kernel's client wants it: files read, and whom to believe."""

from __future__ import annotations

from collections.abc import Sequence

from collector.errors import StartError
from collector.transport.kernel_tls import option_name, tls_settings
from collector.transport.tls import ClientTlsConfig


def client_tls(tls: ClientTlsConfig, host: str, alpn: Sequence[str]) -> dict[str, object]:
    """Read the files of a configuration, for connections to `host`. Raises `StartError`."""
    authorities = _text(tls, "ca", tls.read_authorities())
    key, chain = tls.read_identity() or (b"", b"")
    return {
        "settings": tls_settings(tls, _text(tls, "cert", chain) or "", _text(tls, "key", key) or "", alpn),
        "skip_verify": tls.insecure_skip_verify,
        "ca": authorities,
        "system_ca": authorities is None or tls.include_system_ca_certs_pool,
        "server_name": tls.server_name_override or host,
    }


def _text(tls: ClientTlsConfig, option: str, pem: bytes | None) -> str | None:
    try:
        return None if pem is None else pem.decode()
    except UnicodeDecodeError:
        raise StartError("is not PEM", path=f"tls::{option_name(tls, option)}") from None
