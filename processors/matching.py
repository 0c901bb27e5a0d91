"""`include` and `exclude`: which spans a processor works on.

All fields that are given must match. Inside `services`, `span_names` and `span_kinds` any entry does; inside
`attributes`, `resources` and `libraries` every entry must. A span is processed if `include` matches, or is absent,
and `exclude` does not.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from collector.config.types import Config, Notice


class AttributeMatch(Config):
    """An attribute that must be there."""

    key: str
    """Its name."""

    value: Any = None
    """Its value: equal in type and value where `match_type` is strict, a regular expression otherwise. Without it, any
    value will do."""


class LibraryMatch(Config):
    """An instrumentation scope."""

    name: str
    """Its name."""

    version: str | None = None
    """Its version. Without it, any version will do; an empty one is an empty version."""


class RegexpCache(Config):
    """Taken, so that a configuration of the Go collector loads."""

    cacheenabled: bool = False
    cachemaxnumentries: int = 0


class MatchConfig(Config):
    """Which spans are meant."""

    match_type: Literal["strict", "regexp"]
    """How texts are compared: equal, or by a regular expression of Go's dialect that finds a match."""

    services: list[str] = []
    """`service.name` of the resource; `<nil-service-name>` stands for a resource without one."""

    span_names: list[str] = []
    """Names of spans."""

    span_kinds: list[str] = []
    """`SPAN_KIND_SERVER` and the like."""

    attributes: list[AttributeMatch] = []
    """Attributes of the span."""

    resources: list[AttributeMatch] = []
    """Attributes of its resource."""

    libraries: list[LibraryMatch] = []
    """Its instrumentation scope."""

    regexp: Annotated[RegexpCache | None, Notice("has no effect: patterns are compiled once and need no cache")] = None
    """Taken, and without effect."""


def settings_of(match: MatchConfig | None) -> dict[str, object] | None:
    """Give the match as the kernel takes it."""
    if match is None:
        return None
    settings = msgspec.to_builtins(match)
    del settings["regexp"]
    return settings  # type: ignore[no-any-return]  # a struct becomes a dict
