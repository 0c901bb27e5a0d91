"""The connector compared with what the Go collector 0.160 made of the same spans (`record_go.py`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from metrics_requests import series
from span_metrics_cases import CASES, request

from collector._kernel import SpanMetrics
from collector.component import Kind
from collector.connectors.span_metrics.kernel import kernel_settings
from collector.spans import receive
from collector.testing import configure

RECORDED = json.loads((Path(__file__).parents[1] / "data/span_metrics_0_160.json").read_text())

YAML = """
receivers: {{feed: }}
connectors: {{spanmetrics: {settings}}}
exporters: {{sink: }}
service: {{pipelines: {{traces: {{receivers: [feed], exporters: [sink]}}}}}}
"""


def test_all_cases_were_recorded() -> None:
    """A new case wants a new recording."""
    assert set(RECORDED) == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_makes_the_series_of_the_go_collector(name: str) -> None:
    """The same resources, names, units, attributes, counts and buckets."""
    config = configure(YAML.format(settings=json.dumps(CASES[name]))).part(Kind.CONNECTOR, "spanmetrics").config
    metrics = SpanMetrics(kernel_settings(config, "spanmetrics", "some-id"))  # type: ignore[arg-type]

    metrics.consume(receive(request().SerializeToString()), 1)
    ours = [each.facts() for each in series(*(data for data, _ in metrics.flush(2, 1 << 22)))]

    assert sorted(ours, key=order) == sorted(RECORDED[name], key=order)


def order(facts: dict[str, Any]) -> str:
    """A place for each series that does not depend on what was counted."""
    attributes = sorted(facts.get("attributes", {}).items(), key=repr)
    return repr((sorted(facts["resource"].items()), facts["metric"], attributes))
