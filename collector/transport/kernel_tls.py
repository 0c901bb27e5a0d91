"""TLS as the kernel wants it: what servers and clients have in common, and blame for what is wrong."""

from __future__ import annotations

from collections.abc import Sequence

from collector._kernel import OptionError
from collector.errors import StartError
from collector.transport.tls import TlsConfig


def tls_settings(tls: TlsConfig, cert: str, key: str, alpn: Sequence[str]) -> dict[str, object]:
    """The settings of `kernel/src/net/tls.rs`. `cert` and `key` are PEM, or empty where there are none."""
    return {
        "cert": cert,
        "key": key,
        "min_version": tls.min_version,
        "max_version": tls.max_version,
        "cipher_suites": tls.cipher_suites,
        "curve_preferences": tls.curve_preferences,
        "alpn": list(alpn),
    }


def blame(tls: TlsConfig, error: OptionError) -> StartError:
    """Say which option is to blame for what the kernel cannot use."""
    option, message = error.args
    return StartError(message, path=f"tls::{option_name(tls, option)}")


def option_name(tls: TlsConfig, option: str) -> str:
    """The kernel's `ca`, `cert` and `key` are a file or a text."""
    if option not in {"ca", "cert", "key"}:
        return option
    return f"{option}_pem" if getattr(tls, f"{option}_pem") else f"{option}_file"
