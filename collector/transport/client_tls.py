"""TLS as the kernel's client wants it: files read, and blame for what is in them."""

from __future__ import annotations

from collections.abc import Sequence

from collector._kernel import OptionError
from collector.errors import StartError
from collector.transport.tls import ClientTlsConfig


def client_tls(tls: ClientTlsConfig, host: str, alpn: Sequence[str]) -> dict[str, object]:
    """Read the files of a configuration, for connections to `host`. Raises `StartError`."""
    authorities = _text(tls, "ca", tls.read_authorities())
    key, chain = tls.read_identity() or (b"", b"")
    return {
        "settings": {
            "cert": _text(tls, "cert", chain) or "",
            "key": _text(tls, "key", key) or "",
            "min_version": tls.min_version,
            "max_version": tls.max_version,
            "cipher_suites": tls.cipher_suites,
            "curve_preferences": tls.curve_preferences,
            "alpn": list(alpn),
        },
        "skip_verify": tls.insecure_skip_verify,
        "ca": authorities,
        "system_ca": authorities is None or tls.include_system_ca_certs_pool,
        "server_name": tls.server_name_override or host,
    }


def blame(tls: ClientTlsConfig, error: OptionError) -> StartError:
    """Say which option is to blame for what the kernel cannot use."""
    option, message = error.args
    return StartError(message, path=f"tls::{_name(tls, option)}")


def _name(tls: ClientTlsConfig, option: str) -> str:
    """The kernel's `ca`, `cert` and `key` are a file or a text."""
    if option not in {"ca", "cert", "key"}:
        return option
    return f"{option}_pem" if getattr(tls, f"{option}_pem") else f"{option}_file"


def _text(tls: ClientTlsConfig, option: str, pem: bytes | None) -> str | None:
    try:
        return None if pem is None else pem.decode()
    except UnicodeDecodeError:
        raise StartError("is not PEM", path=f"tls::{_name(tls, option)}") from None
