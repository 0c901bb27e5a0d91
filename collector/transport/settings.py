"""Settings of servers, spelt as in the Go collector, and what their endpoints mean."""

from __future__ import annotations

import socket
from typing import Annotated, Literal

from collector.auth import AuthConfig
from collector.config.types import Config, Duration, FieldError, NonNegativeInt, Notice, Section, UInt32
from collector.errors import StartError
from collector.transport.tls import ServerTlsConfig

Transport = Literal["tcp", "tcp4", "tcp6", "unix"]

_FAMILIES = {"tcp": socket.AF_UNSPEC, "tcp4": socket.AF_INET, "tcp6": socket.AF_INET6}

Engine = Literal["native", "grpcio"]
"""What speaks gRPC: the kernel, or the library of that name."""

NO_BUFFERS = Notice("buffers are sized by the engine")


class KeepaliveServerParameters(Config):
    """When a server pings and closes connections."""

    max_connection_idle: Duration = Duration(0)
    """Close a connection that was idle for so long; 0 is never."""
    max_connection_age: Duration = Duration(0)
    """Close a connection that is so old, which makes clients connect anew, perhaps elsewhere; 0 is never."""
    max_connection_age_grace: Duration = Duration(0)
    """How long running requests may go on after `max_connection_age`; 0 is as long as they like."""
    time: Duration = Duration.parse("2h")
    """Ping a client that was silent for so long."""
    timeout: Duration = Duration.parse("20s")
    """Close the connection when a ping is not answered for so long."""


class KeepaliveEnforcementPolicy(Config):
    """Which pings of clients are too many."""

    min_time: Duration = Duration.parse("5m")
    """The least time between two pings of a client. Who pings faster is disconnected."""
    permit_without_stream: bool = False
    """Allow pings while no request is running."""


class KeepaliveServerConfig(Config):
    """Pings, and the age of connections."""

    server_parameters: Section[KeepaliveServerParameters] = KeepaliveServerParameters()
    """When the server pings and closes connections."""
    enforcement_policy: Section[KeepaliveEnforcementPolicy] = KeepaliveEnforcementPolicy()
    """Which pings of clients are too many."""


class GrpcServerConfig(Config):
    """Settings of a gRPC server."""

    endpoint: str = "localhost:4317"
    """Where to listen: host and port, or the path of a socket with `transport: unix`."""
    transport: Transport = "tcp"
    """`tcp`, `tcp4`, `tcp6` or `unix`."""
    engine: Engine | None = None
    """What serves: `native`, which is the kernel's own and costs a fifth, or `grpcio`. Where nothing is said it is
    `native`, and with `transport: unix` `grpcio`, since clients with gRPC's C library name unix sockets in a way that
    HTTP/2 does not allow, and `native` refuses."""
    offload: bool = True
    """With `native`: let the kernel run the front of the pipeline, up to `batch`, where it can. It means the same."""
    tls: Section[ServerTlsConfig] = None
    """TLS; off unless the section is there."""
    max_recv_msg_size_mib: NonNegativeInt = 0
    """The largest request in MiB, measured after decompression; 0 stands for 4."""
    max_concurrent_streams: UInt32 = 0
    """The most requests at a time on one connection; 0 is no limit."""
    read_buffer_size: Annotated[NonNegativeInt, NO_BUFFERS] = 512 * 1024
    """Taken, without effect."""
    write_buffer_size: Annotated[NonNegativeInt, NO_BUFFERS] = 0
    """Taken, without effect."""
    keepalive: Section[KeepaliveServerConfig] = KeepaliveServerConfig()
    """Pings, and the age of connections."""
    include_metadata: bool = False
    """Keep the headers of requests, for processors that read `metadata.…` from the context."""
    auth: Section[AuthConfig] = None
    """An extension that checks who sends; with `native`."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say."""
        check_socket(self.endpoint, self.transport)
        if self.auth and self.chosen_engine != "native":
            raise FieldError("auth", "is not supported by the grpcio engine: use engine: native")
        if self.max_recv_msg_size_mib >= 2048:
            raise FieldError("max_recv_msg_size_mib", "must be below 2048: gRPC counts the bytes in 31 bits")

    @property
    def chosen_engine(self) -> Engine:
        """The engine that is asked for, or the one that serves best."""
        return self.engine or ("grpcio" if self.transport == "unix" else "native")

    @property
    def max_recv_bytes(self) -> int:
        """The largest request in bytes."""
        return (self.max_recv_msg_size_mib or 4) << 20


def check_socket(endpoint: str, transport: Transport) -> None:
    """Refuse what Go takes for the name of a socket that is no file. Raises `FieldError`."""
    if transport == "unix" and endpoint.startswith("@"):
        raise FieldError("endpoint", f"abstract sockets are not supported: give the path of a file, got {endpoint!r}")


def socket_key(endpoint: str, owner: str, transport: Transport = "tcp") -> str:
    """Name a socket among what a component leaves to its successor: see `Component.leaves`.

    A port that the system chooses belongs to its `owner`, and others to whoever is configured to have them.
    """
    return f"{owner} {transport}:{endpoint}" if endpoint.endswith(":0") else f"{transport}:{endpoint}"


def split_endpoint(endpoint: str) -> tuple[str, int]:
    """Take `host:port` apart; the brackets of an IPv6 address go. Raises `StartError`."""
    host, colon, port = endpoint.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise StartError(f"must be host:port, such as localhost:4317, got {endpoint!r}")
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise StartError(f"an IPv6 address stands in brackets, such as [::1]:4317, got {endpoint!r}")
    return host.removeprefix("[").removesuffix("]"), int(port)


def resolve(endpoint: str, transport: Transport = "tcp") -> tuple[socket.AddressFamily, str, int]:
    """Find the one address that an endpoint stands for: its family, address and port. Raises `StartError`.

    A name with several addresses means the first, IPv4 before IPv6; no host means every interface.
    """
    host, port = split_endpoint(endpoint)
    if not host:
        if transport != "tcp4" and socket.has_dualstack_ipv6():
            return socket.AF_INET6, "::", port
        return socket.AF_INET, "0.0.0.0", port  # noqa: S104  it is what an empty host asks for
    try:
        found = socket.getaddrinfo(host, port, _FAMILIES[transport], socket.SOCK_STREAM)
    except OSError as error:
        raise StartError(f"cannot resolve {host}: {error.strerror}") from error
    family, _, _, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    return family, str(address[0]), port


def join_endpoint(host: str, port: int) -> str:
    """Put host and port together, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def listen(endpoint: str) -> socket.socket:
    """Open a listening TCP socket. Raises `StartError`, which names the address and what is wrong with it."""
    family, host, port = resolve(endpoint)
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and host == "::":
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        reason = (error.strerror or str(error)).lower()
        raise StartError(f"cannot listen on {join_endpoint(host, port)}: {reason}") from error
    listener.setblocking(False)
    return listener
