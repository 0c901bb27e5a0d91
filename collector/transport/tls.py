"""The `tls` block of servers and clients, spelt as in the Go collector.

Types here check what can be known from the text alone. Files are read when a component starts, by `read_identity`
and `read_authorities`, which raise `StartError` for what is missing or unreadable.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

from collector.config.types import Config, Duration, FieldError, Notice
from collector.errors import StartError

_NO_CLIENTS = Notice("has no effect on a server: clients are checked against client_ca_file alone, if that is set")
_FILES = ("ca_file", "cert_file", "key_file", "client_ca_file")
_VERSIONS = ("1.0", "1.1", "1.2", "1.3")


class TlsConfig(Config):
    """What servers and clients have in common."""

    ca_file: str = ""
    """File with the authorities that the other side's certificate is checked against."""
    ca_pem: str = ""
    """The same as text."""
    include_system_ca_certs_pool: bool = False
    """Trust the operating system's authorities besides those of `ca_file`."""
    cert_file: str = ""
    """File with our own certificate and its chain."""
    cert_pem: str = ""
    """The same as text."""
    key_file: str = ""
    """File with the private key of our certificate."""
    key_pem: str = ""
    """The same as text."""
    min_version: str = "1.2"
    """The oldest TLS version that is spoken: 1.0, 1.1, 1.2 or 1.3."""
    max_version: str = ""
    """The newest TLS version that is spoken; empty is the newest there is."""
    cipher_suites: list[str] = []
    """Names of the cipher suites that may be used."""
    include_insecure_cipher_suites: bool = False
    """Allow names in `cipher_suites` that are known to be weak."""
    curve_preferences: list[str] = []
    """Elliptic curves for the key exchange, the preferred one first."""
    reload_interval: Duration = Duration(0)
    """How often certificate and key are read again; 0 is never."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say."""
        for what in ("ca", "cert", "key"):
            if getattr(self, f"{what}_file") and getattr(self, f"{what}_pem"):
                raise FieldError(f"{what}_pem", f"give either {what}_file or {what}_pem, not both")
        if self.has_certificate != self.has_key:
            missing, given = ("key_file", "cert_file") if self.has_certificate else ("cert_file", "key_file")
            raise FieldError(missing, f"is needed beside {given}: a certificate and its key belong together")
        for field in ("min_version", "max_version"):
            version = getattr(self, field)
            if version and version not in _VERSIONS:
                raise FieldError(field, f"must be one of {', '.join(_VERSIONS)}, got {version!r}")
        if self.max_version and self.min_version > self.max_version:
            raise FieldError("min_version", f"must not be newer than max_version {self.max_version}")

    @property
    def has_certificate(self) -> bool:
        """Whether a certificate of our own is given."""
        return bool(self.cert_file or self.cert_pem)

    @property
    def has_key(self) -> bool:
        """Whether a private key is given."""
        return bool(self.key_file or self.key_pem)

    def read_identity(self) -> tuple[bytes, bytes] | None:
        """Read our own private key and certificate chain, as PEM; `None` if none is given. Raises `StartError`."""
        if not self.has_certificate:
            return None
        return _pem(self, "key"), _pem(self, "cert")

    def read_authorities(self) -> bytes | None:
        """Read the authorities to trust, as PEM; `None` stands for those of the system. Raises `StartError`."""
        return _pem(self, "ca") if self.ca_file or self.ca_pem else None

    def unsupported_by_grpcio(self) -> str | None:
        """Name the first setting that the grpcio engine cannot fulfil, and say why."""
        # grpcio's TLS speaks 1.2 and 1.3, with cipher suites that only the environment of the process can change.
        if self.min_version not in {"", "1.2"}:
            return f"min_version: grpcio speaks TLS 1.2 and 1.3 and cannot be held to {self.min_version} or newer"
        if self.max_version not in {"", "1.3"}:
            return f"max_version: grpcio speaks TLS 1.2 and 1.3 and cannot be held to {self.max_version} or older"
        if self.cipher_suites:
            return "cipher_suites: grpcio cannot choose them; set GRPC_SSL_CIPHER_SUITES in the environment"
        if self.curve_preferences:
            return "curve_preferences: grpcio cannot choose curves"
        if self.reload_interval:
            return "reload_interval: grpcio reads certificates once, at start"
        return None


class ServerTlsConfig(TlsConfig):
    """TLS of a server. The section being there switches TLS on."""

    ca_file: Annotated[str, _NO_CLIENTS] = ""
    """Taken, without effect."""
    ca_pem: Annotated[str, _NO_CLIENTS] = ""
    """Taken, without effect."""
    include_system_ca_certs_pool: Annotated[bool, _NO_CLIENTS] = False
    """Taken, without effect."""
    client_ca_file: str = ""
    """Authorities for the certificates of clients. When it is given, clients must show one (mTLS)."""
    client_ca_file_reload: bool = False
    """Read `client_ca_file` again when it changes."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say."""
        super().__post_init__()
        if not self.has_certificate:
            raise FieldError("cert_file", "a server needs a certificate and its key: set cert_file and key_file")

    def read_client_authorities(self) -> bytes | None:
        """Read the authorities for the certificates of clients; `None` if clients need none. Raises `StartError`."""
        return read_file(self.client_ca_file, "client_ca_file") if self.client_ca_file else None

    def unsupported_by_grpcio(self) -> str | None:
        """Name the first setting that the grpcio engine cannot fulfil, and say why."""
        if self.client_ca_file_reload:
            return "client_ca_file_reload: grpcio reads authorities once, at start"
        return super().unsupported_by_grpcio()


class ClientTlsConfig(TlsConfig):
    """TLS of a client. It is on unless `insecure` is set."""

    insecure: bool = False
    """Speak without TLS. Ignored where a CA is configured."""
    insecure_skip_verify: bool = False
    """Speak TLS, and believe any certificate."""
    server_name_override: str = ""
    """The name to ask for and to check, instead of the host in `endpoint`."""
    reload_interval: Duration = Duration(0)
    """How often certificate, key and authorities are read again, for new connections; 0 is never."""

    CA_WINS: ClassVar[str] = "insecure is ignored: a CA is configured, so TLS is spoken"

    @property
    def plaintext(self) -> bool:
        """Whether TLS is off."""
        return self.insecure and not (self.ca_file or self.ca_pem)

    def unsupported_by_grpcio(self) -> str | None:
        """Name the first setting that the grpcio engine cannot fulfil, and say why."""
        if self.insecure_skip_verify and not self.plaintext:
            return "insecure_skip_verify: grpcio always verifies; give the server's certificate as ca_file"
        return super().unsupported_by_grpcio()

    def unsupported_by_native(self) -> str | None:
        """Name the first setting that the native client cannot fulfil, and say why."""
        if self.plaintext:
            return None
        for option in ("min_version", "max_version"):
            if (version := getattr(self, option)) in {"1.0", "1.1"}:
                return f"{option}: the native engine speaks TLS 1.2 and 1.3, and never {version}"
        return None


class NamedFiles:
    """The files of some `tls` blocks, to see later whether they have changed."""

    def __init__(self, *configs: TlsConfig | None) -> None:
        self._names = [name for config in configs for field in _FILES if (name := getattr(config, field, ""))]
        self._noted: list[bytes | None] = []

    def note(self) -> None:
        """Remember what is in them now."""
        self._noted = self._read()

    @property
    def have_changed(self) -> bool:
        """Whether there is something else in them than what was noted."""
        return self._noted != self._read()

    def _read(self) -> list[bytes | None]:
        """`None` stands for a file that cannot be read."""
        found: list[bytes | None] = []
        for name in self._names:
            try:
                found.append(Path(name).read_bytes())
            except OSError:
                found.append(None)
        return found


def _pem(config: TlsConfig, what: str) -> bytes:
    text: str = getattr(config, f"{what}_pem")
    return text.encode() if text else read_file(getattr(config, f"{what}_file"), f"{what}_file")


def read_file(name: str, option: str) -> bytes:
    """Read a file that `option` names. Raises `StartError`."""
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise StartError(f"cannot read {name}: {error.strerror}", path=f"tls::{option}") from error
