"""The registry of metrics as Prometheus' text exposition format, version 0.0.4."""

from __future__ import annotations

import math
from collections.abc import Iterator

from collector.telemetry.logs import log
from collector.telemetry.metrics import Histogram, Labels, Metric, Metrics, Sample

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition(metrics: Metrics) -> str:
    """Write all metrics as they are at this moment."""
    return "".join(f"{line}\n" for metric in metrics for line in _family(metric))


def _family(metric: Metric) -> Iterator[str]:
    series: list[str] = []
    for read in metric.reads:
        try:
            for sample in read():
                if isinstance(sample, str):
                    series.append(sample)
                elif isinstance(sample, Sample):
                    series.append(f"{metric.name}{_labels(sample.labels)} {_number(sample.value)}")
                else:
                    series.extend(_histogram(metric.name, *sample))
        except Exception:
            # The rest of the page is still worth reading.
            log.exception("cannot read the metric %s", metric.name)
    # A metric appears with its first series, as users know it from the Go collector.
    if series:
        yield f"# HELP {metric.name} {_escape(metric.help, quotes=False)}"
        yield f"# TYPE {metric.name} {metric.kind}"
        yield from series


def _histogram(name: str, labels: Labels, histogram: Histogram) -> Iterator[str]:
    below = 0
    for bound, count in zip([*histogram.bounds, float("inf")], histogram.buckets, strict=True):
        below += count
        yield f"{name}_bucket{_labels({**labels, 'le': _number(bound)})} {below}"
    yield f"{name}_sum{_labels(labels)} {_number(histogram.sum)}"
    yield f"{name}_count{_labels(labels)} {histogram.count}"


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items()) + "}"


def _escape(text: str, *, quotes: bool = True) -> str:
    text = text.replace("\\", r"\\").replace("\n", r"\n")
    return text.replace('"', r"\"") if quotes else text


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) else repr(float(value))
