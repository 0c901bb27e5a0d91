"""A closed loop of clients: each sends its next request when the last one was answered.

`python -m testbed.bench.load ADDRESS SPANS SECONDS` prints how many requests were taken and refused.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import TypedDict

import grpc

from testbed.bench.payload import request
from testbed.bench.sink import EXPORT

CONNECTIONS = 4
IN_FLIGHT = 4
"""Requests on the way, on each connection."""


class Load(TypedDict):
    """What the clients saw."""

    taken: int
    refused: int
    seconds: float


async def drive(address: str, spans: int, seconds: float) -> Load:
    """Send requests of `spans` spans for some time."""
    data = request(spans)
    load = Load(taken=0, refused=0, seconds=0.0)
    began = time.monotonic()

    async def client(call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]) -> None:
        while time.monotonic() - began < seconds:
            try:
                await call(data, timeout=10)
                load["taken"] += 1
            except grpc.aio.AioRpcError:
                load["refused"] += 1

    # Channels with equal options share a connection unless they are told not to.
    channels = [
        grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) for _ in range(CONNECTIONS)
    ]
    async with asyncio.TaskGroup() as clients:
        for channel in channels * IN_FLIGHT:
            clients.create_task(client(channel.unary_unary(EXPORT)))
    load["seconds"] = time.monotonic() - began
    for channel in channels:
        await channel.close()
    return load


if __name__ == "__main__":
    print(json.dumps(asyncio.run(drive(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))))
