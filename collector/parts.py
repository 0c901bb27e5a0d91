"""The parts of a machine by name, in the order in which they start and stop."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from collector.component import Component
from collector.pipeline import Machine
from collector.sending.sender import Sender

Part = Component | Sender


@dataclass(frozen=True, slots=True)
class Named:
    """A part, and how it is called in messages."""

    name: str
    part: Part
    path: str
    """The section of the configuration that is to blame if it cannot start."""


@dataclass(frozen=True, slots=True)
class Stages:
    """The parts of a machine, kind by kind."""

    extensions: list[Named]
    exporters: list[Named]
    """Of spans, and of metrics."""
    connectors: list[Named]
    chains: list[list[Named]]
    """The processors of each pipeline, front to back."""
    receivers: list[Named]

    def in_order(self) -> list[Named]:
        """All of them as they start, back to front."""
        processors = [each for chain in self.chains for each in reversed(chain)]
        return [*self.extensions, *self.exporters, *self.connectors, *processors, *self.receivers]


def chain(parts: Iterable[Named]) -> list[tuple[str, Part]]:
    """Give what is stopped one after the other."""
    return [(each.name, each.part) for each in parts]


def stages(machine: Machine) -> Stages:
    """Name the parts of a machine."""
    return Stages(
        [Named(name := f"extensions::{id}", part, name) for id, part in machine.extensions.items()],
        [
            *(Named(name := f"exporters::{id}", part, name) for id, part in machine.exporters.items()),
            *(
                Named(f"exporters::{id} (metrics)", part, f"exporters::{id}")
                for id, part in machine.metrics_exporters.items()
            ),
        ],
        [Named(name := f"connectors::{id}", part, name) for id, part in machine.connectors.items()],
        [
            [Named(f"{name} in {pipeline}", part, name) for name, part in chain]
            for pipeline, chain in machine.processors.items()
        ],
        [Named(name := f"receivers::{id}", part, name) for id, part in machine.receivers.items()],
    )
