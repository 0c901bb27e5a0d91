"""Headers that clients send with every request, as they stand in a configuration."""

from __future__ import annotations

import re

from collector.config.types import Config, FieldError


class Header(Config):
    """A header, where they are given as a list."""

    name: str
    """Its name."""
    value: str
    """Its value."""


Headers = dict[str, str] | list[Header]
"""A map, or a list of `name` and `value`."""


def header_pairs(headers: Headers, names: re.Pattern[str], kind: str) -> list[tuple[str, str]]:
    """List headers, their names in lower case. Raises `FieldError` for a name that is wrong or there twice."""
    pairs = headers.items() if isinstance(headers, dict) else [(header.name, header.value) for header in headers]
    found: dict[str, str] = {}
    for name, value in pairs:
        lower = name.lower()
        if not names.fullmatch(lower):
            raise FieldError("headers", f"{name!r} cannot be the name of {kind}")
        if lower in found:
            raise FieldError("headers", f"{name!r} is there twice")
        found[lower] = value
    return list(found.items())


def printable(name: str, value: str) -> str:
    """The value of a header. Raises `FieldError` if it cannot be one."""
    if not value.isascii() or not value.isprintable():
        raise FieldError("headers", f"the value of {name!r} must be printable ASCII")
    return value
