"""Connectors: the end of one pipeline and the beginning of another."""

FACTORIES: dict[str, str] = {
    "span_metrics": "collector.connectors.span_metrics:SpanMetricsConnector",
    "spanmetrics": "collector.connectors.span_metrics:SpanMetricsConnector",
}
"""The connectors of this distribution: type → where its class is."""
