"""The OTLP receiver on unix sockets."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
from pathlib import Path

import grpc
import pytest
from certificates import Authority
from otlp_grpc import Receive, address, refusal, running_receiver, send
from otlp_http import PATH, PROTOBUF, exchange, http_receiver

from collector.errors import StartError
from collector.testing import Sink, make_request
from collector.transport.tls import ServerTlsConfig

REQUEST = make_request(1).SerializeToString()
AUTHORITY = [("grpc.default_authority", "localhost")]
"""gRPC's C core otherwise says the path of the socket there, which is no authority."""


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=20)
        self._path = path

    def connect(self) -> None:
        """Connect to the path."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))


async def test_listens_on_a_unix_socket(receiver: Receive, tmp_path: Path) -> None:
    """`transport: unix` takes a path, which is gone in the end."""
    sink = Sink()
    path = tmp_path / "otlp.sock"
    async with receiver(sink, transport="unix", endpoint=str(path)) as running:
        await send(f"unix:{path}", REQUEST, options=AUTHORITY)
        assert address(running) == f"unix:{path}"

    assert len(sink) == 1
    assert not path.exists()


async def test_http_over_a_unix_socket(tmp_path: Path) -> None:
    """It is served as on a port."""
    sink = Sink()
    path = tmp_path / "http.sock"
    async with http_receiver(sink, transport="unix", endpoint=str(path)):
        with contextlib.closing(UnixConnection(path)) as connection:
            fields = {"content-type": PROTOBUF}
            answer = await asyncio.to_thread(exchange, connection, REQUEST, fields, "POST", PATH)

    assert answer.status == 200
    assert len(sink) == 1
    assert not path.exists()


async def test_tls_over_a_unix_socket(authority: Authority, receiver: Receive, tmp_path: Path) -> None:
    """Where somebody wants that."""
    server, sink, path = authority.issue("server"), Sink(), tmp_path / "tls.sock"
    tls = ServerTlsConfig(cert_file=str(server.cert), key_file=str(server.key))
    options = [*AUTHORITY, ("grpc.ssl_target_name_override", "localhost")]
    async with receiver(sink, transport="unix", endpoint=str(path), tls=tls):
        credentials = grpc.ssl_channel_credentials(authority.ca.read_bytes())
        await send(f"unix:{path}", REQUEST, credentials=credentials, options=options)

    assert len(sink) == 1


async def test_the_c_core_is_refused_by_the_native_engine_unless_it_is_told_an_authority(tmp_path: Path) -> None:
    """It writes the path into `:authority`, which HTTP does not allow (RFC 3986, section 3.2)."""
    path = tmp_path / "otlp.sock"
    async with running_receiver(Sink(), engine="native", transport="unix", endpoint=str(path)):
        told = await refusal(f"unix:{path}", REQUEST)

    assert told.code() is grpc.StatusCode.INTERNAL
    # PROTOCOL_ERROR: RFC 9113, section 7.
    assert "error code 1" in (told.details() or "")


async def test_a_unix_socket_in_use_is_a_clear_start_error(receiver: Receive, tmp_path: Path) -> None:
    """A second collector does not take the socket away."""
    path, sink = str(tmp_path / "otlp.sock"), Sink()
    async with receiver(sink, transport="unix", endpoint=path):
        with pytest.raises(StartError, match=r"another process listens there|address already in use"):
            async with receiver(Sink(), transport="unix", endpoint=path):
                pass
        await send(f"unix:{path}", REQUEST, options=AUTHORITY)

    assert len(sink) == 1


async def test_a_socket_that_was_left_behind_is_taken_over(receiver: Receive, tmp_path: Path) -> None:
    """After a crash nobody has to remove it by hand."""
    path, sink = tmp_path / "otlp.sock", Sink()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    async with receiver(sink, transport="unix", endpoint=str(path)):
        await send(f"unix:{path}", REQUEST, options=AUTHORITY)

    assert len(sink) == 1


@pytest.mark.parametrize("path", ["/nowhere/otlp.sock", "/" + 200 * "x"])
async def test_a_path_that_cannot_be_had_is_a_clear_start_error(receiver: Receive, path: str) -> None:
    """With the option, and why."""
    with pytest.raises(StartError, match="protocols::grpc::endpoint: cannot listen on"):
        async with receiver(Sink(), transport="unix", endpoint=path):
            pass
