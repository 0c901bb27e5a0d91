"""The real collector as a child process: started from YAML, its ports read from its log, ended by its process id."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

READY = "Everything is ready"
RECEIVER = "Starting GRPC server"
HTTP_RECEIVER = "Starting HTTP server"
METRICS = "Serving metrics"
RELOADED = "Nothing is left of the old configuration"
REFUSED = "the new configuration is refused, the old one goes on"
_ENDPOINT = re.compile(r"endpoint=(\S+)")


class CollectorProcess:
    """A running `spanmill run`. Used as a context manager, it is ready inside and gone outside.

    `arguments` are those of `run`: `--config`, `--set`. Everything it prints is kept, line by line, in `log` (stderr)
    and `console` (stdout). `program` is another installation than ours, `environment` are its variables.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        directory: Path | None = None,
        program: Sequence[str] = (sys.executable, "-m", "collector"),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.arguments = list(arguments)
        self.directory = directory
        self.program = program
        self.environment = environment
        self.log: list[str] = []
        self.console: list[str] = []
        self._news = threading.Condition()

    def __enter__(self) -> Self:
        self.start()
        try:
            self.wait_for(READY)
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.stop()
        else:
            self.kill()

    def start(self) -> None:
        """Start it, and do not wait for anything."""
        self._process = subprocess.Popen(
            [*self.program, "run", *self.arguments],
            cwd=self.directory,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        self._readers = [
            threading.Thread(target=self._read, args=(stream, lines), daemon=True)
            for stream, lines in ((self._process.stderr, self.log), (self._process.stdout, self.console))
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: object, lines: list[str]) -> None:
        for line in stream:  # type: ignore[attr-defined]
            with self._news:
                lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def wait_for(self, text: str, timeout: float = 20, *, after: int = 0) -> str:
        """Wait for a line of the log that contains `text`, and give it. Raises `RuntimeError`.

        The first `after` lines are not looked at.
        """

        def found() -> str | None:
            return next((line for line in self.log[after:] if text in line), None)

        with self._news:
            self._news.wait_for(lambda: found() or not self._readers[0].is_alive(), timeout)
            line = found()
        if line is None:
            raise RuntimeError(f"the collector never said {text!r}:\n" + "\n".join(self.log))
        return line

    def address(self, text: str = RECEIVER) -> str:
        """Give the endpoint that it reported in a line with `text`."""
        found = _ENDPOINT.search(self.wait_for(text))
        if not found:
            raise RuntimeError(f"no endpoint in the line about {text!r}")
        return found[1]

    @property
    def usage(self) -> psutil.Process:
        """Its processor time and memory."""
        return psutil.Process(self._process.pid)

    def wait(self, timeout: float = 30) -> int:
        """Wait for its end, and give its exit status."""
        status = self._process.wait(timeout)
        for reader in self._readers:
            reader.join()
        for stream in (self._process.stdout, self._process.stderr):
            if stream:
                stream.close()
        return status

    def ask_for_reload(self) -> None:
        """Have it read its configuration again, and do not wait for anything."""
        self._process.send_signal(signal.SIGHUP)

    def reload(self, said: str = RELOADED, timeout: float = 60) -> str:
        """Have it read its configuration again, and wait until it says what became of that."""
        before = len(self.log)
        self.ask_for_reload()
        return self.wait_for(said, timeout, after=before)

    def stop(self, timeout: float = 30) -> int:
        """Ask it to drain and end with SIGTERM, and give its exit status. Raises `subprocess.TimeoutExpired`."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        """End it at once."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self.wait()
