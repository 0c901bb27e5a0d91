"""Small loads and false subjects, for tests of the testbed."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from testbed.measuring.measurement import measure
from testbed.measuring.pinning import pinning
from testbed.measuring.request import LoadSpec, write_requests
from testbed.pipelines import PIPELINES
from testbed.profiles import PROFILES
from testbed.results import Measurement, Status
from testbed.running import ATTEMPTS
from testbed.scenarios import SCENARIOS, Action, Scenario
from testbed.subjects.base import Subject

FAKE = Path(__file__).parent / "testbed" / "fake_collector.py"


def scenario(
    *actions: Action, base: str = "steady", connections: int = 4, in_flight: int = 256, **changes: object
) -> Scenario:
    """A scenario that is over soon."""
    soon = replace(SCENARIOS[base], warm_up=0.2, drain=5.0, quiet=0.5, connections=connections, in_flight=in_flight)
    return replace(soon, actions=actions, **changes)


def spec(
    scenario: Scenario,
    *,
    requests_per_second: float = 100,
    seconds: float = 1.0,
    pipeline: str = "pass",
    **changes: object,
) -> LoadSpec:
    """A load of small requests."""
    spans = 10
    rate = requests_per_second * spans
    return replace(LoadSpec(scenario, PIPELINES[pipeline], PROFILES["http"], spans, seconds, rate), **changes)


def subject(vice: str, directory: Path) -> Subject:
    """A collector with a vice."""
    for pipeline in PIPELINES:
        (directory / "pipelines" / pipeline).mkdir(parents=True, exist_ok=True)
        (directory / "pipelines" / pipeline / "fake.yaml").touch()

    def command(configuration: Path, variables: object) -> Sequence[str]:
        return [sys.executable, str(FAKE), vice]

    return Subject("fake", "Fake", command, lambda: "1", protocols=("grpc",), pipelines=directory / "pipelines")


def measured(subject: Subject | None, load: LoadSpec, directory: Path) -> Measurement:
    """Put a load on a subject, or on the sink itself. All share all cores: tests run beside them.

    As in a run, what a bad moment of the machine has spoilt is tried once more.
    """
    requests = write_requests(load, directory / "requests")
    for _ in range(ATTEMPTS):
        found = measure(subject, load, requests, pinning("none"), round=1, watch=lambda words: None)
        if found.status != Status.INVALID:
            break
    return found
