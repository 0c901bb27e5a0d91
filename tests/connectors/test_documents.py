"""What `docs/span-metrics.md` shows is what can be written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from collector._kernel import SpanMetrics
from collector.component import Kind
from collector.config.model import CollectorConfig
from collector.connectors.span_metrics.kernel import kernel_settings
from collector.pipeline import build
from collector.testing import configure

DOCUMENT = (Path(__file__).parents[2] / "docs/span-metrics.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL)

BASE: dict[str, Any] = {
    "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": "127.0.0.1:0"}}}},
    "processors": {"memory_limiter": {"check_interval": "1s", "limit_mib": 100}, "batch": None,
                   "probabilistic_sampler": None},
    "connectors": {"span_metrics": None},
    "exporters": {"otlp_grpc": {"endpoint": "backend:4317"}},
    "service": {"pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["span_metrics"]}}},
}  # fmt: skip


def configured(example: str) -> CollectorConfig:
    return configure(yaml.safe_dump({**BASE, **yaml.safe_load(example)}))


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_every_example_builds(example: str) -> None:
    """Laid over the rest of a configuration, each is one without problems."""
    assert build(configured(example)).connectors.keys() == {"span_metrics"}


def test_the_names_of_metrics_are_those_of_the_document() -> None:
    """Each metric that there is stands in it, as it is called on the page."""
    settings = "{events: {enabled: true, dimensions: [{name: a}]}, gen_ai: }"
    config = configured(f"connectors: {{span_metrics: {settings}}}").part(Kind.CONNECTOR, "span_metrics").config
    families = SpanMetrics(kernel_settings(config, "span_metrics", "")).families()  # type: ignore[arg-type]

    assert len(families) == 8
    for name, kind, _ in families:
        shown = f"`{name}_bucket`" if kind == "histogram" else f"`{name}`"
        assert shown in DOCUMENT
