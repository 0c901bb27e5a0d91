"""What this distribution contains.

The one module of the core that knows components: by name, as lazy references, so that what a configuration does not use
is not imported. Installed packages add to it with entry points of the groups `spanmill.receivers`, `.processors`,
`.exporters`, `.connectors` and `.extensions`; each names a component class.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from collector.component import Kind
from collector.errors import ConfigError

_PACKAGES = {
    Kind.RECEIVER: "collector.receivers",
    Kind.PROCESSOR: "processors",
    Kind.EXPORTER: "exporters",
    Kind.CONNECTOR: "collector.connectors",
    Kind.EXTENSION: "collector.extensions",
}


@cache
def references(kind: Kind) -> dict[str, str]:
    """Give the known types of a kind, each with its reference `module:Class`. A built-in type cannot be replaced."""
    found = {entry.name: f"{entry.module}:{entry.attr}" for entry in entry_points(group=f"spanmill.{kind.section}")}
    factories: dict[str, str] = import_module(_PACKAGES[kind]).FACTORIES
    return {**found, **factories}


def load(kind: Kind, type_: str) -> type[Any]:
    """Import the class of a component. Raises `ConfigError` if its package is broken."""
    reference = references(kind)[type_]
    module, _, name = reference.partition(":")
    try:
        factory = getattr(import_module(module), name)
    except Exception as error:  # a foreign package may raise anything at import
        raise ConfigError(f"the component cannot be loaded from {reference}: {error}") from error
    if not isinstance(factory, type) or not isinstance(getattr(factory, "config_type", None), type):
        raise ConfigError(f"{reference} is not a class of components: it has no config_type")
    return factory
