"""Pipelines of the metrics that connectors make of spans.

    traces:  {receivers: [otlp], exporters: [span_metrics, otlp]}
    metrics: {receivers: [span_metrics], exporters: [otlp]}

They lead from connectors to exporters. Metrics leave once in an interval, so there is nothing to gather and nothing to
limit: the processors `batch` and `memory_limiter`, which stand in many configurations, are taken and have no effect.
"""

from __future__ import annotations

from collections.abc import Sequence

from collector import distribution
from collector.component import Exporter, Kind
from collector.config.decode import Decoder, Path
from collector.config.document import Node
from collector.config.ids import ComponentId
from collector.config.model import PipelineConfig, PipelineSection
from collector.config.problems import Where, render
from collector.errors import ConfigError

Pipelines = dict[str, tuple[PipelineConfig, Node]]
"""Pipelines by id, each with what was written."""
Configured = dict[Kind, dict[str, tuple[ComponentId, Node, Where]]]
"""The ids of all sections, each with its settings and its line."""

_IDLE = ("batch", "memory_limiter")
"""Processors that have nothing to do here."""


class MetricsPipelines:
    """Decodes pipelines that begin with connectors. With `ignore_others` it leaves out what cannot be."""

    def __init__(self, decoder: Decoder, configured: Configured, *, ignore_others: bool) -> None:
        self.found: Pipelines = {}
        self._decoder = decoder
        self._configured = configured
        self._ignore_others = ignore_others

    def begins_with_connectors(self, node: Node) -> bool:
        """Say whether one of the receivers is a connector."""
        receivers = node.value.get("receivers") if isinstance(node.value, dict) else None
        plain = receivers.plain() if receivers else None
        ids = [item for item in plain if isinstance(item, str)] if isinstance(plain, list) else []
        return any(id in self._configured[Kind.CONNECTOR] for id in ids_of(ids))

    def decode(
        self, id: ComponentId, node: Node, path: Path, where: Where, foreign: dict[Kind, set[str]]
    ) -> PipelineConfig | None:
        """Decode a pipeline and keep what is possible of it. Gives what was written, or `None` if nothing is left."""
        decoded = self._decoder.struct(PipelineSection, node, path)
        if decoded is None:
            return None
        pipeline = pipeline_of(id, decoded)
        receivers = self._possible(Kind.RECEIVER, pipeline.receivers, node, path, foreign)
        exporters = self._possible(Kind.EXPORTER, pipeline.exporters, node, path, foreign)
        self._check_processors(pipeline.processors, node, path)
        if pipeline.exporters and not exporters and self._ignore_others:
            self._decoder.notices.append(f"{where} {render(path)}: left out, none of its exporters can send metrics")
            return None
        self.found[pipeline.id] = (PipelineConfig(pipeline.id, receivers, (), exporters), node)
        return pipeline

    def _possible(
        self, kind: Kind, ids: Sequence[str], node: Node, path: Path, foreign: dict[Kind, set[str]]
    ) -> tuple[str, ...]:
        """Give the ids that can be here, and note the others."""
        left = []
        for id in ids:
            why = self._objection(kind, id)
            if why is None:
                left.append(id)
            elif self._ignore_others:
                foreign[kind].add(id)
                self._decoder.notices.append(
                    f"{node.key_where(kind.section)} {render(path)}: {kind} {id!r} is left out, {why}"
                )
            else:
                self._decoder.problems.add(path, f"{kind} {id!r} cannot be here: {why}", node.key_where(kind.section))
        return tuple(left)

    def _objection(self, kind: Kind, id: str) -> str | None:
        """Say why a component cannot stand in a pipeline of metrics, if it cannot."""
        configured = self._configured[kind].get(id)
        if id in self._configured[Kind.CONNECTOR]:
            return None if kind is Kind.RECEIVER else "connectors make metrics of spans, not of metrics"
        if kind is Kind.RECEIVER:
            return "only metrics that connectors such as span_metrics make of spans are processed here"
        if configured is None:
            return None  # That has a line of its own.
        if configured[0].type not in distribution.references(kind):
            return "what there is here can send metrics with otlp_grpc and otlp_http, and serves them on its own page"
        try:
            component = distribution.load(kind, configured[0].type)
        except ConfigError:
            return None  # So has that.
        can = issubclass(component, Exporter) and component.metrics_exporter is not None
        return None if can else "it sends traces only; otlp_grpc and otlp_http send metrics"

    def _check_processors(self, ids: Sequence[str], node: Node, path: Path) -> None:
        where = node.key_where(Kind.PROCESSOR.section)
        for id in ids:
            if id.partition("/")[0] in _IDLE:
                self._decoder.notices.append(
                    f"{where} {render(path)}: {id} has nothing to do here, metrics leave once in an interval"
                )
            else:
                self._decoder.problems.add(
                    path,
                    f"processor {id!r} cannot be here: metrics go from connectors to exporters as they are;"
                    " change the spans before they are counted",
                    where,
                )


def pipeline_of(id: ComponentId, section: PipelineSection) -> PipelineConfig:
    """Make a pipeline of what was written. Receivers and exporters count once."""
    receivers, exporters = dict.fromkeys(ids_of(section.receivers)), dict.fromkeys(ids_of(section.exporters))
    return PipelineConfig(str(id), tuple(receivers), ids_of(section.processors), tuple(exporters))


def ids_of(references: Sequence[str]) -> tuple[str, ...]:
    """Write ids the way sections do: without blanks around their parts."""
    return tuple("/".join(part.strip() for part in id.split("/", 1)) for id in references)
