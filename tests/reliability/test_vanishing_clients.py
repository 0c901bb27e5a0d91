"""Clients that connect, begin, and vanish leave nothing behind."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from random import Random

import pytest
from durable_queues import Clients, Configure

from collector.testing import make_request
from testbed.backend import Backend
from testbed.process import CollectorProcess

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_SETTINGS = bytes(3) + b"\x04" + bytes(5)
_CLIENTS = 500


def vanish(host: str, port: int, dice: Random) -> None:
    """Connect, send a part of something, and go: politely, or with a reset."""
    body = make_request(3).SerializeToString()
    http = (
        b"POST /v1/traces HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-protobuf\r\nContent-Length: %d\r\n\r\n"
        % len(body)
    )
    whole = dice.choice([b"", _PREFACE, _PREFACE + 3 * bytes(3) + _SETTINGS, http + body, bytes(40)])
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=5) as connection:
        if dice.random() < 0.5:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(whole[: dice.randint(0, len(whole))])


@pytest.mark.parametrize("engine", ["native", "grpcio"])
def test_500_of_them_cost_no_descriptor_and_no_thread(durable: Configure, backend: Backend, engine: str) -> None:
    """And whoever stays is served as before."""
    dice = Random(engine)
    clients = Clients()
    with CollectorProcess(durable(backend.address, engine=engine)) as collector:
        address = collector.address()
        host, _, port = address.rpartition(":")
        clients.send(address, 20)
        before = collector.usage.num_fds(), collector.usage.num_threads()
        for _ in range(_CLIENTS):
            vanish(host, int(port), dice)
        clients.send(address, 20)

        deadline = time.monotonic() + 20
        # A connection more may be idle, to the backend or from the last client.
        while collector.usage.num_fds() > before[0] + 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert collector.usage.num_fds() <= before[0] + 3
        assert collector.usage.num_threads() <= before[1] + 4
        backend.wait(lambda spans: {span.id for span in spans} >= clients.acknowledged)

    assert len(clients.acknowledged) == 200
