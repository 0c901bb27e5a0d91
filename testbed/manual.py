"""`make docs`: write `docs/components.md`, and a page for each processor, from docstrings of components and settings.

A docstring below a field is not kept at run time, so sources are read. The schema of the testbed's results is written
beside them.
"""

from __future__ import annotations

import ast
import enum
import inspect
import itertools
import json
import re
import sys
import textwrap
import types
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from collector import distribution
from collector.component import Kind
from collector.config.types import SECTION, Config, Duration, Notice
from testbed import results

DOCS = Path(__file__).parents[1] / "docs"
PATH = DOCS / "components.md"
PROCESSORS = DOCS / "processors"
SCHEMA = DOCS / "result.schema.json"

HEAD = """# Components

All components of this distribution and all their options, written by `make docs` from the sources. Options that are
accepted for the sake of the Go collector's configurations and have no effect say so.
"""


def manual() -> dict[Path, str]:
    """Write the whole manual: each file with its text."""
    files: dict[Path, str] = {}
    parts = [HEAD]
    for kind in Kind:
        aliases: dict[str, list[str]] = {}
        for name, reference in sorted(distribution.references(kind).items()):
            aliases.setdefault(reference, []).append(name)
        if aliases:
            parts.append(f"## {kind.section.capitalize()}\n")
        if kind is not Kind.PROCESSOR:
            parts += [_component(reference, names, "###") for reference, names in aliases.items()]
            continue
        for reference, names in aliases.items():
            page = PROCESSORS / f"{names[0]}.md"
            files[page] = _component(reference, names, "#")
            parts.append(f"- [`{names[0]}`](processors/{page.name}): {_summary(reference)}")
        parts.append("")
    return {PATH: "\n".join(parts), **files}


def _summary(reference: str) -> str:
    summary = (import_module(reference.partition(":")[0]).__doc__ or "").partition("\n")[0]
    return re.sub(r"^`[^`]+`(, also called `[^`]+`)?: ?", "", summary)


def result_schema() -> str:
    """Write the JSON Schema of the testbed's `result.json`."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Result of a run of the testbed"}
    return json.dumps({**dialect, **results.schema()}, indent=2, ensure_ascii=False) + "\n"


def _component(reference: str, names: list[str], level: str) -> str:
    module_name, _, class_name = reference.partition(":")
    module = import_module(module_name)
    text = module.__doc__ or ""
    summary, rest = _summary(reference), text.partition("\n")[2]
    title = ", ".join(f"`{name}`" for name in sorted(names, key=len, reverse=True))
    lines = [f"{level} {title}\n", summary[:1].upper() + summary[1:], _fenced("\n" + rest).rstrip(), ""]
    rows = list(_rows(getattr(module, class_name).config_type, ""))
    if rows:
        lines += ["| Option | Type | Default | |", "|---|---|---|---|", *rows, ""]
    return "\n".join(lines)


def _fenced(text: str) -> str:
    """Turn indented examples into fenced YAML."""

    def fence(match: re.Match[str]) -> str:
        return "\n\n```yaml\n" + textwrap.dedent(match[0].strip("\n")).rstrip() + "\n```\n"

    return re.sub(r"\n\n(?:    [^\n]*\n?|\n(?=    ))+", fence, text)


def _rows(config_type: type[Config], prefix: str, around: Mapping[type, str] | None = None) -> Iterator[str]:
    """Write a line for each option, those of nested sections behind their section.

    `around` are the structs that enclose this one, with their places: what comes from one of them is described there.
    """
    around = around or {}
    texts = _docstrings(config_type)
    hints = get_type_hints(config_type, include_extras=True)
    owners = {name: owner for owner in reversed(_owners(config_type)) for name in owner.__annotations__}
    for place in dict.fromkeys(around[owner] for owner in owners.values() if owner in around):
        yield f"| `{prefix}…` | | | Also the options of `{place.removesuffix('.')}`, but for those that hold others. |"
    for field in msgspec.structs.fields(config_type):
        if owners.get(field.name) in around:
            continue
        hint = hints[field.name]
        text = " ".join(texts.get(field.name, "").split()) + _notice(hint)
        path = prefix + field.encode_name
        inner, between = _struct(hint)
        cells = (f"`{path}`", _type(hint), _default(field, inner), text)
        yield "".join(f"| {cell.replace('|', chr(92) + '|')} " for cell in cells) + "|"
        if inner:
            places = dict.fromkeys(_owners(config_type), prefix)
            yield from _rows(inner, f"{path}{between}", {**places, **around})


def _owners(config_type: type[Config]) -> list[type[Config]]:
    """Give a struct and those that it derives from."""
    return [owner for owner in config_type.__mro__ if issubclass(owner, Config) and owner is not Config]


@cache
def _docstrings(config_type: type[Config]) -> dict[str, str]:
    """Read the docstrings of the fields of a struct and of those that it derives from."""
    found: dict[str, str] = {}
    for owner in reversed(_owners(config_type)):
        [definition] = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
        body = definition.body if isinstance(definition, ast.ClassDef) else []
        for field, text in itertools.pairwise(body):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
                value = text.value
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    found[field.target.id] = value.value
    return found


def _parts(hint: Any) -> Iterator[Any]:
    """Give the members of a union, and what `Annotated` is about."""
    if get_origin(hint) is Annotated:
        yield from _parts(get_args(hint)[0])
    elif get_origin(hint) in {Union, types.UnionType}:
        for part in get_args(hint):
            yield from _parts(part)
    else:
        yield hint


def _struct(hint: Any) -> tuple[type[Config] | None, str]:
    """Find the struct that an option holds, one, a list or a map of them, and what stands before its own options."""
    for part in _parts(hint):
        if isinstance(part, type) and issubclass(part, Config):
            return part, "."
        for origin, between in ((list, "[]."), (tuple, "[]."), (dict, ".*.")):
            for item in get_args(part) if get_origin(part) is origin else ():
                inner, _ = _struct(item)
                if inner:
                    return inner, between
    return None, ""


def _type(hint: Any) -> str:
    if SECTION in getattr(hint, "__metadata__", ()):
        return "section"
    return " or ".join(dict.fromkeys(_name(part) for part in _parts(hint) if part is not type(None)))


def _name(part: Any) -> str:
    origin = get_origin(part)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in get_args(part) if value != "")
    if origin in {list, tuple}:
        return f"list of {_type(get_args(part)[0])}"
    if origin is dict:
        return "map"
    if isinstance(part, type) and issubclass(part, enum.Enum):
        return ", ".join(f"`{member.value}`" for member in part)
    if isinstance(part, type) and issubclass(part, Config):
        return "map"
    if isinstance(part, type) and hasattr(part, "words"):
        return ", ".join(f"`{word}`" for word in part.words)
    names = {str: "text", int: "number", float: "number", bool: "true or false", Duration: "duration", Any: "any"}
    return names.get(part, getattr(part, "__name__", str(part)).lower())


def _default(field: msgspec.structs.FieldInfo, inner: type[Config] | None) -> str:
    if field.required:
        return "required"
    factory = field.default_factory
    value = field.default if factory is msgspec.NODEFAULT else factory()
    if value is None or value is msgspec.UNSET:
        return "off" if inner else "none"
    if isinstance(value, Config) or (inner and value):
        return "on"
    if isinstance(value, enum.Enum):
        return f"`{value.value}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, (str, list, tuple, dict, frozenset)) and not value:
        return "none"
    if isinstance(value, tuple):
        return ", ".join(f"`{item}`" if item != "" else '`""`' for item in value)
    return f"`{value}`"


def _notice(hint: Any) -> str:
    notices = [item for item in getattr(hint, "__metadata__", ()) if isinstance(item, Notice)]
    return "".join(f" *{str(notice)[:1].upper()}{str(notice)[1:]}.*" for notice in notices)


def main() -> None:
    """Write all, and remove the pages of what is no longer there."""
    files = {**manual(), SCHEMA: result_schema()}
    PROCESSORS.mkdir(exist_ok=True)
    for page in set(PROCESSORS.glob("*.md")) - set(files):
        page.unlink()
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
