"""Receivers: where spans come in."""

FACTORIES = {
    "otlp": "collector.receivers.otlp:OtlpReceiver",
}
"""The receivers of this distribution: type → where its class is. Imported when a configuration uses it."""
