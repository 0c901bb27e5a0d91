"""The exporters of this distribution."""

FACTORIES: dict[str, str] = {}
"""Type → lazy reference `module:Class`."""
