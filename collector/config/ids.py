"""Component ids: `type` or `type/name`."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_TYPE = re.compile(r"[a-zA-Z][0-9a-zA-Z_]{0,62}")
_MAX_NAME = 1024


@dataclass(frozen=True, slots=True)
class ComponentId:
    """An id, taken apart."""

    type: str
    name: str = ""

    @classmethod
    def parse(cls, text: str) -> ComponentId:
        """Read an id. Raises `ValueError`."""
        type_, slash, name = (part.strip() for part in text.partition("/"))
        if not type_ and not slash:
            msg = "an id must not be empty"
            raise ValueError(msg)
        if not type_:
            msg = f"the part before '/' must not be empty in {text!r}"
            raise ValueError(msg)
        if not _TYPE.fullmatch(type_):
            msg = f"the type {type_!r} must be a letter and up to 62 letters, digits and underscores"
            raise ValueError(msg)
        if slash and not name:
            msg = f"the part after '/' must not be empty in {text!r}"
            raise ValueError(msg)
        if len(name) > _MAX_NAME:
            msg = f"the name must have at most {_MAX_NAME} characters"
            raise ValueError(msg)
        if bad := next((char for char in name if unicodedata.category(char)[0] not in "LNP"), None):
            msg = f"the name {name!r} must not have the character {bad!r}"
            raise ValueError(msg)
        return cls(type_, name)

    def __str__(self) -> str:
        return f"{self.type}/{self.name}" if self.name else self.type
