"""Where a configuration comes from, and how several become one.

`--config` takes a path, `file:path`, `env:NAME` (a whole configuration in a variable) or `yaml:text`, several times;
`--set a.b.c=value` comes last. Maps merge deeply; scalars, lists and null replace what was there. `a::b: 1` means
`a: {b: 1}`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from collector.config.document import Node, parse
from collector.config.problems import Where
from collector.errors import ConfigError

_URI = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]+):(.*)", re.DOTALL)


def read(
    sources: Sequence[str], overrides: Sequence[str], notices: list[str], environ: Mapping[str, str] | None = None
) -> Node:
    """Read and merge all sources. Raises `ConfigError` with what is wrong with any of them."""
    if not sources:
        raise ConfigError("no configuration given: use --config FILE")
    environ = os.environ if environ is None else environ
    roots: list[Node] = []
    faults: list[str] = []
    for fetch, items in ((partial(_fetch, environ=environ), sources), (_override, overrides)):
        for item in items:
            try:
                roots.append(fetch(item))
            except ConfigError as error:
                faults.append(str(error))
    if faults:
        raise ConfigError("\n".join(faults))
    merged = Node({}, Where(sources[0]))
    for root in roots:
        _note_erased(merged, root, notices)
        merged = merge(merged, root)
    if not merged.value:
        raise ConfigError(f"{sources[0]} the configuration is empty")
    return merged


def merge(old: Node, new: Node) -> Node:
    """Lay `new` over `old`."""
    if not isinstance(old.value, dict) or not isinstance(new.value, dict):
        return new
    value = dict(old.value)
    for key, node in new.value.items():
        value[key] = merge(value[key], node) if key in value else node
    return replace(new, value=value)


def _fetch(source: str, environ: Mapping[str, str]) -> Node:
    uri = _URI.fullmatch(source)
    scheme, opaque = (uri[1], uri[2]) if uri else ("file", source)
    if scheme == "yaml":
        # Behind the first colon there may be a secret.
        lines = "\n" in opaque
        root = parse(opaque, "yaml" if lines else f"yaml:{opaque.split(': ')[0].rstrip(':')}", lines=lines)
    elif scheme == "env":
        if opaque not in environ:
            raise ConfigError(f"--config {source}: the environment variable {opaque} is not set")
        root = parse(environ[opaque], source)
    elif scheme == "file":
        root = parse(read_file(opaque), opaque)
    elif scheme in {"http", "https"}:
        raise ConfigError(f"--config {source}: configurations are not fetched from the network; give a file")
    else:
        raise ConfigError(f"--config {source}: unknown scheme {scheme!r}; there are file, env and yaml")
    if root.value is None:
        return replace(root, value={})
    if not isinstance(root.value, dict):
        raise ConfigError(f"{root.where} must be a map of sections, got {root.describe()}")
    return _nested(root)


def read_file(path: str) -> str:
    """Read a text file. Raises `ConfigError`."""
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error
    except (UnicodeDecodeError, ValueError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from error


def _override(text: str) -> Node:
    path, equals, value = text.partition("=")
    if not equals or not path:
        raise ConfigError(f"--set {path}: must be KEY=VALUE, such as processors.batch.timeout=2s")
    source = f"--set {path}"
    node = parse(value, source, lines=False)
    for key in reversed(re.split(r"\.|::", path)):
        node = Node({key: node}, Where(source))
    return node


def _nested(root: Node) -> Node:
    """Unfold keys of sections such as `processors::batch`."""
    unfolded = replace(root, value={})
    for key, node in root.value.items() if isinstance(root.value, dict) else ():
        for step in reversed(key.split("::")):
            node = Node({step: node}, node.where)  # noqa: PLW2901  it grows from the inside out
        unfolded = merge(unfolded, node)
    return replace(unfolded, where=root.where)


def _note_erased(merged: Node, new: Node, notices: list[str]) -> None:
    """Say that an empty section erases the one of an earlier file: hardly anybody means it."""
    if isinstance(merged.value, dict) and isinstance(new.value, dict):
        notices.extend(
            f"{new.key_where(key)} {key}: is empty and erases what earlier files say there;"
            f" write '{key}: {{}}' to add nothing"
            for key, node in new.value.items()
            if node.value is None and key in merged.value and merged.value[key].value is not None
        )
