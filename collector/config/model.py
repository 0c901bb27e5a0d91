"""What a whole configuration is, once it is decoded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from collector.component import Kind
from collector.config.types import Config, Duration, Notice, Section


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

    level: str = "info"
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
    disable_caller: Annotated[bool, Notice("has no effect here")] = False
    disable_stacktrace: Annotated[bool, Notice("has no effect here")] = False
    disable_zap_resource: Annotated[bool, Notice("has no effect here")] = False
    error_output_paths: Annotated[tuple[str, ...], Notice("has no effect here")] = ("stderr",)
    processors: Annotated[list[Any], Notice("export of the collector's own logs is not supported yet")] = []

    def __post_init__(self) -> None:
        known = {"debug", "info", "warn", "warning", "error", "dpanic", "panic", "fatal"}
        if self.level.lower() not in known:
            msg = f"level must be one of debug, info, warn, error, got {self.level!r}"
            raise ValueError(msg)


class PrometheusConfig(Config):
    """Where the metrics page listens."""

    host: str = "localhost"
    """The address."""

    port: int = 8888
    """The port; 0 lets the system choose."""

    without_scope_info: Annotated[bool, Notice("the page never has it")] = True
    without_units: Annotated[bool, Notice("the page never has them")] = True
    without_type_suffix: Annotated[bool, Notice("the page never has it")] = True
    with_resource_constant_labels: Annotated[Any, Notice("has no effect here")] = None


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

    periodic: Annotated[Any, Notice("pushing the collector's own metrics is not supported yet")] = None


class MetricsConfig(Config):
    """Settings of the collector's own metrics."""

    level: Literal["none", "basic", "normal", "detailed", "None", "Basic", "Normal", "Detailed"] = "normal"
    """`none` switches the page off."""

    readers: tuple[ReaderConfig, ...] = (
        ReaderConfig(pull=PullReaderConfig(exporter=PullExporterConfig(prometheus=PrometheusConfig()))),
    )
    """Where metrics go: one Prometheus page, on localhost:8888 unless told otherwise."""

    address: Annotated[str, Notice("was removed: use readers::pull::exporter::prometheus")] = ""
    views: Annotated[list[Any], Notice("has no effect here")] = []

    def __post_init__(self) -> None:
        if self.level.lower() != "none" and not self.readers:
            msg = "readers must not be empty unless level is none"
            raise ValueError(msg)

    @property
    def page(self) -> PrometheusConfig | None:
        """Where the page for Prometheus listens, if there shall be one."""
        if self.level.lower() == "none":
            return None
        return next((reader.pull.exporter.prometheus for reader in self.readers if reader.pull), None)


class TelemetryConfig(Config):
    """What the collector says about itself."""

    logs: LogsConfig = LogsConfig()
    """Its logs."""

    metrics: MetricsConfig = MetricsConfig()
    """Its metrics."""

    traces: Annotated[Any, Notice("traces of the collector itself are not supported yet")] = None
    resource: dict[str, Any] = {}
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
    """A pipeline, its ids checked."""

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
    notices: tuple[str, ...] = field(default=())
    """What an operator should know, and what does not stop the collector."""

    def part(self, kind: Kind, id: str) -> ComponentConfig:
        """Give the component of this kind and id."""
        return self.parts[kind][id]
