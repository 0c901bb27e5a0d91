"""Settings of HTTP clients, spelt as in the Go collector, and what their endpoints mean."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from urllib.parse import SplitResult, urlsplit

from msgspec import UNSET

from collector.auth import AuthConfig
from collector.config.types import Config, Duration, FieldError, NonNegativeInt, Notice, Section
from collector.sending.config import SendingConfig
from collector.transport.client import agent, is_authority
from collector.transport.headers import Headers, header_pairs, printable
from collector.transport.native_client import NO_LIMIT, Tls, through_proxy
from collector.transport.proxies import Proxy, parse_proxy
from collector.transport.settings import NO_BUFFERS
from collector.transport.tls import ClientTlsConfig

_HEADER = re.compile(r"(?!(?:connection|content-length|transfer-encoding|upgrade|te|trailer)$)[!#$%&'*+.^_`|~0-9a-z-]+")
_ENCODINGS = {
    "": "identity",
    "none": "identity",
    "gzip": "gzip",
    "zstd": "zstd",
    "zlib": "deflate",
    "deflate": "deflate",
}
"""What the kernel calls a compression: HTTP's `deflate` is zlib, whichever of its names is used."""


class CompressionParams(Config):
    """How hard to compress."""

    level: int = 0
    """From 1, which is fast, to 9 with gzip, zlib and deflate, or 22 with zstd; 0 is the usual level."""


class HttpClientConfig(SendingConfig):
    """Settings of an exporter that is an HTTP client."""

    endpoint: str = ""
    """Where to send: a URL such as `http://backend:4318`."""
    timeout: Duration = Duration.parse("30s")
    """How long one attempt may take; 0 is as long as it likes."""
    tls: Section[ClientTlsConfig] = ClientTlsConfig()
    """TLS for endpoints with `https`. Whether it is spoken says the scheme, not `insecure`."""
    compression: Literal["gzip", "zstd", "zlib", "deflate", "none", "", "snappy", "x-snappy-framed", "lz4"] = "gzip"
    """`gzip`, `zstd`, `zlib`, `deflate` or `none`."""
    compression_params: CompressionParams = CompressionParams()
    """How hard to compress."""
    headers: Headers = {}
    """Sent with every request: a map, or a list of `name` and `value`. `Host` stands for the host of the endpoint."""
    max_idle_conns: NonNegativeInt = 100
    """Connections that are kept while they have nothing to do; 0 is no limit."""
    max_idle_conns_per_host: NonNegativeInt = 0
    """The same, for there is one host; 0 leaves it to `max_idle_conns`."""
    max_conns_per_host: NonNegativeInt = 0
    """Connections at a time; 0 is no limit. Consumers of the queue need one each, unless HTTP/2 is spoken."""
    idle_conn_timeout: Duration = Duration.parse("90s")
    """How long a connection is kept that has nothing to do; 0 is for ever."""
    disable_keep_alives: bool = False
    """Make a connection for each request."""
    force_attempt_http2: bool = True
    """Speak HTTP/2 over TLS where the server can."""
    http2_read_idle_timeout: Duration = Duration(0)
    """Ping a server of HTTP/2 that was silent for so long; 0 is never."""
    http2_ping_timeout: Duration = Duration(0)
    """Close the connection when a ping is not answered for so long; 0 stands for 15 seconds."""
    read_buffer_size: Annotated[NonNegativeInt, NO_BUFFERS] = 0
    """Taken, without effect."""
    write_buffer_size: Annotated[NonNegativeInt, NO_BUFFERS] = 512 * 1024
    """Taken, without effect."""
    proxy_url: str = ""
    """A proxy, `http://proxy:3128`; otherwise the environment says: `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`."""
    auth: Section[AuthConfig] = None
    """An extension that knows as whom to send."""
    cookies: Any = UNSET
    """Not supported yet: keep cookies of the server."""
    middlewares: Annotated[list[Any], Notice("there are no middlewares here")] = []
    """Taken, without effect."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say."""
        super().__post_init__()
        if self.compression not in _ENCODINGS:
            raise FieldError("compression", f"{self.compression} is not supported yet; use gzip, zstd, zlib or none")
        self._check_level()
        try:
            _ = self.proxy
        except ValueError as error:
            raise FieldError("proxy_url", str(error)) from error
        if self.cookies not in (UNSET, None, {"enabled": False}):
            raise FieldError("cookies", "not supported yet; remove this section")
        for field in ("idle_conn_timeout", "http2_read_idle_timeout", "http2_ping_timeout"):
            if getattr(self, field) < 0:
                raise FieldError(field, f"must be 0 or more, got {getattr(self, field)}")
        if self.tls and (unsupported := self.tls.unsupported_by_native()):
            option, _, why = unsupported.partition(": ")
            raise FieldError(f"tls::{option}", why)
        host = dict(self.header_pairs).get("host", "localhost")
        if not is_authority(host):
            raise FieldError("headers", f"the value of 'Host' must be a host, with or without a port, got {host!r}")

    def _check_level(self) -> None:
        level, path = self.compression_params.level, "compression_params::level"
        if self.codec == "identity" and level:
            raise FieldError(path, "there is nothing to compress with")
        if self.codec in {"gzip", "deflate"} and not -1 <= level <= 9:
            raise FieldError(path, f"must be from 1 to 9, or 0 for the usual level, got {level}")

    @property
    def codec(self) -> str:
        """The compression, as the kernel calls it."""
        return _ENCODINGS[self.compression]

    @property
    def header_pairs(self) -> list[tuple[str, str]]:
        """The headers. Raises `FieldError`."""
        return [(name, printable(name, value)) for name, value in header_pairs(self.headers, _HEADER, "a header here")]

    @property
    def proxy(self) -> Proxy | None:
        """The proxy of the configuration. Raises `ValueError`."""
        return parse_proxy(self.proxy_url) if self.proxy_url else None

    def kernel_tls(self, url: SplitResult) -> Tls | None:
        """How to speak TLS to a URL, if it wants that."""
        if url.scheme != "https":
            return None
        alpn = ("h2", "http/1.1") if self.force_attempt_http2 else ("http/1.1",)
        return Tls(self.tls or ClientTlsConfig(), url.hostname or "", alpn)

    def kernel_settings(self, url: SplitResult, protocol: str) -> dict[str, object]:
        """What the kernel's client wants to know to send to a URL: `kernel/src/net/client/settings.rs`.

        Raises `StartError` for a proxy in the environment that cannot be used.
        """
        pairs = dict(self.header_pairs)
        host = url.hostname or ""
        headers = {"user-agent": agent()}
        if self.codec != "identity":
            headers["content-encoding"] = self.compression
        port = url.port or {"http": 80, "https": 443}[url.scheme]
        idle = [bound for bound in (self.max_idle_conns, self.max_idle_conns_per_host) if bound]
        level = self.compression_params.level
        settings: dict[str, Any] = {
            "target": {"hosts": [(host, port)]},
            "tunnel": None,
            "absolute_form": False,
            "protocol": protocol,
            "authority": pairs.pop("host", url.netloc.rpartition("@")[2]),
            "path": (url.path or "/") + (f"?{url.query}" if url.query else ""),
            "headers": list((headers | pairs).items()),
            "encoding": self.codec,
            "level": level if level > 0 or (level and self.codec == "zstd") else None,
            "timeout": float(self.timeout),
            "connect_timeout": CONNECT_TIMEOUT,
            "backoff": (0.0, 0.0),
            "spread": False,
            "wait_for_ready": False,
            "max_connections": self.max_conns_per_host or NO_LIMIT,
            "max_idle_connections": 0 if self.disable_keep_alives else min(idle, default=NO_LIMIT),
            "idle_timeout": float(self.idle_conn_timeout),
            "keepalive_time": float(self.http2_read_idle_timeout),
            "keepalive_timeout": float(self.http2_ping_timeout) or 15.0,
            "keepalive_idle": True,
        }
        return through_proxy(settings, url.scheme, self.proxy)


CONNECT_TIMEOUT = 30.0
"""Seconds for one address, as in Go."""


def http_url(text: str, option: str) -> SplitResult:
    """Take a URL apart. Raises `FieldError`."""
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError as error:
        raise FieldError(option, f"must be a URL such as http://backend:4318, got {text!r}: {error}") from error
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise FieldError(option, f"must be a URL such as http://backend:4318, got {text!r}")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise FieldError(option, f"must be of printable ASCII, got {text!r}")
    if url.username is not None:
        raise FieldError(option, "may have no user name: put credentials into the header `Authorization`")
    if url.fragment:
        raise FieldError(option, f"may have no fragment, got {text!r}")
    return url
