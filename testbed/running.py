"""A whole run: loads in rounds, subjects in turn, and what came of it."""

from __future__ import annotations

import datetime
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from testbed.calibration import calibrate
from testbed.machine import machine, revision
from testbed.measuring.driving import Watch
from testbed.measuring.errors import AbsentError
from testbed.measuring.judging import dear
from testbed.measuring.measurement import measure
from testbed.measuring.pinning import Pinning
from testbed.measuring.request import LoadSpec, Requests, write_requests
from testbed.results import Calibration, Measurement, Result, Status
from testbed.results import Subject as Compared
from testbed.subjects import DIRECT
from testbed.subjects.base import ROOT, Subject

ATTEMPTS = 2
"""At a measurement that the testbed itself spoils: machines have bad moments."""


@dataclass
class Run:
    """Loads, and the subjects they are put on. A subject that is `None` is the sink itself."""

    name: str
    loads: Sequence[tuple[LoadSpec, int]]
    """Each with its rounds."""
    subjects: Mapping[str, Subject | None]
    pinning: Pinning
    command: Sequence[str] = ()
    cpu_limit: float | None = None
    """Multiple of the calibration that a span may cost."""
    measurements: list[Measurement] = field(default_factory=list)
    calibrations: dict[tuple[str, int], Calibration] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._began = datetime.datetime.now().astimezone()
        self._clock = time.monotonic()

    def __call__(self, begins: Callable[[int, int, str], Watch], ends: Callable[[Measurement], None]) -> None:
        """Measure all. Raises `ValueError` if a load cannot be made, before anything is measured."""
        with tempfile.TemporaryDirectory(prefix="spanmill-testbed-") as directory:
            made = [
                (spec, rounds, write_requests(spec, Path(directory) / str(number)))
                for number, (spec, rounds) in enumerate(self.loads)
            ]
            for spec, _, requests in made:
                key = (spec.profile.name, spec.spans_per_request)
                if key not in self.calibrations:
                    self.calibrations[key] = calibrate(spec, requests, self.pinning.subject)
            total = sum(rounds for _, rounds, _ in made) * len(self.subjects)
            for round in range(1, max(rounds for _, rounds, _ in made) + 1):
                for spec, rounds, requests in made:
                    for name, subject in self.subjects.items() if round <= rounds else ():
                        watch = begins(len(self.measurements) + 1, total, f"{spec.title}, {name}")
                        measurement = self._measure(subject, spec, requests, round, watch)
                        self.measurements.append(measurement)
                        ends(measurement)

    def _measure(
        self, subject: Subject | None, spec: LoadSpec, requests: Requests, round: int, watch: Watch
    ) -> Measurement:
        for _ in range(ATTEMPTS):
            measurement = measure(subject, spec, requests, self.pinning, round=round, watch=watch)
            if measurement.status != Status.INVALID:
                break
        if self.cpu_limit is not None and measurement.status == Status.OK:
            calibration = self.calibrations[spec.profile.name, spec.spans_per_request]
            if finding := dear(measurement, calibration, self.cpu_limit):
                return msgspec.structs.replace(measurement, findings=[*measurement.findings, finding])
        return measurement

    def result(self) -> Result:
        """What there is so far."""
        return Result(
            name=self.name,
            began=self._began.isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - self._clock, 1),
            command=list(self.command),
            revision=revision(),
            machine=machine(str(self.pinning)),
            subjects={name: _compared(subject) for name, subject in self.subjects.items()},
            configurations=self._configurations(),
            calibrations=list(self.calibrations.values()),
            measurements=self.measurements,
        )

    def _configurations(self) -> dict[str, str]:
        files = {}
        for spec, _ in self.loads:
            for subject in filter(None, self.subjects.values()):
                try:
                    path = subject.configuration(spec.pipeline.name, spec.settings)
                except AbsentError:
                    continue
                name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path.name
                files[str(name)] = path.read_text(encoding="utf-8")
        return files


def _compared(subject: Subject | None) -> Compared:
    if subject is None:
        return Compared(title=f"none ({DIRECT}: the load goes straight to the sink)")
    try:
        return Compared(title=subject.title, version=subject.version())
    except AbsentError as error:
        return Compared(title=subject.title, absent=str(error))
