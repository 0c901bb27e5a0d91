"""Settings of HTTP servers that take requests in numbers, spelt as in the Go collector."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET

from collector.auth import AuthConfig
from collector.config.types import Config, Duration, FieldError, Notice, Section, UInt32
from collector.transport.settings import Transport, check_socket
from collector.transport.tls import ServerTlsConfig

MAX_BODY = 20 << 20
"""Bytes of a request, where nothing else is said."""

_ENCODINGS = ("", "gzip", "zstd", "zlib", "deflate")
_ENCODINGS_ELSEWHERE = ("snappy", "x-snappy-framed", "lz4")


class CorsConfig(Config):
    """Which web pages may send from a browser."""

    allowed_origins: list[str] = []
    """Origins such as `https://app.example.com`, each with at most one `*` for any text. Without any, CORS is off."""
    allowed_headers: list[str] = []
    """Headers that pages may send beside Accept, Content-Type and X-Requested-With; `*` is any."""
    exposed_headers: list[str] = []
    """Headers of answers that pages may read."""
    max_age: UInt32 = 0
    """Seconds for which browsers may remember what they may do; 0 leaves it to them."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say."""
        for origin in self.allowed_origins:
            if origin.count("*") > 1:
                raise FieldError("allowed_origins", f"may have one * in an origin, got {origin!r}")


class HttpAuthConfig(AuthConfig):
    """Which extension checks who sends."""

    request_params: list[str] = []
    """Not supported yet: parameters of the URL that take the place of headers."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say."""
        super().__post_init__()
        if self.request_params:
            raise FieldError("request_params", "not supported yet: clients send credentials in headers")


class DialerConfig(Config):
    """Taken, without effect."""

    timeout: Annotated[Duration, Notice("a server does not dial")] = Duration(0)
    """Taken, without effect."""


class HttpServerConfig(Config):
    """Settings of an HTTP server."""

    endpoint: str = "localhost:4318"
    """Where to listen: host and port, or the path of a socket with `transport: unix`."""
    transport: Transport = "tcp"
    """`tcp`, `tcp4`, `tcp6` or `unix`."""
    offload: bool = True
    """Let the kernel run the front of the pipeline, up to `batch`, where it can. It means the same."""
    dialer: Section[DialerConfig] = None
    """Taken, without effect."""
    tls: Section[ServerTlsConfig] = None
    """TLS; off unless the section is there."""
    cors: Section[CorsConfig] = None
    """Which web pages may send from a browser; none unless the section is there."""
    max_request_body_size: int = 0
    """The largest request in bytes, as it comes and after decompression; 0 or less stands for 20 MiB."""
    compression_algorithms: tuple[str, ...] = _ENCODINGS
    """Values of `Content-Encoding` that are taken; the empty one stands for none, and an empty list for it alone."""
    read_header_timeout: Duration = Duration.parse("1m")
    """How long the head of a request may take to arrive, the first one from the connection on; 0 is for ever."""
    read_timeout: Duration = Duration.parse("1m")
    """How long the body of a request may take to arrive; 0 is for ever."""
    write_timeout: Annotated[Duration, Notice("answers are a few bytes that nobody waits for")] = Duration(0)
    """Taken, without effect."""
    idle_timeout: Duration = Duration(0)
    """Close a connection that had no request for so long; 0 is never."""
    keep_alives_enabled: bool = True
    """Let a connection of HTTP/1.1 bring more than one request."""
    include_metadata: bool = False
    """Keep the headers of requests, for processors that read `metadata.…` from the context."""
    response_headers: Any = UNSET
    """Not supported yet: headers for every answer."""
    auth: Section[HttpAuthConfig] = None
    """An extension that checks who sends."""
    middlewares: Annotated[list[Any], Notice("there are no middlewares here")] = []
    """Taken, without effect."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say."""
        check_socket(self.endpoint, self.transport)
        if self.response_headers not in (UNSET, None, {"enabled": False}):
            raise FieldError("response_headers", "not supported yet; remove this section")
        for name in self.compression_algorithms:
            if name in _ENCODINGS_ELSEWHERE:
                raise FieldError("compression_algorithms", f"{name} is not supported yet; remove it")
            if name not in _ENCODINGS:
                known = ", ".join(name or '""' for name in _ENCODINGS)
                raise FieldError("compression_algorithms", f"must be some of {known}, got {name!r}")

    @property
    def has_idle_cors(self) -> bool:
        """Whether CORS is asked for and allows nobody, as in the Go collector."""
        return self.cors is not None and not self.cors.allowed_origins

    @property
    def max_body_bytes(self) -> int:
        """The largest request in bytes."""
        return self.max_request_body_size if self.max_request_body_size > 0 else MAX_BODY
