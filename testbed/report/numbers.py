"""Figures as people read them: three significant digits, 100k rather than 100000, and a ratio as 0.36x."""

from __future__ import annotations

import math

NOTHING = "-"
"""What stands where there is no figure."""


def significant(value: float, digits: int = 3) -> str:
    """Write a value with so many digits that count, and never fewer before the point: 1.73, 33.1, 1284."""
    if not math.isfinite(value) or value == 0:
        return f"{value:g}"
    places = digits - 1 - math.floor(math.log10(abs(value)))
    return f"{value:.{max(0, places)}f}"


def short(value: float, digits: int = 3) -> str:
    """Write a large value with its thousands or millions as a letter: 512, 100k, 1.25M."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size * 0.9995:
            return _trimmed(significant(value / size, digits)) + letter
    return _trimmed(significant(value, digits))


def count(value: float) -> str:
    """Write a count in full, since one span is a span: 1,284,031. A mean of few keeps its fraction, and is never 0."""
    return significant(value) if value % 1 and value < 100 else f"{value:,.0f}"


def ratio(value: float) -> str:
    """Write how many times another figure this is: 0.36x."""
    if value >= 10:
        return f"{significant(value)}x"
    return f"{value:.2f}x" if value >= 0.1 else f"{significant(value, 2)}x"


def _trimmed(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text
