"""Where a configuration comes from, and how several become one.

`--config` takes a path, `file:path`, `env:NAME` (a whole configuration in a variable) or `yaml:text`, several times;
`--set a.b.c=value` comes last. Maps merge deeply; scalars, lists and null replace what was there. `a::b: 1` means
`a: {b: 1}`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from collector.config.document import Node, parse
from collector.config.problems import Where
from collector.errors import ConfigError

_URI = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]+):(.*)", re.DOTALL)


def read(sources: Sequence[str], overrides: Sequence[str], notices: list[str]) -> Node:
    """Read and merge all sources. Raises `ConfigError`."""
    if not sources:
        msg = "no configuration given: use --config FILE"
        raise ConfigError(msg)
    merged = Node({}, Where(sources[0]))
    for source in sources:
        root = _nested(_fetch(source))
        if root.value is None:
            continue
        if not isinstance(root.value, dict):
            msg = f"{root.where} a configuration is a map of sections, this is {root.describe()}"
            raise ConfigError(msg)
        _note_erased(merged, root, notices)
        merged = merge(merged, root)
    for override in overrides:
        merged = merge(merged, _override(override))
    if not merged.value:
        msg = f"{sources[0]} the configuration is empty"
        raise ConfigError(msg)
    return merged


def merge(old: Node, new: Node) -> Node:
    """Lay `new` over `old`."""
    if not isinstance(old.value, dict) or not isinstance(new.value, dict):
        return new
    value = dict(old.value)
    for key, node in new.value.items():
        value[key] = merge(value[key], node) if key in value else node
    return replace(old, value=value, keys={**(old.keys or {}), **(new.keys or {})})


def _fetch(source: str) -> Node:
    uri = _URI.fullmatch(source)
    scheme, opaque = (uri[1], uri[2]) if uri else ("file", source)
    if scheme == "yaml":
        return parse(opaque, "yaml:")
    if scheme == "env":
        if opaque not in os.environ:
            msg = f"the environment variable {opaque} of --config {source} is not set"
            raise ConfigError(msg)
        return parse(os.environ[opaque], source)
    if scheme in {"http", "https"}:
        msg = f"--config {source}: configurations are not fetched from the network; give a file"
        raise ConfigError(msg)
    if scheme != "file":
        msg = f"--config {source}: no source {scheme!r}; there are file, env and yaml"
        raise ConfigError(msg)
    try:
        return parse(Path(opaque).read_text(encoding="utf-8"), opaque)
    except OSError as error:
        msg = f"cannot read {opaque}: {error.strerror or error}"
        raise ConfigError(msg) from error
    except UnicodeDecodeError as error:
        msg = f"{opaque} is not UTF-8: {error}"
        raise ConfigError(msg) from error


def _override(text: str) -> Node:
    path, equals, value = text.partition("=")
    if not equals or not path:
        msg = f"--set {text}: must be KEY=VALUE, such as processors.batch.timeout=2s"
        raise ConfigError(msg)
    source = f"--set {path}"
    node = parse(value, source)
    for key in reversed(re.split(r"\.|::", path)):
        node = Node({key: node}, Where(source))
    return node


def _nested(node: Node) -> Node:
    """Unfold keys such as `processors::batch`."""
    if isinstance(node.value, list):
        return replace(node, value=[_nested(item) for item in node.value])
    if not isinstance(node.value, dict):
        return node
    unfolded = replace(node, value={})
    for key, item in node.value.items():
        inner = _nested(item)
        first, *rest = key.split("::")
        for step in reversed(rest):
            inner = Node({step: inner}, item.where, keys={step: node.key_where(key)})
        unfolded = merge(unfolded, replace(node, value={first: inner}, keys={first: node.key_where(key)}))
    return unfolded


def _note_erased(merged: Node, new: Node, notices: list[str]) -> None:
    """Say that an empty section erases the one of an earlier file: hardly anybody means it."""
    if isinstance(merged.value, dict) and isinstance(new.value, dict):
        notices.extend(
            f"{new.key_where(key)} {key}: is empty and erases what earlier files say there;"
            f" write '{key}: {{}}' to add nothing"
            for key, node in new.value.items()
            if node.value is None and key in merged.value and merged.value[key].value is not None
        )
