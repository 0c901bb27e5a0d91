"""The registry of metrics as Prometheus' text exposition format, version 0.0.4."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Mapping

from collector.telemetry.logs import log
from collector.telemetry.metrics import Histogram, Labels, Metric, Metrics, Sample, Write

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


async def page(metrics: Metrics) -> str:
    """Write all metrics as they are at this moment, long ones on another thread."""
    writes = metrics.writes
    if not writes:
        return exposition(metrics)
    written = await asyncio.to_thread(lambda: {write: _written(write) for write in writes})
    return exposition(metrics, written)


def exposition(metrics: Metrics, written: Mapping[Write, str] | None = None) -> str:
    """Write all metrics as they are at this moment; some may be `written` already."""
    return "".join(f"{line}\n" for metric in metrics for line in _family(metric, written or {}))


def _family(metric: Metric, written: Mapping[Write, str]) -> Iterator[str]:
    texts = (written[write] if write in written else _written(write) for write in metric.writes)
    series = [text for text in texts if text]
    for read in metric.reads:
        try:
            for sample in read():
                if isinstance(sample, Sample):
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


def _written(write: Write) -> str:
    """Lines without the last end; none if they cannot be written."""
    try:
        return write().removesuffix("\n")
    except Exception:
        log.exception("cannot write a metric")
        return ""


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
