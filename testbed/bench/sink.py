"""A backend that takes everything: `python -m testbed.bench.sink` prints its address and counts spans cheaply.

`stats` asks it what it has. It keeps the first request whole, so that somebody can look into it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TypedDict

import grpc

from collector._kernel import SpanBatch

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
STATS = "/testbed.Sink/Stats"
MIB = 1 << 20


class Stats(TypedDict):
    """What the sink has."""

    requests: int
    spans: int
    first: str
    """The first request in hexadecimal."""


class _Sink(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpcio has no types
    def __init__(self) -> None:
        self.stats = Stats(requests=0, spans=0, first="")

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        known = {EXPORT: self._export, STATS: self._stats}
        return grpc.unary_unary_rpc_method_handler(known[details.method]) if details.method in known else None

    async def _export(self, data: bytes, context: grpc.ServicerContext) -> bytes:
        self.stats["requests"] += 1
        self.stats["spans"] += len(SpanBatch.decode(data))
        self.stats["first"] = self.stats["first"] or data.hex()
        return b""

    async def _stats(self, data: bytes, context: grpc.ServicerContext) -> bytes:
        return json.dumps(self.stats).encode()


def stats(address: str) -> Stats:
    """Ask a sink what it has."""
    with grpc.insecure_channel(address, options=[("grpc.max_receive_message_length", 64 * MIB)]) as channel:
        answer: Stats = json.loads(channel.unary_unary(STATS)(b"", timeout=10))
    return answer


async def _serve() -> None:
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", 64 * MIB), ("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((_Sink(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"127.0.0.1:{port}", flush=True)
    # Whoever started it closes its standard input to end it.
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(0)


if __name__ == "__main__":
    asyncio.run(_serve())
