"""What a type looks like in YAML: the fields of a struct, and the words for it."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

import msgspec

from collector.config.document import Node
from collector.config.types import SECTION, Config


class Field(NamedTuple):
    """A field of a struct, by the name it has in YAML."""

    name: str
    type: Any
    required: bool
    default: Any


@cache
def fields_of(config_type: type[Config]) -> dict[str, Field]:
    """The fields of a struct by their names in YAML."""
    hints = get_type_hints(config_type, include_extras=True)
    return {
        field.encode_name: Field(field.name, hints[field.name], field.required, field.default)
        for field in msgspec.structs.fields(config_type)
    }


def takes_null(wanted: Any, node: Node) -> bool:
    """Tell whether null is a value here, and does not mean the default."""
    if get_origin(wanted) is Annotated:
        return SECTION in wanted.__metadata__ or takes_null(get_args(wanted)[0], node)
    # A variable that is set, and empty, is an empty string.
    return wanted is Any or type(None) in get_args(wanted) or (wanted is str and node.lack == "empty")


def has_shape(choice: Any, node: Node) -> bool:
    """Tell whether a type is written with the kind of YAML that stands there."""
    origin = get_origin(choice) or choice
    if isinstance(node.value, dict):
        return origin is dict or (isinstance(origin, type) and issubclass(origin, Config))
    if isinstance(node.value, list):
        return origin in {list, tuple}
    return origin is type(node.value)


_NAMES = {str: "a string", bool: "true or false", int: "a whole number", float: "a number"}


def name_of(wanted: Any) -> str:
    """Say what a type is in YAML."""
    wanted = get_args(wanted)[0] if get_origin(wanted) is Annotated else wanted
    origin = get_origin(wanted) or wanted
    if origin in {list, tuple}:
        return "a list"
    if origin is dict or (isinstance(origin, type) and issubclass(origin, Config)):
        return "a map"
    return _NAMES.get(origin, str(getattr(origin, "__name__", origin)))
