"""Everybody who takes part in a measurement, started in order and gone afterwards."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from testbed.measuring.certificate import certificate
from testbed.measuring.engine import Engine, Sink
from testbed.measuring.errors import AbsentError
from testbed.measuring.pinning import Pinning
from testbed.measuring.program import Program, free_port
from testbed.measuring.request import LoadSpec, Requests
from testbed.measuring.usage import Reading, UsageSampler
from testbed.subjects.base import Ports, Subject, has_tls

IDLE = 1.0
"""Seconds that a subject is left alone before its first span."""
HOLD = 5.0
"""Seconds a client keeps a request that it cannot send, from when it was due."""
TIMEOUT = 10.0
"""Seconds it waits for the answer, from when it sent it."""


@dataclass(frozen=True, slots=True)
class Observed:
    """A subject that runs."""

    program: Program
    usage: UsageSampler
    startup: float
    """Seconds until it answered."""
    idle: float
    """MiB before the first span."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Load generator, sink, and the subject between them, if there is one."""

    load: Engine
    sink: Sink
    load_usage: UsageSampler
    sink_usage: UsageSampler
    subject: Observed | None
    outcomes: Path
    """Where the load generator writes what became of each request."""

    def read(self) -> list[Reading]:
        """Usage of load generator, sink and subject now."""
        samplers = [self.load_usage, self.sink_usage, *([self.subject.usage] if self.subject else [])]
        return [sampler.read() for sampler in samplers]


@contextlib.contextmanager
def stage(
    subject: Subject | None, spec: LoadSpec, requests: Requests, pinning: Pinning, directory: Path
) -> Iterator[Stage]:
    """Start the sink, the subject and the load generator, which is connected then and sends nothing yet."""
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(Sink(requests.plan, pinning.testbed))
        target, observed = sink.address, None
        if not subject and spec.protocol not in {"grpc", "http"}:
            raise AbsentError(f"the sink does not take {spec.protocol} itself")
        if subject:
            subject.check(spec.protocol, spec.compression)
            made = certificate(directory) if has_tls(spec.protocol) else None
            cert, key = (str(made.cert), str(made.key)) if made else ("", "")
            storage = directory / "storage"
            storage.mkdir()
            ports = Ports(free_port(), free_port(), sink.address, spec.compression, cert, key, str(storage))
            target = ports.receiver(spec.protocol)
            configuration = subject.configuration(spec.pipeline.name, spec.settings)
            program = stack.enter_context(
                Program(subject, configuration, ports, spec.protocol, directory=directory, cores=pinning.subject)
            )
            startup = program.start()
            usage = stack.enter_context(UsageSampler(program.pid))
            time.sleep(IDLE)
            observed = Observed(program, usage, startup, usage.read().rss)
        outcomes = directory / "outcomes"
        settings = {
            "plan": str(requests.plan),
            "outcomes": str(outcomes),
            "target": target,
            "protocol": spec.protocol,
            "compression": spec.compression,
            "connections": spec.connections,
            "in_flight": spec.in_flight,
            "hold_ms": int(1000 * HOLD),
            "timeout_ms": int(1000 * TIMEOUT),
        }
        load = stack.enter_context(Engine("load", settings, pinning.testbed))
        load.wait_for("ready", 20)
        load_usage = stack.enter_context(UsageSampler(load.pid))
        sink_usage = stack.enter_context(UsageSampler(sink.pid))
        yield Stage(load, sink, load_usage, sink_usage, observed, outcomes)
