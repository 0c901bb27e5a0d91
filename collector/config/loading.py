"""The way from files to a `CollectorConfig`, with every problem of all files in one report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from collector import distribution
from collector.component import Kind
from collector.config import sources
from collector.config.decode import Decoder, Path
from collector.config.document import Node
from collector.config.expand import Expander
from collector.config.ids import ComponentId
from collector.config.metrics_pipelines import Configured, MetricsPipelines, Pipelines, ids_of, pipeline_of
from collector.config.model import (
    CollectorConfig,
    ComponentConfig,
    PipelineConfig,
    PipelineSection,
    TelemetryConfig,
)
from collector.config.problems import Problems, Where, guess
from collector.errors import ConfigError

SECTIONS = (*(kind.section for kind in Kind), "service")
OTHER_SIGNALS = ("metrics", "logs", "profiles")


def load(
    paths: Sequence[str],
    overrides: Sequence[str] = (),
    *,
    ignore_other_signals: bool = False,
    environ: Mapping[str, str] | None = None,
) -> CollectorConfig:
    """Read, merge, substitute, decode and check.

    `paths` are what `--config` was given, `overrides` what `--set` was. With `ignore_other_signals`, pipelines of
    metrics, logs and profiles are left out with a notice each. Raises `ConfigError`: its text is the whole report.
    """
    notices: list[str] = []
    problems = Problems()
    root = sources.read(paths, overrides, notices, environ)
    root = Expander(problems, notices, environ).expand(root)
    return _Loader(root, problems, notices, ignore_other_signals=ignore_other_signals).load()


class _Loader:
    def __init__(self, root: Node, problems: Problems, notices: list[str], *, ignore_other_signals: bool) -> None:
        self.root = root
        self.problems = problems
        self.notices = notices
        self.ignore_other_signals = ignore_other_signals
        self.decoder = Decoder(problems, notices)
        self.broken: set[Kind] = set()
        """Kinds whose section is no map: nothing can be said of references to them."""

    def load(self) -> CollectorConfig:
        top = self._map(self.root, ())
        for key in top:
            if key not in SECTIONS:
                hint = guess(key, SECTIONS) or f"; there are {', '.join(SECTIONS)}"
                self.problems.add((key,), f"unknown section{hint}", self.root.key_where(key))
        service = top.get("service", Node(None, self.root.where))
        service_keys = self._map(service, ("service",))
        configured = {kind: self._ids(kind, top) for kind in Kind}
        metrics = MetricsPipelines(self.decoder, configured, ignore_others=self.ignore_other_signals)
        pipelines, foreign = self._pipelines(service, service_keys, metrics)
        components = {kind: self._components(kind, configured[kind], foreign) for kind in Kind}
        for kind in (Kind.RECEIVER, Kind.EXPORTER):
            ends = kind is Kind.EXPORTER and configured[Kind.CONNECTOR]
            if not configured[kind] and not ends and kind not in self.broken:
                self.problems.add(
                    (kind.section,), f"at least one {kind} must be configured", top.get(kind.section, self.root).where
                )
        self._check_references({**pipelines, **metrics.found}, configured)
        self._check_connectors(pipelines, metrics.found, configured)
        extensions = self._extensions(service_keys, configured[Kind.EXTENSION])
        telemetry = self._telemetry(service, service_keys)
        self.problems.raise_if_any()
        return CollectorConfig(
            parts=components,
            pipelines={id: pipeline for id, (pipeline, _) in pipelines.items()},
            metrics_pipelines={id: pipeline for id, (pipeline, _) in metrics.found.items()},
            enabled_extensions=extensions,
            telemetry=telemetry,
            notices=tuple(dict.fromkeys(self.notices)),
            root=self.root,
        )

    def _map(self, node: Node, path: Path) -> dict[str, Node]:
        if node.value is None:
            return {}
        if isinstance(node.value, dict):
            return node.value
        self.problems.add(path, f"must be a map, got {node.describe()}", node.where)
        return {}

    # Components

    def _ids(self, kind: Kind, top: dict[str, Node]) -> dict[str, tuple[ComponentId, Node, Where]]:
        """Read the ids of a section; each with its settings and its line."""
        section = top.get(kind.section)
        found: dict[str, tuple[ComponentId, Node, Where]] = {}
        if section is None:
            return found
        if not isinstance(section.value, dict | None):
            self.broken.add(kind)
        for key, node in self._map(section, (kind.section,)).items():
            where = section.key_where(key)
            try:
                id = ComponentId.parse(key)
            except ValueError as error:
                self.problems.add((kind.section, key), str(error), where)
                continue
            if str(id) in found:
                self.problems.add((kind.section, str(id)), "stands twice once blanks are taken away", where)
                continue
            found[str(id)] = (id, node, where)
        return found

    def _components(
        self, kind: Kind, ids: dict[str, tuple[ComponentId, Node, Where]], foreign: dict[Kind, set[str]]
    ) -> dict[str, ComponentConfig]:
        decoded: dict[str, ComponentConfig] = {}
        for name, (id, node, where) in ids.items():
            path = (kind.section, name)
            known = distribution.references(kind)
            if id.type not in known:
                if name in foreign[kind]:
                    self.notices.append(
                        f"{where} {kind.section}::{name}: left out, only pipelines of other signals use it"
                    )
                    continue
                hint = guess(id.type, known) or (
                    f"; there are {', '.join(sorted(known))}" if known else "; there are none"
                )
                self.problems.add(path, f"unknown type {id.type!r}{hint}", where)
                continue
            try:
                factory = distribution.load(kind, id.type)
            except ConfigError as error:
                self.problems.add(path, str(error), where)
                continue
            config = self.decoder.struct(factory.config_type, node, path)
            if config is not None:
                decoded[name] = ComponentConfig(name, kind, factory, config)
        return decoded

    # Service

    def _pipelines(
        self, service: Node, keys: dict[str, Node], metrics: MetricsPipelines
    ) -> tuple[Pipelines, dict[Kind, set[str]]]:
        """Decode the pipelines of traces, and of what is made of them; gather the ids that only other signals use."""
        for key in keys:
            if key not in {"pipelines", "extensions", "telemetry"}:
                hint = guess(key, ("pipelines", "extensions", "telemetry"))
                self.problems.add(
                    ("service", key),
                    f"unknown key{hint or '; there are pipelines, extensions, telemetry'}",
                    service.key_where(key),
                )
        section = keys.get("pipelines", Node(None, service.where))
        found: Pipelines = {}
        foreign: dict[Kind, set[str]] = {kind: set() for kind in Kind}
        other_signals = traces = 0
        for key, node in self._map(section, ("service", "pipelines")).items():
            path = ("service", "pipelines", key)
            where = section.key_where(key)
            try:
                id = ComponentId.parse(key)
            except ValueError as error:
                self.problems.add(path, str(error), where)
                continue
            if id.type == "metrics" and metrics.begins_with_connectors(node):
                if str(id) in metrics.found:
                    self.problems.add(path, "stands twice once blanks are taken away", where)
                elif pipeline := metrics.decode(id, node, path, where, foreign):
                    self._check_shape(pipeline, path, node, where)
                continue
            if id.type != "traces":
                other_signals += id.type in OTHER_SIGNALS
                self._other_signal(id, node, path, where, foreign)
                continue
            traces += 1
            if str(id) in found:
                self.problems.add(path, "stands twice once blanks are taken away", where)
                continue
            decoded = self.decoder.struct(PipelineSection, node, path)
            if decoded is not None:
                pipeline = pipeline_of(id, decoded)
                found[str(id)] = (pipeline, node)
                self._check_shape(pipeline, path, node, where)
        if not traces and not (other_signals and not self.ignore_other_signals):
            self.problems.add(("service", "pipelines"), "there must be at least one pipeline of traces", section.where)
        used = {
            Kind.RECEIVER: {id for pipeline, _ in found.values() for id in pipeline.receivers},
            Kind.PROCESSOR: {id for pipeline, _ in found.values() for id in pipeline.processors},
            Kind.EXPORTER: {
                id for pipeline, _ in (*found.values(), *metrics.found.values()) for id in pipeline.exporters
            },
        }
        return found, {kind: ids - used.get(kind, set()) for kind, ids in foreign.items()}

    def _other_signal(
        self, id: ComponentId, node: Node, path: Path, where: Where, foreign: dict[Kind, set[str]]
    ) -> None:
        if id.type not in OTHER_SIGNALS:
            hint = guess(id.type, ("traces",))
            self.problems.add(path, f"unknown signal {id.type!r}{hint or '; there is traces'}", where)
            return
        if not self.ignore_other_signals:
            but = ", and metrics that connectors such as span_metrics make of them" if id.type == "metrics" else ""
            self.problems.add(
                path,
                f"only traces are processed here{but}; remove the pipeline or run with --ignore-other-signals",
                where,
            )
        else:
            self.notices.append(f"{where} {'::'.join(path)}: left out, only traces are processed here")
        if isinstance(node.value, dict):
            for kind in (Kind.RECEIVER, Kind.PROCESSOR, Kind.EXPORTER):
                plain = node.value[kind.section].plain() if kind.section in node.value else None
                if isinstance(plain, list):
                    foreign[kind] |= {str(item) for item in plain}

    def _check_shape(self, pipeline: PipelineConfig, path: Path, node: Node, where: Where) -> None:
        for kind, ids in ((Kind.RECEIVER, pipeline.receivers), (Kind.EXPORTER, pipeline.exporters)):
            if not ids:
                given = node.find([kind.section])
                blame = f"; {given.shown} is {given.lack}" if given.lack else ""
                self.problems.add(path, f"must have at least one {kind}{blame}", where)
        for id in dict.fromkeys(pipeline.processors):
            if pipeline.processors.count(id) > 1:
                self.problems.add(path, f"references processor {id!r} more than once", node.key_where("processors"))

    def _check_references(self, pipelines: Pipelines, configured: Configured) -> None:
        for pipeline, node in pipelines.values():
            for kind, ids in (
                (Kind.RECEIVER, pipeline.receivers),
                (Kind.PROCESSOR, pipeline.processors),
                (Kind.EXPORTER, pipeline.exporters),
            ):
                for id in ids:
                    known = id in configured[kind] or (kind is not Kind.PROCESSOR and id in configured[Kind.CONNECTOR])
                    if not known and kind not in self.broken:
                        self.problems.add(
                            ("service", "pipelines", pipeline.id),
                            f"references {kind} {id!r} which is not configured{guess(id, configured[kind])}",
                            node.key_where(kind.section),
                        )

    def _check_connectors(self, pipelines: Pipelines, metrics: Pipelines, configured: Configured) -> None:
        """Note connectors that stand where they cannot, and ids that say two things."""
        connectors = configured[Kind.CONNECTOR]
        for id, (_, _, where) in connectors.items():
            for kind in (Kind.RECEIVER, Kind.EXPORTER):
                if id in configured[kind]:
                    self.problems.add((Kind.CONNECTOR.section, id), f"there is {kind} {id!r} as well", where)
        ending = {id for pipeline, _ in pipelines.values() for id in pipeline.exporters}
        for pipeline, node in pipelines.values():
            for id in filter(connectors.__contains__, pipeline.receivers):
                self.problems.add(
                    ("service", "pipelines", pipeline.id),
                    f"references connector {id!r} as a receiver: it makes metrics, which begin pipelines of metrics",
                    node.key_where(Kind.RECEIVER.section),
                )
        for pipeline, node in metrics.values():
            for id in filter(connectors.__contains__, pipeline.receivers):
                if id not in ending:
                    self.problems.add(
                        ("service", "pipelines", pipeline.id),
                        f"references connector {id!r}, which is no exporter of a pipeline of traces: it sees no spans",
                        node.key_where(Kind.RECEIVER.section),
                    )

    def _extensions(
        self, keys: dict[str, Node], configured: dict[str, tuple[ComponentId, Node, Where]]
    ) -> tuple[str, ...]:
        node = keys.get("extensions")
        if node is None or node.value is None:
            return ()
        path = ("service", "extensions")
        ids = self.decoder.value(list[str], node, path)
        if not isinstance(ids, list):
            return ()
        for id in ids_of(ids):
            if id not in configured:
                self.problems.add(
                    path, f"references extension {id!r} which is not configured{guess(id, configured)}", node.where
                )
        return tuple(dict.fromkeys(ids_of(ids)))

    def _telemetry(self, service: Node, keys: dict[str, Node]) -> TelemetryConfig:
        node = keys.get("telemetry", Node(None, service.where))
        return self.decoder.struct(TelemetryConfig, node, ("service", "telemetry")) or TelemetryConfig()
