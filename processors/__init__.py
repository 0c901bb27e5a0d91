"""The processors of this distribution."""

FACTORIES: dict[str, str] = {
    "filter": "processors.filter:FilterProcessor",
}
"""Type → lazy reference `module:Class`."""
