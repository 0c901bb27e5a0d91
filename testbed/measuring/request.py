"""What is measured: a load with all its settings, and the requests that it is made of, on disk."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed.measuring.otlp_json import otlp_json
from testbed.pipelines import Pipeline
from testbed.profiles import Profile, Template, requests
from testbed.scenarios import Scenario, Step
from testbed.subjects.base import Compression, Protocol, SettingsName, is_grpc

MIB = 1 << 20
LARGEST = 4 * MIB
"""Bytes of a request: what receivers take by default."""


@dataclass(frozen=True, slots=True)
class LoadSpec:
    """A load, whoever it is put on."""

    scenario: Scenario
    pipeline: Pipeline
    profile: Profile
    spans_per_request: int
    seconds: float
    rate: float
    """Spans a second, or a multiple of the capacity."""
    settings: SettingsName = "same"
    protocol: Protocol = "grpc"
    compression: Compression = "none"
    seed: int = 1

    @property
    def connections(self) -> int:
        """HTTP/1.1 has one request at a time on a connection."""
        return self.scenario.connections if is_grpc(self.protocol) else self.scenario.in_flight

    @property
    def in_flight(self) -> int:
        """Requests on the way, on each connection."""
        return max(1, self.scenario.in_flight // self.connections)

    def steps(self, capacity: float) -> list[Step]:
        """The load, given what the subject can take in spans a second."""
        rate = self.rate * capacity if self.scenario.of_capacity else self.rate
        return self.scenario.shape(rate, self.seconds)

    @property
    def title(self) -> str:
        """All that tells it from other loads, for people."""
        usual = {"same", "grpc", "none"}
        words = [self.scenario.name, self.pipeline.name, self.profile.name, f"{self.spans_per_request} spans/request"]
        words += [word for word in (self.settings, self.protocol, self.compression) if word not in usual]
        return " ".join(words)


@dataclass(frozen=True, slots=True)
class Requests:
    """The requests of a load, written where the engines read them."""

    plan: Path
    templates: Sequence[Template]

    @property
    def mean_size(self) -> float:
        """In bytes."""
        return statistics.fmean(len(template.data) for template in self.templates)


def write_requests(spec: LoadSpec, directory: Path) -> Requests:
    """Build the requests. Raises `ValueError` if no receiver would take them, and `OSError`."""
    directory.mkdir(parents=True, exist_ok=True)
    # The first one alone, since all that are too large take long to build.
    _check_sizes(spec, requests(spec.profile, spec.spans_per_request, seed=spec.seed, count=1))
    templates = requests(spec.profile, spec.spans_per_request, seed=spec.seed)
    _check_sizes(spec, templates)
    pipeline = spec.pipeline
    secrets = pipeline.removes_secrets * spec.profile.secrets
    secrets += pipeline.removes_prompt_secrets * spec.profile.prompt_secrets
    files = []
    for number, template in enumerate(templates):
        (directory / f"{number}.pb").write_bytes(template.data)
        file = {"path": f"{number}.pb", "health_checks": template.health_checks}
        if spec.protocol == "json":
            file["json"] = f"{number}.json"
            (directory / f"{number}.json").write_bytes(otlp_json(template.data))
        files.append(file)
    plan = {
        "seed": spec.seed,
        "templates": files,
        "filters": pipeline.filters,
        "sampling_percentage": pipeline.sampling_percentage,
        "hash_seed": 0,
        "tail_sampling_percentage": pipeline.tail_sampling_percentage,
        "secrets": secrets,
    }
    path = directory / "plan.json"
    path.write_text(json.dumps(plan), encoding="utf-8")
    return Requests(path, templates)


def _check_sizes(spec: LoadSpec, templates: Sequence[Template]) -> None:
    largest = max(len(template.data) for template in templates)
    if largest > LARGEST:
        fitting = max(1, spec.spans_per_request * LARGEST // largest)
        raise ValueError(
            f"a request of {spec.spans_per_request} spans of the profile '{spec.profile.name}' takes"
            f" {largest / MIB:.1f} MiB, and receivers take {LARGEST // MIB}: try --spans-per-request {fitting}"
        )
