"""A collector for tests of the testbed: hands requests on as they come, and has one vice.

`python fake_collector.py VICE` reads TESTBED_GRPC and TESTBED_SINK, as all subjects do.
"""

import os
import re
import sys
import threading
import time
from concurrent import futures

import grpc

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
OFTEN = 10
"""Every tenth request meets the vice."""


class Collector(grpc.GenericRpcHandler):
    """Forwards requests to the sink."""

    def __init__(self, vice: str, sink: str) -> None:
        """Connect to the sink."""
        self.vice = vice
        self.hand_on = grpc.insecure_channel(sink, options=[("grpc.enable_http_proxy", 0)]).unary_unary(EXPORT)
        self.requests = 0
        self.hoard: list[bytes] = []
        self.lock = threading.Lock()

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        """Take every method."""
        return grpc.unary_unary_rpc_method_handler(self.export)

    def export(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        """Hand a request on, or not."""
        if not request:  # the testbed asks whether anybody is there
            return b""
        with self.lock:
            self.requests += 1
            has_vice = self.requests % OFTEN == 0
        match self.vice:
            case "loses" if has_vice:
                return b""
            case "repeats" if has_vice:
                self.hand_on(request)
            case "damages" if has_vice:
                # The first span's id stands behind its trace id.
                request = re.sub(rb"(\n\x10.{16}\x12\x08).{8}", rb"\1damaged!", request, count=1, flags=re.DOTALL)
            case "hoards":
                self.hoard.append(os.urandom(1 << 20))
            case "dawdles":
                time.sleep(0.3)
            case "refuses" if has_vice:
                context.abort(grpc.StatusCode.UNAVAILABLE, "not now")
            case "dies" if self.requests > OFTEN:
                os.write(2, b"fatal: out of patience\n")
                os._exit(3)
        self.hand_on(request)
        return b""


def main() -> None:
    """Serve until somebody ends the process."""
    vice = sys.argv[1]
    if vice == "never starts":
        sys.exit("error: the configuration is not to my taste")
    if vice == "finds its port taken":
        sys.exit("error: listen tcp: bind: address already in use")
    server = grpc.server(futures.ThreadPoolExecutor(64), options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((Collector(vice, os.environ["TESTBED_SINK"]),))
    server.add_insecure_port(os.environ["TESTBED_GRPC"])
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main()
