"""From YAML values to the typed settings of a component, noting every problem on the way.

`msgspec.convert` stops at the first error, so structs, lists and maps are walked here, field by field; msgspec
supplies the structs and their constraints. The rules are the Go collector's: no guessing between types, null means
the default.
"""

from __future__ import annotations

import contextlib
import types
from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from collector.config.bounds import breach
from collector.config.document import Node
from collector.config.problems import Problems, guess, redact, render, split
from collector.config.shapes import fields_of, has_shape, name_of, takes_null
from collector.config.types import ANY_CASE, SECTION, Config, FieldError, Notice

Path = tuple[str, ...]
ConfigT = TypeVar("ConfigT", bound=Config)

INVALID: Any = object()
"""Stands for a value whose problem was noted."""


class Decoder:
    """Turns values into what a type says. Problems and notices gather in the lists it is given."""

    def __init__(self, problems: Problems, notices: list[str]) -> None:
        self.problems = problems
        self.notices = notices

    def struct(self, config_type: type[ConfigT], node: Node, path: Path, base: Any = None) -> ConfigT | None:
        """Decode a section; null means all defaults. Gives `None` where there were problems.

        `base` may be an instance whose values stand for what is not given, in place of the defaults of the type.
        """
        if node.value is None:
            node = replace(node, value={})
        if not isinstance(node.value, dict):
            self.problems.add(path, f"must be a map, got {node.describe()}", node.where)
            return None
        fields = fields_of(config_type)
        values: dict[str, Any] = {}
        sound = True
        for key, item in node.value.items():
            field = fields.get(key)
            if field is None:
                hint = guess(key, fields) or (f"; there are {', '.join(fields)}" if fields else "; it takes no options")
                self.problems.add((*path, key), f"unknown key{hint}", node.key_where(key))
                sound = False
                continue
            if item.value is None and not takes_null(field.type, item):
                if field.required:
                    self.problems.add((*path, key), _reason("is required", item), item.where)
                    sound = False
                continue
            value = self.value(field.type, item, (*path, key), field.default)
            if value is INVALID:
                sound = False
            else:
                values[field.name] = value
                self._notice(field.type, item, (*path, key))
        for name, field in fields.items():
            if field.required and name not in node.value:
                self.problems.add((*path, name), "is required", node.where)
                sound = False
        return self._build(config_type, values, node, path, base) if sound else None

    def _build(
        self, config_type: type[ConfigT], values: dict[str, Any], node: Node, path: Path, base: Any
    ) -> ConfigT | None:
        steps: Path = ()
        try:
            if type(base) is config_type:
                values = {**{name: getattr(base, name) for name in config_type.__struct_fields__}, **values}
            return config_type(**values)
        except FieldError as error:
            steps, message = split(error.path), error.message
        except ValueError as error:
            message = str(error)
        place = node.find(steps)
        self.problems.add((*path, *steps), _reason(redact(message, place), place), place.where)
        return None

    def value(self, wanted: Any, node: Node, path: Path, default: Any = None) -> Any:
        """Decode one value. Gives `INVALID` where there was a problem. A struct is laid over the default."""
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
            return self._list(origin, arguments[0], node, path)
        if origin is dict:
            return self._dict(arguments[1], node, path)
        if isinstance(wanted, type) and issubclass(wanted, Config):
            decoded = self.struct(wanted, node, path, default)
            return INVALID if decoded is None else decoded
        if isinstance(wanted, type) and issubclass(wanted, Enum):
            value = self._literal(tuple(member.value for member in wanted), node, path)
            return INVALID if value is INVALID else wanted(value)
        if hook := getattr(wanted, "decode", None):
            return self._hook(hook, node, path)
        return self._scalar(wanted, node, path)

    def _annotated(self, inner: Any, marks: tuple[Any, ...], node: Node, path: Path) -> Any:
        if SECTION in marks:
            return self._section(inner, node, path)
        if ANY_CASE in marks and isinstance(node.value, str):
            # A message still shows what stands there.
            word = node.value.lower()
            node = replace(node, value=word, text=word, shown=node.shown or repr(node.value))
        value = self.value(inner, node, path)
        for mark in marks:
            if value is not INVALID and isinstance(mark, msgspec.Meta) and (message := breach(mark, value)):
                self.problems.add(path, f"{message}, got {node.describe()}", node.where)
                return INVALID
        return value

    def _section(self, inner: Any, node: Node, path: Path) -> Any:
        """Decode an optional section: present means on, unless `enabled: false` stands in it."""
        section = next(argument for argument in get_args(inner) if argument is not type(None))
        if isinstance(node.value, dict) and "enabled" in node.value and "enabled" not in fields_of(section):
            enabled = node.value["enabled"]
            if not isinstance(enabled.value, bool):
                self.problems.add((*path, "enabled"), f"must be true or false, got {enabled.describe()}", enabled.where)
                return INVALID
            if not enabled.value:
                return None
            rest = {key: item for key, item in node.value.items() if key != "enabled"}
            node = replace(node, value=rest)
        elif isinstance(node.value, dict) and "enabled" in node.value and node.value["enabled"].value is False:
            return None
        return self.value(section, node, path)

    def _union(self, arguments: tuple[Any, ...], node: Node, path: Path) -> Any:
        if node.value is None and type(None) in arguments:
            return None
        choices = [argument for argument in arguments if argument is not type(None)]
        if len(choices) == 1:
            return self.value(choices[0], node, path)
        # What has the shape of the value goes first: its problems are the ones to tell.
        choices.sort(key=lambda choice: not has_shape(choice, node))
        for choice in choices:
            trial = Decoder(Problems(), [])
            value = trial.value(choice, node, path)
            if value is not INVALID:
                self.notices += trial.notices
                return value
        if has_shape(choices[0], node):
            return self.value(choices[0], node, path)
        names = " or ".join(dict.fromkeys(name_of(choice) for choice in choices))
        self.problems.add(path, f"must be {names}, got {node.describe()}", node.where)
        return INVALID

    def _literal(self, allowed: tuple[Any, ...], node: Node, path: Path) -> Any:
        value = node.text if all(isinstance(word, str) for word in allowed) and node.text is not None else node.value
        if value in allowed:
            return value
        words = ", ".join(str(word) for word in allowed if word != "")
        hint = guess(value, [word for word in allowed if isinstance(word, str)]) if isinstance(value, str) else ""
        self.problems.add(path, f"must be one of {words}, got {node.describe()}{hint}", node.where)
        return INVALID

    def _list(self, origin: Any, item_type: Any, node: Node, path: Path) -> Any:
        items = node.value
        if item_type is str and node.shown is not None and not isinstance(items, dict | list | None):
            items = node.text
        if isinstance(items, str) and item_type is str:
            # The Go collector takes "a,b" for a list of strings.
            return origin(part.strip() for part in items.split(",")) if items else origin()
        if not isinstance(items, list):
            self.problems.add(path, f"must be a list, got {node.describe()}", node.where)
            return INVALID
        values = [self._item(item_type, item, (*path, f"[{index}]")) for index, item in enumerate(items)]
        return INVALID if any(value is INVALID for value in values) else origin(values)

    def _item(self, item_type: Any, item: Node, path: Path) -> Any:
        if item.value is None and not takes_null(item_type, item):
            self.problems.add(path, _reason("must not be empty", item), item.where)
            return INVALID
        return self.value(item_type, item, path)

    def _dict(self, value_type: Any, node: Node, path: Path) -> Any:
        if isinstance(node.value, list):
            return self._pairs(value_type, node.value, path)
        if not isinstance(node.value, dict):
            self.problems.add(path, f"must be a map, got {node.describe()}", node.where)
            return INVALID
        values = {key: self.value(value_type, item, (*path, key)) for key, item in node.value.items()}
        return INVALID if any(value is INVALID for value in values.values()) else values

    def _pairs(self, value_type: Any, items: list[Node], path: Path) -> Any:
        """Read a map that is written as a list of `name` and `value`, as headers may be."""
        values: dict[str, Any] = {}
        sound = True
        for index, item in enumerate(items):
            at = (*path, f"[{index}]")
            if not isinstance(item.value, dict) or set(item.value) != {"name", "value"}:
                self.problems.add(at, "must be a map of name and value", item.where)
                sound = False
                continue
            name = self.value(str, item.value["name"], (*at, "name"))
            value = self.value(value_type, item.value["value"], (*at, "value"))
            if name in values:
                self.problems.add((*at, "name"), f"{name!r} is already in the list", item.where)
            sound = sound and name is not INVALID and value is not INVALID and name not in values
            values[name] = value
        return values if sound else INVALID

    def _hook(self, hook: Callable[[Any], Any], node: Node, path: Path) -> Any:
        value = node.value
        # `5` of a variable is a number to YAML, and may be text to the hook: it says which it wants.
        try:
            return hook(node.plain())
        except ValueError as error:
            message = str(error)
        if node.shown is not None and node.text is not None and not isinstance(value, str):
            with contextlib.suppress(ValueError):
                return hook(node.text)
        self.problems.add(path, _reason(redact(message, node), node), node.where)
        return INVALID

    def _scalar(self, wanted: Any, node: Node, path: Path) -> Any:
        value = node.value
        if wanted is str and node.shown is not None and node.text is not None:
            return node.text
        if wanted is float and type(value) is int:
            return float(value)
        if type(value) is wanted:
            return value
        quoted = "; write it in quotes" if wanted is str and not isinstance(value, dict | list | None) else ""
        self.problems.add(path, f"must be {name_of(wanted)}, got {node.describe()}{quoted}", node.where)
        return INVALID

    def _notice(self, wanted: Any, node: Node, path: Path) -> None:
        for mark in getattr(wanted, "__metadata__", ()):
            if isinstance(mark, Notice):
                self.notices.append(f"{node.where} {render(path)}: {mark}")


def _reason(message: str, node: Node) -> str:
    """Add that a variable is to blame, if it is."""
    if not node.lack or (node.shown or "") in message:
        return message
    return f"{message}; {node.shown} is {node.lack}"
