"""The Go collector as a child process, and the backend that its pipelines send to."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc

from testbed.corpus.settings import as_yaml

METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_READY = "Everything is ready"


class GoCollector:
    """A collector with a configuration: inside it is ready or has ended, outside it is gone."""

    def __init__(self, program: Path, configuration: Mapping[str, Any], arguments: Sequence[str] = ()) -> None:
        self._program = program
        self._configuration = configuration
        self._arguments = arguments

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        path = folder / "config.yaml"
        path.write_text(as_yaml(self._configuration), encoding="utf-8")
        self._log = folder / "log"
        with self._log.open("wb") as stderr:
            self._process = subprocess.Popen([self._program, f"--config={path}", *self._arguments], stderr=stderr)
        self.ready = self._is_ready()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait(timeout=20)
        self._folder.cleanup()

    def _is_ready(self) -> bool:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self.running:
            if _READY.encode() in self._log.read_bytes():
                return True
            time.sleep(0.02)
        return False

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def wait(self, timeout: float) -> None:
        """Give it time to end, if it is about to."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout)

    def stop(self, timeout: float = 120) -> int:
        """Ask it to end with SIGTERM, wait for that, and give its exit status. Raises `subprocess.TimeoutExpired`."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout)

    @property
    def log(self) -> list[str]:
        """What it has said so far."""
        return self._log.read_text(encoding="utf-8", errors="replace").splitlines()

    @property
    def reason(self) -> str:
        """What it says last, without what changes from run to run."""
        log = self.log
        text = " ".join(line.strip() for line in log if line.startswith(("Error:", "error ", "'", "invalid")))
        text = text or (log[-1].strip() if log else "")
        return text.removeprefix("Error: ")[:400]


class Backend:
    """Keeps what arrives, under what its header `x-case` says."""

    def __init__(self) -> None:
        self.port = 0
        self.arrived: dict[str, list[bytes]] = {}

    def take(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        """Take one request."""
        number = dict(context.invocation_metadata())["x-case"]
        self.arrived.setdefault(str(number), []).append(request)
        return b""

    def exporter(self, number: int | str) -> dict[str, Any]:
        """The settings of an exporter `otlp` that sends here under a number, at once or not at all."""
        return {
            "endpoint": f"127.0.0.1:{self.port}",
            "tls": {"insecure": True},
            "compression": "none",
            "headers": {"x-case": str(number)},
            "sending_queue": {"enabled": False},
            "retry_on_failure": {"enabled": False},
        }


@contextlib.contextmanager
def backend() -> Iterator[Backend]:
    """A backend that listens on loopback."""
    made = Backend()
    options = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1)]
    server = grpc.server(ThreadPoolExecutor(4), options=options)
    handlers = {"Export": grpc.unary_unary_rpc_method_handler(made.take)}
    service = "opentelemetry.proto.collector.trace.v1.TraceService"
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    made.port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield made
    finally:
        server.stop(None).wait()


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
