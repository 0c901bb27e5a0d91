"""Connectors: the end of one pipeline and the beginning of another."""

FACTORIES: dict[str, str] = {}
"""The connectors of this distribution: type → where its class is. There is none yet."""
