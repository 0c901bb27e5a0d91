"""The processors of this distribution."""

FACTORIES: dict[str, str] = {
    "batch": "processors.batch:BatchProcessor",
    "filter": "processors.filter:FilterProcessor",
    "memory_limiter": "processors.memory_limiter:MemoryLimiterProcessor",
}
"""Type → lazy reference `module:Class`."""
