"""Bounds of values (`msgspec.Meta`) in plain words."""

from __future__ import annotations

import re
from typing import Any

import msgspec


def breach(meta: msgspec.Meta, value: Any) -> str | None:
    """Say what a value would have to be, if it is not: `must be from 0 to 100`."""
    if isinstance(value, int | float):
        # Written so that NaN breaks every bound.
        low = (meta.ge is None or value >= meta.ge) and (meta.gt is None or value > meta.gt)
        high = (meta.le is None or value <= meta.le) and (meta.lt is None or value < meta.lt)
        return None if low and high else f"must be {_range(meta)}"
    size = len(value)
    if meta.min_length is not None and size < meta.min_length:
        return "must not be empty" if meta.min_length == 1 else f"must have at least {meta.min_length} {_unit(value)}"
    if meta.max_length is not None and size > meta.max_length:
        return f"must have at most {meta.max_length} {_unit(value)}"
    if meta.pattern is not None and isinstance(value, str) and not re.search(meta.pattern, value):
        return f"must match {meta.pattern}"
    return None


def _range(meta: msgspec.Meta) -> str:
    if meta.ge is not None and meta.le is not None:
        return f"from {meta.ge} to {meta.le}"
    bounds = (("at least", meta.ge), ("more than", meta.gt), ("at most", meta.le), ("less than", meta.lt))
    return " and ".join(f"{words} {bound}" for words, bound in bounds if bound is not None)


def _unit(value: Any) -> str:
    return "characters" if isinstance(value, str) else "entries"
