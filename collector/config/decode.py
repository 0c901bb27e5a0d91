"""From YAML values to the typed settings of a component, noting every problem on the way.

`msgspec.convert` stops at the first error, so structs, lists and maps are walked here, field by field; msgspec
supplies the structs and their constraints. The rules are the Go collector's: no guessing between types, null means
the default.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from enum import Enum
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from collector.config.document import Node
from collector.config.problems import Problems, Where, guess
from collector.config.types import SECTION, Config, FieldError, Notice

Path = tuple[str, ...]
ConfigT = TypeVar("ConfigT", bound=Config)

INVALID: Any = object()
"""Stands for a value whose problem was noted."""


class Decoder:
    """Turns values into what a type says. Problems and notices gather in the lists it is given."""

    def __init__(self, problems: Problems, notices: list[str]) -> None:
        self.problems = problems
        self.notices = notices

    def struct(self, config_type: type[ConfigT], node: Node, path: Path) -> ConfigT | None:
        """Decode a section; null means all defaults. Gives `None` where there were problems."""
        if node.value is None:
            node = Node({}, node.where)
        if not isinstance(node.value, dict):
            self.problems.add(path, f"must be a map, got {node.describe()}", node.where)
            return None
        fields = _fields(config_type)
        values: dict[str, Any] = {}
        sound = True
        for key, item in node.value.items():
            field = fields.get(key)
            if field is None:
                hint = guess(key, fields) or (f"; there are {', '.join(fields)}" if fields else "; it takes no options")
                self.problems.add((*path, key), f"unknown key{hint}", node.key_where(key))
                sound = False
                continue
            if item.value is None and not _takes_null(field.type):
                if item.shown is None or not field.required:
                    continue
                self.problems.add((*path, key), f"is required, but {item.shown} is not set", item.where)
                sound = False
                continue
            value = self.value(field.type, item, (*path, key))
            if value is INVALID:
                sound = False
            else:
                values[field.name] = value
                self._notice(field.type, item, (*path, key))
        for name, field in fields.items():
            if field.required and field.name not in values and name not in node.value:
                self.problems.add((*path, name), "is required", node.where)
                sound = False
        return self._build(config_type, values, node, path) if sound else None

    def _build(self, config_type: type[ConfigT], values: dict[str, Any], node: Node, path: Path) -> ConfigT | None:
        try:
            return config_type(**values)
        except FieldError as error:
            steps = tuple(error.path.split("::")) if error.path else ()
            self.problems.add((*path, *steps), error.message, _place(node, steps))
        except ValueError as error:
            self.problems.add(path, str(error), node.where)
        return None

    def value(self, wanted: Any, node: Node, path: Path) -> Any:
        """Decode one value. Gives `INVALID` where there was a problem."""
        origin, arguments = get_origin(wanted), get_args(wanted)
        if origin is Annotated:
            return self._annotated(arguments[0], arguments[1:], node, path)
        if wanted is Any or wanted is object:
            return node.plain()
        if origin in {Union, types.UnionType}:
            return self._union(arguments, node, path)
        if origin is Literal:
            return self._literal(arguments, node, path)
        if origin in {list, tuple}:
            return self._list(origin, arguments[0] if arguments else Any, node, path)
        if origin is dict:
            return self._dict(arguments[1], node, path)
        if isinstance(wanted, type) and issubclass(wanted, Config):
            decoded = self.struct(wanted, node, path)
            return INVALID if decoded is None else decoded
        if isinstance(wanted, type) and issubclass(wanted, Enum):
            return self._enum(wanted, node, path)
        if hook := getattr(wanted, "decode", None):
            return self._hook(hook, node, path)
        return self._scalar(wanted, node, path)

    def _annotated(self, inner: Any, marks: tuple[Any, ...], node: Node, path: Path) -> Any:
        if SECTION in marks:
            return self._section(inner, node, path)
        value = self.value(inner, node, path)
        if value is INVALID:
            return INVALID
        for mark in marks:
            if isinstance(mark, msgspec.Meta) and (message := _breach(mark, value)):
                self.problems.add(path, f"{message}, got {node.describe()}", node.where)
                return INVALID
        return value

    def _section(self, inner: Any, node: Node, path: Path) -> Any:
        """Decode an optional section: present means on, unless `enabled: false` stands in it."""
        section = next(argument for argument in get_args(inner) if argument is not type(None))
        if isinstance(node.value, dict) and "enabled" in node.value and "enabled" not in _fields(section):
            enabled = node.value["enabled"]
            if not isinstance(enabled.value, bool):
                self.problems.add((*path, "enabled"), f"must be true or false, got {enabled.describe()}", enabled.where)
                return INVALID
            if not enabled.value:
                return None
            rest = {key: item for key, item in node.value.items() if key != "enabled"}
            node = Node(rest, node.where, keys=node.keys)
        elif isinstance(node.value, dict) and "enabled" in node.value and node.value["enabled"].value is False:
            return None
        return self.value(section, node, path)

    def _union(self, arguments: tuple[Any, ...], node: Node, path: Path) -> Any:
        if node.value is None and type(None) in arguments:
            return None
        choices = [argument for argument in arguments if argument is not type(None)]
        if len(choices) == 1:
            return self.value(choices[0], node, path)
        trials = []
        for choice in choices:
            trial = Decoder(Problems(), [])
            value = trial.value(choice, node, path)
            if value is not INVALID:
                self.notices += trial.notices
                return value
            trials.append((choice, trial))
        # Say what is wrong with the alternative that has the shape of what stands there.
        best = next((choice for choice, _ in trials if _has_shape(choice, node)), choices[0])
        return self.value(best, node, path)

    def _literal(self, allowed: tuple[Any, ...], node: Node, path: Path) -> Any:
        value = node.text if all(isinstance(word, str) for word in allowed) and node.text is not None else node.value
        if value in allowed:
            return value
        words = ", ".join(str(word) for word in allowed if word != "")
        hint = guess(value, [word for word in allowed if isinstance(word, str)]) if isinstance(value, str) else ""
        self.problems.add(path, f"must be one of {words}, got {node.describe()}{hint}", node.where)
        return INVALID

    def _enum(self, wanted: type[Enum], node: Node, path: Path) -> Any:
        value = self._literal(tuple(member.value for member in wanted), node, path)
        return INVALID if value is INVALID else wanted(value)

    def _list(self, origin: Any, item_type: Any, node: Node, path: Path) -> Any:
        items = node.value
        if isinstance(items, str) and item_type is str:
            # The Go collector takes "a,b" for a list of strings.
            return origin(part.strip() for part in items.split(",")) if items else origin()
        if not isinstance(items, list):
            self.problems.add(path, f"must be a list, got {node.describe()}", node.where)
            return INVALID
        values = [self._item(item_type, item, (*path, f"[{index}]")) for index, item in enumerate(items)]
        return INVALID if any(value is INVALID for value in values) else origin(values)

    def _item(self, item_type: Any, item: Node, path: Path) -> Any:
        if item.value is None and item_type is not Any and not _takes_null(item_type):
            self.problems.add(path, "must not be empty", item.where)
            return INVALID
        return self.value(item_type, item, path)

    def _dict(self, value_type: Any, node: Node, path: Path) -> Any:
        if not isinstance(node.value, dict):
            self.problems.add(path, f"must be a map, got {node.describe()}", node.where)
            return INVALID
        values = {key: self.value(value_type, item, (*path, key)) for key, item in node.value.items()}
        return INVALID if any(value is INVALID for value in values.values()) else values

    def _hook(self, hook: Callable[[Any], Any], node: Node, path: Path) -> Any:
        try:
            return hook(node.plain())
        except ValueError as error:
            message = str(error)
            if node.shown is not None:
                # What a variable stands for may be a secret.
                message = f"{message.partition(', got')[0]}, got {node.describe()}"
            self.problems.add(path, message, node.where)
            return INVALID

    def _scalar(self, wanted: Any, node: Node, path: Path) -> Any:
        value = node.value
        if wanted is str and node.shown is not None and node.text is not None:
            return node.text
        if wanted is float and type(value) is int:
            return float(value)
        if type(value) is wanted:
            return value
        name = {str: "a string", bool: "true or false", int: "a whole number", float: "a number"}.get(
            wanted, str(wanted)
        )
        quoted = "; write it in quotes" if wanted is str and not isinstance(value, dict | list | None) else ""
        self.problems.add(path, f"must be {name}, got {node.describe()}{quoted}", node.where)
        return INVALID

    def _notice(self, wanted: Any, node: Node, path: Path) -> None:
        for mark in getattr(wanted, "__metadata__", ()):
            if isinstance(mark, Notice):
                self.notices.append(f"{node.where} {'::'.join(path)}: {mark}")


class _Field:
    """A field of a struct, by the name it has in YAML."""

    __slots__ = ("name", "required", "type")

    def __init__(self, name: str, wanted: Any, required: bool) -> None:
        self.name = name
        self.type = wanted
        self.required = required


@cache
def _fields(config_type: type[Config]) -> dict[str, _Field]:
    hints = get_type_hints(config_type, include_extras=True)
    return {
        field.encode_name: _Field(field.name, hints[field.name], field.required)
        for field in msgspec.structs.fields(config_type)
    }


def _takes_null(wanted: Any) -> bool:
    """Tell whether null means something else than the default for this type."""
    if get_origin(wanted) is Annotated:
        return SECTION in wanted.__metadata__
    return wanted is Any


def _has_shape(choice: Any, node: Node) -> bool:
    shapes: dict[type, Any] = {dict: (dict,), list: (list, tuple)}
    origin = get_origin(choice) or choice
    if isinstance(node.value, dict):
        return origin in shapes[dict] or (isinstance(origin, type) and issubclass(origin, Config))
    if isinstance(node.value, list):
        return origin in shapes[list]
    return origin is type(node.value)


def _breach(meta: msgspec.Meta, value: Any) -> str | None:
    """Say which bound a value breaks."""
    if isinstance(value, int | float):
        if meta.ge is not None and not value >= meta.ge:
            return f"must be at least {meta.ge}"
        if meta.gt is not None and not value > meta.gt:
            return f"must be greater than {meta.gt}"
        if meta.le is not None and not value <= meta.le:
            return f"must be at most {meta.le}"
        if meta.lt is not None and not value < meta.lt:
            return f"must be less than {meta.lt}"
    if meta.min_length is not None and len(value) < meta.min_length:
        return "must not be empty" if meta.min_length == 1 else f"must have at least {meta.min_length} entries"
    return None


def _place(node: Node, steps: Path) -> Where:
    """Find the line of an option below `node`, or of what encloses it."""
    where = node.where
    for step in steps:
        if isinstance(node.value, dict) and step in node.value:
            where, node = node.key_where(step), node.value[step]
        elif isinstance(node.value, list) and step.startswith("[") and step[1:-1].isdigit():
            if int(step[1:-1]) >= len(node.value):
                break
            node = node.value[int(step[1:-1])]
            where = node.where
        else:
            break
    return where
