"""Endpoints, and the `tls` block: what is refused, and how."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from collector.config.types import FieldError
from collector.errors import StartError
from collector.transport.settings import GrpcServerConfig, join_endpoint, listen, resolve, split_endpoint
from collector.transport.tls import ClientTlsConfig, ServerTlsConfig


@pytest.mark.parametrize(
    ("endpoint", "host", "port"),
    [
        ("localhost:4317", "localhost", 4317),
        (":4317", "", 4317),
        ("[::1]:0", "::1", 0),
        ("10.0.0.1:65535", "10.0.0.1", 65535),
    ],
)
def test_an_endpoint_is_host_and_port(endpoint: str, host: str, port: int) -> None:
    """And what was taken apart can be put together."""
    assert split_endpoint(endpoint) == (host, port)
    assert join_endpoint(host, port) == endpoint


@pytest.mark.parametrize("endpoint", ["localhost", "localhost:", "localhost:http", "localhost:65536", "::1:4317", ""])
def test_anything_else_is_no_endpoint(endpoint: str) -> None:
    """The message shows what would be right."""
    with pytest.raises(StartError, match="such as"):
        split_endpoint(endpoint)


def test_localhost_is_one_address() -> None:
    """IPv4 before IPv6, as the Go collector listens."""
    assert resolve("localhost:1") == (socket.AF_INET, "127.0.0.1", 1)
    assert resolve("127.0.0.1:1", "tcp4") == (socket.AF_INET, "127.0.0.1", 1)


def test_an_address_that_is_taken_is_named() -> None:
    """The message says which, and why."""
    with listen("localhost:0") as first:
        taken = join_endpoint(*first.getsockname())
        with pytest.raises(StartError) as caught:
            listen(taken)

    assert str(caught.value) == f"cannot listen on {taken}: address already in use"


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({}, "cert_file"),
        ({"cert_file": "a"}, "key_file"),
        ({"key_file": "a"}, "cert_file"),
        ({"cert_file": "a", "cert_pem": "b", "key_file": "c"}, "cert_pem"),
        ({"cert_file": "a", "key_file": "c", "key_pem": "d"}, "key_pem"),
        ({"cert_file": "a", "key_file": "c", "ca_file": "d", "ca_pem": "e"}, "ca_pem"),
        ({"cert_file": "a", "key_file": "c", "min_version": "1.4"}, "min_version"),
        ({"cert_file": "a", "key_file": "c", "min_version": "1.3", "max_version": "1.2"}, "min_version"),
    ],
)
def test_a_tls_block_that_makes_no_sense_is_refused(options: dict[str, Any], path: str) -> None:
    """The option that is to blame is named."""
    with pytest.raises(FieldError) as caught:
        ServerTlsConfig(**options)

    assert caught.value.path == path


def test_insecure_is_ignored_where_a_ca_is_configured() -> None:
    """As in the Go collector: who names an authority wants TLS."""
    assert ClientTlsConfig(insecure=True).plaintext
    assert not ClientTlsConfig(insecure=True, ca_file="ca.pem").plaintext


def test_the_largest_request_has_a_default_and_a_bound() -> None:
    """0 stands for 4 MiB, and gRPC counts in 31 bits."""
    assert GrpcServerConfig().max_recv_bytes == 4 << 20
    with pytest.raises(FieldError, match="below 2048"):
        GrpcServerConfig(max_recv_msg_size_mib=2048)
