"""The types that configurations are made of.

A component's configuration is a frozen struct, closed to unknown keys:

    class BatchConfig(Config):
        '''Settings of the `batch` processor.'''

        timeout: Duration = Duration.parse("200ms")
        '''How old the first span of a batch may get.'''

Field docstrings are the reference manual. `__post_init__` checks what types cannot say and raises `ValueError`; a
`FieldError` names the field as well.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Self, TypeVar, dataclass_transform

import msgspec

UInt32 = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
"""A whole number from 0 to 4294967295."""

PositiveInt = Annotated[int, msgspec.Meta(ge=1)]
"""A whole number from 1."""

NonNegativeInt = Annotated[int, msgspec.Meta(ge=0)]
"""A whole number from 0."""


# The decorator tells type checkers that subclasses are frozen too.
@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all settings a user writes."""


class FieldError(ValueError):
    """A field is wrong for a reason that its type cannot say. `path` leads to it: `sending_queue::queue_size`."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(path, message)
        self.path = path
        self.message = message

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class Notice(str):
    """An option that is taken and has no effect here: `Annotated[int, Notice("Go's garbage collector is not here")]`.

    The service says so once at start.
    """

    __slots__ = ()


class _AnyCase:
    """Marks words that may be written in any case."""


ANY_CASE = _AnyCase()
"""`Annotated[Literal["basic", "detailed"], ANY_CASE]`: `Detailed` is taken, too, and becomes `detailed`."""


class _Section:
    """Marks an optional section."""


T = TypeVar("T")

SECTION = _Section()

Section = Annotated[T | None, SECTION]
"""An optional section, by the Go collector's rules: absent is the field's default; null or a map switches it on, over
the defaults of its type; `enabled: false` inside switches it off (`None`), and then nothing else in it is checked."""


class Duration(float):
    """A span of time in seconds, written the Go way: `200ms`, `1h30m`, `1.5s`, `-1s`, or a bare `0`."""

    _UNITS: ClassVar[dict[str, float]] = {
        "ns": 1e-9,
        "us": 1e-6,
        "µs": 1e-6,  # Go takes both micro signs
        "μs": 1e-6,
        "ms": 1e-3,
        "s": 1.0,
        "m": 60.0,
        "h": 3600.0,
    }
    _PART: ClassVar[re.Pattern[str]] = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read Go's notation. Raises `ValueError`."""
        digits = text.lstrip("+-") if text[:2] not in {"+-", "-+", "++", "--"} else ""
        sign = -1 if text.startswith("-") else 1
        if digits == "0":
            return cls(0)
        seconds, at = 0.0, 0
        for part in cls._PART.finditer(digits):
            if part.start() != at:
                break
            seconds += float(part[1]) * cls._UNITS[part[2]]
            at = part.end()
        if not digits or at != len(digits):
            msg = f"must be a duration such as 200ms or 5s, got {text!r}"
            raise ValueError(msg)
        return cls(sign * seconds)

    @classmethod
    def decode(cls, value: Any) -> Self:
        """Take what stands in the YAML. Raises `ValueError`."""
        if isinstance(value, str):
            return cls.parse(value)
        if type(value) is int and value == 0:
            return cls(0)
        # The Go collector reads a bare number as nanoseconds, which nobody means.
        msg = f"must be a duration such as 200ms or 5s, got {value!r}"
        raise ValueError(msg)

    def __str__(self) -> str:
        """Give the shortest of Go's notations."""
        for unit, size in (("h", 3600.0), ("m", 60.0), ("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
            count = self / size
            if count and count == int(count):
                return f"{int(count)}{unit}"
        return "0s" if not self else f"{float(self):g}s"
