"""The hot loops as child processes: load generator and sink, in Rust, told what to do in JSON, a line each.

Both end by themselves when their standard input is closed, so none is left behind whatever becomes of this process.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from testbed.measuring.errors import TestbedError
from testbed.measuring.pinning import on_cores

BINARY = Path(__file__).parents[1] / "engine" / "target" / "release" / "spanmill-testbed"

Event = dict[str, Any]
"""What an engine says: its name under `event`, and what belongs to it."""


class Engine:
    """A running engine. Used as a context manager, it is there inside and gone outside.

    `progress` has all its reports so far. Errors of the engine are raised as `TestbedError`.
    """

    def __init__(self, role: str, settings: Mapping[str, object], cores: frozenset[int]) -> None:
        self.role = role
        self.progress: list[Event] = []
        self._settings = json.dumps(settings)
        self._cores = cores
        self._events: list[Event] = []
        self._errors: list[str] = []
        self._news = threading.Condition()
        self._ended = False

    def __enter__(self) -> Self:
        if not BINARY.exists():
            raise TestbedError("the load generator is not built: run make testbed-engine")
        with on_cores(self._cores):
            self._process = subprocess.Popen(
                [BINARY, self.role, self._settings],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                # Ctrl-C is for the testbed, which ends its children in order.
                start_new_session=True,
            )
        self._readers = [threading.Thread(target=read, daemon=True) for read in (self._read, self._read_errors)]
        for reader in self._readers:
            reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        for reader in self._readers:
            reader.join()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream:
                stream.close()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def tell(self, command: Mapping[str, object]) -> None:
        """Give a command."""
        try:
            print(json.dumps(command), file=self._process.stdin, flush=True)
        except BrokenPipeError as error:
            raise self._broken() from error

    def poll(self, event: str, timeout: float) -> Event | None:
        """Wait for an event, take it, and give it, or nothing if it does not come in time."""

        def found() -> Event | None:
            return next((told for told in self._events if told["event"] == event), None)

        with self._news:
            self._news.wait_for(lambda: found() or self._ended, timeout)
            told = found()
            if told:
                self._events.remove(told)
                return told
        if self._ended:
            raise self._broken()
        return None

    def wait_for(self, event: str, timeout: float) -> Event:
        """Wait for an event, take it, and give it."""
        told = self.poll(event, timeout)
        if told is None:
            raise TestbedError(f"the {self.role} engine said nothing of {event!r} within {timeout:g} s")
        return told

    def _broken(self) -> TestbedError:
        self._readers[1].join(timeout=1)
        return TestbedError(f"the {self.role} engine ended: " + ("; ".join(self._errors[-3:]) or "without a word"))

    def _read(self) -> None:
        for line in self._process.stdout or ():
            told: Event = json.loads(line)
            with self._news:
                (self.progress if told["event"] == "progress" else self._events).append(told)
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def _read_errors(self) -> None:
        self._errors += [line.rstrip() for line in self._process.stderr or ()]


class Sink(Engine):
    """The backend behind the subject. `address` is where it listens."""

    def __init__(self, plan: Path, cores: frozenset[int]) -> None:
        super().__init__("sink", {"plan": str(plan), "listen": "127.0.0.1:0"}, cores)
        self.address = ""

    def __enter__(self) -> Self:
        super().__enter__()
        try:
            self.address = self.wait_for("listening", 10)["address"]
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def set_mood(self, mood: Mapping[str, object]) -> None:
        """Change how it treats requests: `{"mood": "hang"}`."""
        self.tell({"mood": mood})
        self.wait_for("mood", 10)

    def mark(self) -> None:
        """Forget the latencies so far."""
        self.tell({"mark": {}})
        self.wait_for("marked", 10)

    def judge(self, outcomes: Path) -> Event:
        """Look up each span that was sent."""
        self.tell({"judge": {"outcomes": str(outcomes)}})
        return self.wait_for("verdict", 120)

    @property
    def delivered(self) -> int:
        """Spans that have arrived, each counted once."""
        return int(self.progress[-1]["counts"]["delivered"]) if self.progress else 0

    @property
    def last_arrival(self) -> float:
        """When the last new span arrived, in seconds since 1970, or 0."""
        return float(self.progress[-1]["last"]) if self.progress else 0.0

    def wait_until_delivered(self, spans: int, timeout: float, quiet: float) -> bool:
        """Wait until so many spans have arrived, for `timeout` seconds, or until none has come for `quiet` seconds."""
        deadline, before, changed = time.monotonic() + timeout, -1, time.monotonic()
        with self._news:
            while True:
                now, delivered = time.monotonic(), self.delivered
                if delivered != before:
                    before, changed = delivered, now
                if delivered >= spans:
                    return True
                if now > deadline or now > changed + quiet or self._ended:
                    return False
                self._news.wait(0.2)
