"""A subject that runs: started on its cores, awaited until it answers, ended by its process id."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc

from testbed.measuring.errors import PortTakenError, SubjectError
from testbed.measuring.pinning import on_cores
from testbed.subjects.base import IN_PLACE, Ports, Protocol, Subject, expand, has_tls, is_grpc

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
READY_WITHIN = 30.0
GONE_WITHIN = 15.0
IN_PLACE_WITHIN = 10.0
LAST_LINES = 15


def free_port() -> str:
    """An address on loopback that nobody listens at just now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


class Program:
    """A running subject. Used as a context manager, it is gone outside; inside, `start` starts it."""

    def __init__(
        self,
        subject: Subject,
        configuration: Path,
        ports: Ports,
        protocol: Protocol,
        *,
        directory: Path,
        cores: frozenset[int],
    ) -> None:
        self._another = subject.another
        self._text = configuration.read_text(encoding="utf-8")
        self._reloads = 0
        self._configuration = directory / "configuration.yaml"
        if self._another:
            self._configuration.write_text(self._text, encoding="utf-8")
            configuration = self._configuration
        self._command = list(subject.command(configuration, ports.environment()))
        if has_tls(protocol):
            self._command += [expand(argument, ports.environment()) for argument in subject.tls]
        self._cert = Path(ports.cert)
        self._environment = {**os.environ, **subject.environment, **ports.environment()}
        self._protocol = protocol
        self._address = ports.receiver(protocol)
        self._directory = directory
        self._cores = cores
        self._process: subprocess.Popen[bytes] | None = None
        self.log_file = directory / "subject.log"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def start(self) -> float:
        """Start it and wait until it answers a request. Gives the seconds that took. Raises `SubjectError`."""
        began = time.monotonic()
        with on_cores(self._cores), self.log_file.open("ab") as log:
            try:
                self._process = subprocess.Popen(
                    self._command,
                    env=self._environment,
                    cwd=self._directory,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    # Ctrl-C is for the testbed, which ends its children in order.
                    start_new_session=True,
                )
            except OSError as error:
                raise SubjectError(f"cannot start {self._command[0]}: {error.strerror}") from error
        deadline = began + READY_WITHIN
        while not self._listens():
            self.check()
            if time.monotonic() > deadline:
                raise SubjectError(f"it does not listen at {self._address} after {READY_WITHIN:g} s", self.last_lines())
            time.sleep(0.005)
        self._ask(deadline)
        return time.monotonic() - began

    def _listens(self) -> bool:
        host, _, port = self._address.rpartition(":")
        with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
            return True
        return False

    def _ask(self, deadline: float) -> None:
        """Send an empty request."""
        left = max(deadline - time.monotonic(), 1.0)
        try:
            if is_grpc(self._protocol):
                with self._channel() as channel:
                    channel.unary_unary(EXPORT)(b"", timeout=left)
            else:
                with contextlib.closing(self._connection(left)) as connection:
                    connection.request("POST", "/v1/traces", b"", {"Content-Type": "application/x-protobuf"})
                    status = connection.getresponse().status
                if status != HTTPStatus.OK:
                    raise SubjectError(f"it answers an empty request with status {status}", self.last_lines())
        except (grpc.RpcError, http.client.HTTPException, OSError) as error:
            self.check()
            what = error.details() if isinstance(error, grpc.Call) else error
            raise SubjectError(f"it listens, and does not answer a request: {what}", self.last_lines()) from error

    def _channel(self) -> grpc.Channel:
        options = [("grpc.enable_http_proxy", 0)]
        if not has_tls(self._protocol):
            return grpc.insecure_channel(self._address, options)
        return grpc.secure_channel(self._address, grpc.ssl_channel_credentials(self._cert.read_bytes()), options)

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        host, _, port = self._address.rpartition(":")
        if not has_tls(self._protocol):
            return http.client.HTTPConnection(host, int(port), timeout=timeout)
        context = ssl.create_default_context(cafile=self._cert)
        return http.client.HTTPSConnection(host, int(port), timeout=timeout, context=context)

    @property
    def pid(self) -> int:
        """Its process id."""
        if not self._process:
            raise SubjectError("it was not started")
        return self._process.pid

    def check(self) -> None:
        """Raise `SubjectError` if it has ended, or `PortTakenError` if that was for want of a port."""
        status = self._process.poll() if self._process else None
        if status is None:
            return
        lines = self.last_lines()
        if any("address already in use" in line.lower() for line in lines):
            raise PortTakenError("somebody else took the port that was free a moment ago")
        how = f"by signal {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
        raise SubjectError(f"it ended {how}", lines)

    def last_lines(self) -> Sequence[str]:
        """The end of what it printed."""
        try:
            text = self.log_file.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return []
        return [line[:500] for line in text.splitlines()[-LAST_LINES:]]

    def terminate(self) -> float:
        """Ask it to end, and give the seconds that took. What does not end in time is killed: `SubjectError`."""
        began = time.monotonic()
        if self._process and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(GONE_WITHIN)
            except subprocess.TimeoutExpired:
                self.kill()
                raise SubjectError(f"it did not end within {GONE_WITHIN:g} s of SIGTERM", self.last_lines()) from None
        return time.monotonic() - began

    def reload(self) -> float:
        """Give it another configuration, and the seconds until that is in place. Raises `SubjectError`."""
        if not self._another or not self._process:
            raise SubjectError("it cannot be given another configuration")
        began = time.monotonic()
        self._reloads += 1
        self._configuration.write_text(self._another(self._text, self._reloads), encoding="utf-8")
        self._process.send_signal(signal.SIGHUP)
        while self.log_file.read_text(encoding="utf-8", errors="replace").count(IN_PLACE) < self._reloads:
            self.check()
            if time.monotonic() > began + IN_PLACE_WITHIN:
                raise SubjectError("the new configuration is not in place", self.last_lines())
            time.sleep(0.01)
        return time.monotonic() - began

    def crash(self) -> float:
        """Kill it, and give the seconds that took."""
        began = time.monotonic()
        self.check()
        self.kill()
        return time.monotonic() - began

    def kill(self) -> None:
        """End it and its children at once."""
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
