"""What a whole configuration is, once it is decoded."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from msgspec import Meta

from collector.component import Kind
from collector.config.document import Node
from collector.config.problems import redact, split
from collector.config.types import ANY_CASE, Config, Duration, FieldError, Notice, Section

_ADDRESS = re.compile(r".*:\d{1,5}")
_SECTIONS = (*(kind.section for kind in Kind), "service")
_DEPTH = 2


class LogSamplingConfig(Config):
    """Sampling of log lines with equal text."""

    enabled: bool = True
    """Whether equal lines are sampled at all."""

    tick: Duration = Duration.parse("10s")
    """The window that is counted over."""

    initial: int = 10
    """How many equal lines are written in a window before sampling begins."""

    thereafter: int = 100
    """Then every n-th is written; 0 writes none."""


class LogsConfig(Config):
    """Settings of the collector's own logs."""

    level: Annotated[Literal["debug", "info", "warn", "error", "dpanic", "panic", "fatal"], ANY_CASE] = "info"
    """The least severity that is written: debug, info, warn or error, in any case."""

    encoding: Literal["console", "json"] = "console"
    """How a line looks: readable, or one JSON object."""

    sampling: LogSamplingConfig = LogSamplingConfig()
    """Sampling of equal lines."""

    output_paths: tuple[str, ...] = ("stderr",)
    """Where lines go: `stderr`, `stdout` or a file."""

    initial_fields: dict[str, Any] = {}
    """Fields that every line carries."""

    development: Annotated[bool, Notice("has no effect here")] = False
    """Taken, without effect."""
    disable_caller: Annotated[bool, Notice("has no effect here, lines never say the caller")] = False
    """Taken, without effect."""
    disable_stacktrace: Annotated[bool, Notice("has no effect here")] = False
    """Taken, without effect."""
    disable_zap_resource: Annotated[bool, Notice("has no effect here, lines never say the resource")] = False
    """Taken, without effect."""
    error_output_paths: Annotated[tuple[str, ...], Notice("has no effect here")] = ("stderr",)
    """Taken, without effect."""
    processors: Annotated[list[Any], Notice("has no effect here, own logs are not exported")] = []
    """Taken, without effect."""


class PrometheusConfig(Config):
    """Where the metrics page listens."""

    host: str = "localhost"
    """The address."""

    port: Annotated[int, Meta(ge=0, le=65535)] = 8888
    """The port; 0 lets the system choose."""

    without_scope_info: Annotated[bool, Notice("has no effect here, the page never has it")] = True
    """Taken, without effect."""
    without_units: Annotated[bool, Notice("has no effect here, the page never has them")] = True
    """Taken, without effect."""
    without_type_suffix: Annotated[bool, Notice("has no effect here, the page never has it")] = True
    """Taken, without effect."""
    with_resource_constant_labels: Annotated[Any, Notice("has no effect here")] = None
    """Taken, without effect."""


class PullExporterConfig(Config):
    """What a pull reader serves."""

    prometheus: PrometheusConfig


class PullReaderConfig(Config):
    """A reader that waits to be asked."""

    exporter: PullExporterConfig


class ReaderConfig(Config):
    """One way out for the collector's own metrics."""

    pull: Section[PullReaderConfig] = None
    """A page for Prometheus."""

    periodic: Annotated[Any, Notice("has no effect here, own metrics are not pushed")] = None
    """Taken, without effect."""


class MetricsConfig(Config):
    """Settings of the collector's own metrics."""

    level: Annotated[Literal["none", "basic", "normal", "detailed"], ANY_CASE] = "normal"
    """`none` switches the page off; the others are equal here."""

    readers: tuple[ReaderConfig, ...] = (
        ReaderConfig(pull=PullReaderConfig(exporter=PullExporterConfig(prometheus=PrometheusConfig()))),
    )
    """Where metrics go: one Prometheus page, on localhost:8888 unless told otherwise."""

    address: Annotated[
        str, Notice("still works here, the Go collector wants readers[0]::pull::exporter::prometheus")
    ] = ""
    """Where the page listens, as older configurations say it."""
    views: Annotated[list[Any], Notice("has no effect here")] = []
    """Taken, without effect."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say."""
        if self.level != "none" and not self.readers:
            raise FieldError("readers", "must have a reader unless level is none")
        for index, reader in enumerate(self.readers):
            if reader.pull is None and reader.periodic is None:
                raise FieldError(f"readers[{index}]", "must have pull or periodic")
        if sum(reader.pull is not None for reader in self.readers) > 1:
            raise FieldError("readers", "must have one pull reader at most: there is one page")
        if self.address and not _ADDRESS.fullmatch(self.address):
            raise FieldError("address", f"must be host:port, such as localhost:8888, got {self.address!r}")

    @property
    def page(self) -> PrometheusConfig | None:
        """Where the page for Prometheus listens, if there shall be one."""
        if self.level == "none":
            return None
        if self.address:
            host, _, port = self.address.rpartition(":")
            return PrometheusConfig(host=host.strip("[]"), port=int(port))
        return next((reader.pull.exporter.prometheus for reader in self.readers if reader.pull), None)


class Resource(dict[str, Any]):
    """Attributes: as a map, or in the declarative form, `attributes: [{name: …, value: …}]`."""

    @classmethod
    def decode(cls, value: Any) -> Resource:
        """Take what stands in the YAML. Raises `ValueError`."""
        if not isinstance(value, dict):
            raise ValueError("must be a map of attributes")
        attributes = value.get("attributes")
        if not isinstance(attributes, list):
            return cls(value)
        if not all(isinstance(item, dict) and "name" in item for item in attributes):
            raise ValueError("attributes must be maps of name and value")
        return cls({str(item["name"]): item.get("value") for item in attributes})


class TelemetryConfig(Config):
    """What the collector says about itself."""

    logs: LogsConfig = LogsConfig()
    """Its logs."""

    metrics: MetricsConfig = MetricsConfig()
    """Its metrics."""

    traces: Annotated[Any, Notice("has no effect here, the collector does not trace itself")] = None
    """Taken, without effect."""
    resource: Resource = Resource()
    """Attributes of the collector itself, such as `service.name`; null removes a default."""


class PipelineSection(Config):
    """The ids that make up a pipeline."""

    receivers: list[str] = []
    """Where spans come from."""

    processors: list[str] = []
    """What happens to them, in order."""

    exporters: list[str] = []
    """Where they go."""


@dataclass(frozen=True, slots=True)
class ComponentConfig:
    """A configured component."""

    id: str
    kind: Kind
    component: type[Any]
    """The class that builds it."""
    config: Config
    """Its settings, an instance of `component.config_type`."""


@dataclass(frozen=True, slots=True)
class PipelineConfig:
    """A pipeline, its ids checked. What spans come from and go to may be connectors as well."""

    id: str
    receivers: tuple[str, ...]
    processors: tuple[str, ...]
    exporters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CollectorConfig:
    """A configuration without problems."""

    parts: dict[Kind, dict[str, ComponentConfig]]
    """All that is configured, used or not, by kind and id."""
    pipelines: dict[str, PipelineConfig]
    enabled_extensions: tuple[str, ...]
    """Extensions that `service::extensions` lists, in order. The others are configured, and not started."""
    telemetry: TelemetryConfig
    notices: tuple[str, ...]
    """What an operator should know, and what does not stop the collector."""
    root: Node
    """What was written, with the lines."""
    metrics_pipelines: dict[str, PipelineConfig] = field(default_factory=dict)
    """Pipelines of the metrics that connectors make: from connectors to exporters, with nothing between."""

    def part(self, kind: Kind, id: str) -> ComponentConfig:
        """Give the component of this kind and id."""
        return self.parts[kind][id]

    def explain(self, report: str) -> str:
        """Add file and line to what was found wrong after decoding, and take out what came from variables.

        Each line that begins with the path of an option, such as `processors::filter::traces`, gets its place.
        """
        return "\n".join(self._explain(line) for line in report.splitlines())

    def _explain(self, line: str) -> str:
        path, _, message = line.partition(": ")
        steps = split(path)
        if len(steps) < _DEPTH or steps[0] not in _SECTIONS:
            return line
        node = self.root.find(steps)
        return f"{node.where} {path}: {redact(message, node)}"
