"""Extensions: what serves the collector as a whole."""

FACTORIES = {
    "basicauth": "collector.extensions.basicauth:BasicAuthExtension",
    "bearertokenauth": "collector.extensions.bearertokenauth:BearerTokenAuthExtension",
    "file_storage": "collector.extensions.file_storage:FileStorageExtension",
    "health_check": "collector.extensions.health_check:HealthCheckExtension",
}
"""The extensions of this distribution: type → where its class is. Imported when a configuration uses it."""
