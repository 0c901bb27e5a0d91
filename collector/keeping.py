"""Which components of a running machine are still what a new configuration asks for.

A component stays if its class and its settings are the same, if what they name outside the configuration has not
changed, and if the extensions that it uses stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from collector.component import Component, Connector, Extension, Kind, Processor, Receiver, Reference
from collector.config.model import CollectorConfig
from collector.program import Member
from collector.sending.metrics import MetricsSender
from collector.sending.sender import Sender

if TYPE_CHECKING:
    from collector.pipeline import Machine


class Keeping:
    """Looks for components of the machine that runs, if there is one."""

    def __init__(self, config: CollectorConfig, running: Machine | None) -> None:
        self._config = config
        self._running = running

    def extension(self, id: str) -> Extension | None:
        """Give the extension of this id if it stays."""
        extension = self._running.extensions.get(id) if self._running else None
        return extension if extension and self._is_same(Kind.EXTENSION, id) and not extension.is_stale else None

    def sender(self, id: str) -> Sender | None:
        """Give what stands before the exporter of this id, whether that stays or not."""
        return self._running.exporters.get(id) if self._running else None

    def keeps(self, id: str, sender: Sender, extensions: Mapping[str, Extension]) -> bool:
        """Say whether an exporter stays, beside the extensions of the new machine."""
        stays = self._is_same(Kind.EXPORTER, id) and not sender.exporter.is_stale
        return stays and self._has([*sender.exporter.references(), *sender.references()], extensions)

    def metrics_sender(self, id: str) -> MetricsSender | None:
        """Give what stands before the exporter of metrics of this id, whether that stays or not."""
        return self._running.metrics_exporters.get(id) if self._running else None

    def keeps_metrics(self, id: str, sender: MetricsSender, extensions: Mapping[str, Extension]) -> bool:
        """Say whether an exporter of metrics stays, beside the extensions of the new machine."""
        return self._is_same(Kind.EXPORTER, id) and not sender.is_stale and self._has(sender.references(), extensions)

    def connector(self, id: str) -> Connector | None:
        """Give a connector if it stays, with all that it has counted."""
        connector = self._running.connectors.get(id) if self._running else None
        return connector if connector and self._is_same(Kind.CONNECTOR, id) and not connector.is_stale else None

    def member(self, pipeline: str, id: str) -> Member | None:
        """Give a processor that is part of a program if it stays."""
        member = self._running.members.get((pipeline, id)) if self._running else None
        return member if member and self._is_same(Kind.PROCESSOR, id) else None

    def processor(self, pipeline: str, id: str, extensions: Mapping[str, Extension]) -> Processor | None:
        """Give a processor that stands alone if it stays, beside the extensions of the new machine."""
        built: Iterable[tuple[str, Component]] = ()
        if self._running and self._is_same(Kind.PROCESSOR, id):
            built = self._running.processors.get(pipeline, ())
        for _, component in built:
            if isinstance(component, Processor) and component.settings.id == id and not component.is_stale:
                return component if self._has(component.references(), extensions) else None
        return None

    def receiver(self, id: str, extensions: Mapping[str, Extension]) -> Receiver | None:
        """Give a receiver if it stays, beside the extensions of the new machine."""
        receiver = self._running.receivers.get(id) if self._running else None
        if receiver is None or not self._is_same(Kind.RECEIVER, id) or receiver.is_stale:
            return None
        return receiver if self._has(receiver.references(), extensions) else None

    def _is_same(self, kind: Kind, id: str) -> bool:
        new, old = self._config.part(kind, id), self._running.config.parts[kind].get(id) if self._running else None
        return old is not None and new.component is old.component and new.config == old.config

    def _has(self, references: Iterable[Reference], extensions: Mapping[str, Extension]) -> bool:
        """Whether extensions that are used are those of the running machine."""
        old = self._running.extensions if self._running else {}
        return all(extensions.get(each.id) is old.get(each.id) is not None for each in references)
