"""Settings of gRPC clients, spelt as in the Go collector, and what their endpoints mean.

endpoint: backend:4317              TLS, as always unless `tls.insecure` says otherwise
endpoint: https://backend:4317      the same
endpoint: http://backend:4317       the same: the scheme does not switch TLS off
endpoint: dns:///backend:4317       all addresses of a name, in turn
endpoint: unix:///run/backend.sock
"""

from __future__ import annotations

import platform
import re
from typing import Annotated, Any, Literal, Protocol

from collector.auth import AuthConfig, ClientAuthenticator
from collector.config.types import Config, Duration, FieldError, NonNegativeInt, Notice, Section
from collector.sending.config import SendingConfig
from collector.spans import SpanBatch
from collector.transport.headers import Headers, header_pairs, printable
from collector.transport.settings import NO_BUFFERS, Engine
from collector.transport.tls import ClientTlsConfig

_HEADER = re.compile(r"(?!grpc-|(?:te|connection|content-type|content-length|transfer-encoding)$)[0-9a-z_.-]+")
_SCHEME = re.compile(r"(https?|dns|passthrough)://(?:[^/]*/(?=.*:))?", re.IGNORECASE)
_HOST_PORT = re.compile(r"(\[[0-9a-fA-F:.%]+\]|[^:/\[\]]*):([0-9]{1,5})")


class KeepaliveClientConfig(Config):
    """Pings to the server."""

    time: Duration = Duration.parse("10s")
    """Ping a server that was silent for so long. Servers disconnect clients that ping more often than they like."""
    timeout: Duration = Duration.parse("10s")
    """Close the connection when a ping is not answered for so long."""
    permit_without_stream: bool = False
    """Ping while no request is running."""


class GrpcClient(Protocol):
    """A client for one method, whichever engine it has. It connects by itself when it is used first."""

    def open(self, credentials: ClientAuthenticator | None = None) -> None:
        """Get ready. Raises `StartError` for unusable files."""

    async def call(self, request: SpanBatch | bytes) -> bytes:
        """Send spans, or a request of another signal, and give the answer. Raises `ConsumeError`."""

    async def close(self) -> None:
        """Break off what is under way. May be called twice, and without `open`."""


class GrpcClientConfig(SendingConfig):
    """Settings of an exporter that is a gRPC client."""

    endpoint: str = ""
    """Where to connect: `host:port`, `dns:///host:port` or `unix:///path`; a scheme `http://` has no effect."""
    engine: Engine | None = None
    """What sends: `native`, which is the kernel's own and costs far less, or `grpcio`. Where nothing is said it is
    `native`, and `grpcio` for an `endpoint` that only that one knows: `xds:`, `vsock:`, `unix-abstract:`, or `dns:`
    with a server to ask."""
    tls: Section[ClientTlsConfig] = ClientTlsConfig()
    """TLS is on unless `insecure: true` stands here."""
    compression: Literal["gzip", "none", "", "snappy", "zstd"] = "gzip"
    """`gzip`, `zstd` or `none`; `grpcio` does not know `zstd`."""
    headers: Headers = {}
    """Sent with every request: a map, or a list of `name` and `value`."""
    keepalive: Section[KeepaliveClientConfig] = None
    """Pings; off unless the section is there."""
    balancer_name: Literal["round_robin", "pick_first", ""] = "round_robin"
    """How requests are spread where a name has several addresses."""
    authority: str = ""
    """Stands for the host in requests, instead of the one in `endpoint`."""
    wait_for_ready: bool = False
    """Let a request wait for a connection until its timeout, where otherwise it fails at once."""
    user_agent: str = ""
    """How the client calls itself."""
    read_buffer_size: Annotated[NonNegativeInt, NO_BUFFERS] = 0
    """Taken, without effect."""
    write_buffer_size: Annotated[NonNegativeInt, NO_BUFFERS] = 512 * 1024
    """Taken, without effect."""
    auth: Section[AuthConfig] = None
    """An extension that knows as whom to send."""
    middlewares: Annotated[list[Any], Notice("there are no middlewares here")] = []
    """Taken, without effect."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say."""
        super().__post_init__()
        target(self.endpoint)
        engine = self.chosen_engine
        known = ("gzip", "zstd", "none") if engine == "native" else ("gzip", "none")
        if self.compression and self.compression not in known:
            choice = f"{', '.join(known[:-1])} or {known[-1]}"
            raise FieldError("compression", f"{self.compression} is not supported by the {engine} engine; use {choice}")
        if engine == "native":
            unsupported = self.tls.unsupported_by_native() if self.tls else None
            addresses(self.endpoint)
        else:
            unsupported = self.tls.unsupported_by_grpcio() if self.tls else None
        if unsupported:
            option, _, why = unsupported.partition(": ")
            raise FieldError(f"tls::{option}", why)
        if self.auth and self.plaintext and not target(self.endpoint).startswith("unix:"):
            raise FieldError("auth", "credentials are sent over TLS only: remove tls::insecure")
        if not is_authority(self.authority or "localhost"):
            raise FieldError("authority", f"must be a host, with or without a port, got {self.authority!r}")
        _ = self.metadata

    @property
    def chosen_engine(self) -> Engine:
        """The engine that is asked for, or the one that sends best to this endpoint. Raises `FieldError`."""
        return self.engine or ("grpcio" if is_for_grpcio(target(self.endpoint)) else "native")

    @property
    def plaintext(self) -> bool:
        """Whether TLS is off."""
        return self.tls is None or self.tls.plaintext

    @property
    def metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        """The headers as gRPC wants them. Raises `FieldError`."""
        return tuple(
            (name, value.encode() if name.endswith("-bin") else printable(name, value))
            for name, value in header_pairs(self.headers, _HEADER, "a gRPC header")
        )


def is_authority(text: str) -> bool:
    """Whether requests may say that they are for this: a host, with or without a port."""
    return re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[0-9a-zA-Z_.~-]+)(:[0-9]{1,5})?", text) is not None


def agent() -> str:
    """How clients call themselves."""
    return f"spanmill ({platform.system()}/{platform.machine()})".lower()


def target(endpoint: str) -> str:
    """Say an endpoint as gRPC's resolver does. Raises `FieldError`."""
    if not endpoint:
        raise FieldError("endpoint", "is required, such as backend:4317")
    if endpoint.startswith("unix:"):
        path = re.sub(r"^unix:(//)?", "", endpoint)
        if not path:
            raise FieldError("endpoint", "the path of the unix socket is missing, such as unix:///run/backend.sock")
        return f"unix:{path}"
    if endpoint.startswith(("ipv4:", "ipv6:", "unix-abstract:", "vsock:", "xds:")):
        return endpoint
    scheme = _SCHEME.match(endpoint)
    address = endpoint[scheme.end() :] if scheme else endpoint
    parts = _HOST_PORT.fullmatch(address.removesuffix("/"))
    if not parts or not 0 < int(parts[2]) <= 65535:
        raise FieldError("endpoint", f"must be host:port, such as backend:4317, got {endpoint!r}")
    host_port = f"{parts[1] or 'localhost'}:{parts[2]}"
    # `passthrough` is the Go library's word for not resolving at all, which here the default comes closest to.
    return f"{scheme[0]}{host_port}" if scheme and scheme[1].lower() == "dns" else host_port


def is_for_grpcio(target: str) -> bool:
    """Whether only gRPC's own resolver knows what this is: the target of `target`."""
    scheme, _, rest = target.partition(":")
    asks_a_server = scheme.lower() == "dns" and not rest.startswith("///")
    return asks_a_server or scheme in {"unix-abstract", "vsock", "xds"}


def plaintext_hint(endpoint: str) -> str:
    """What to say when a server turns out to speak no TLS."""
    hint = "set tls.insecure to true to speak plaintext"
    if endpoint.startswith("http://"):
        return f"{hint} (http:// in endpoint does not do that)"
    return hint


def addresses(endpoint: str) -> dict[str, object]:
    """Say an endpoint as the kernel's client takes it: a list of hosts with ports, or a path. Raises `FieldError`."""
    plain = target(endpoint)
    if plain.startswith("unix:"):
        return {"unix": plain.removeprefix("unix:")}
    if plain.lower().startswith("dns:"):
        server, _, plain = plain[len("dns://") :].rpartition("/")
        if server:
            raise FieldError(
                "endpoint", f"the native engine asks the system's resolver and not {server}; use dns:///{plain}"
            )
    elif plain.startswith(("ipv4:", "ipv6:")):
        plain = plain[len("ipv4:") :]
    elif (scheme := plain.partition(":")[0]) in {"unix-abstract", "vsock", "xds"}:
        raise FieldError("endpoint", f"the native engine does not know {scheme}: use grpcio")
    hosts = []
    for address in plain.split(","):
        parts = _HOST_PORT.fullmatch(address)
        if not parts or not 0 < int(parts[2]) <= 65535:
            raise FieldError("endpoint", f"must be addresses with ports, such as 10.0.0.1:4317, got {address!r}")
        hosts.append((parts[1].removeprefix("[").removesuffix("]"), int(parts[2])))
    return {"hosts": hosts}
