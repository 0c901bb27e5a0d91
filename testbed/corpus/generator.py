"""Cases made at random: processors with settings that often meet the spans, and sometimes make no sense."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from testbed.corpus.cases import Case

_TEXTS = (
    "",
    "a",
    "hello",
    "GET /u/42",
    "4111111111111111",
    "jo@example.com",
    "x=1 y=2",
    '{"k": [1, "v"]}',
    "héllo",
    "5",
)
_KEYS = ("a", "b", "n", "f", "t", "l", "m", "e", "card", "token.x")
_VALUES: tuple[Any, ...] = (
    *_TEXTS,
    0,
    5,
    -7,
    2**53 + 1,
    {"d": "2.5"},
    {"d": "-0.0"},
    True,
    False,
    None,
    {"hex": "00ff"},
    [],
    [1, "a", None],
    {"kv": {}},
    {"kv": {"k": "v", "n": {"kv": {"x": 1}}}},
)
_PATTERNS = ("a", "^h", "[0-9]+", "l*", "(?P<x>[a-z]+)", "@", ".*", "4[0-9]{15}", "(a|b)")


_LONGEST = 4
"""Processors in a chain."""


def case(number: int, random: Random) -> Case:
    """Make one case: a processor, or as often a chain of them."""
    length = random.choice((1, random.randint(2, _LONGEST)))
    kinds = random.choices(list(_PROCESSORS), k=length)
    return Case("random", f"{number}", [{kind: _PROCESSORS[kind](random)} for kind in kinds], _span(random))


def _span(random: Random) -> Mapping[str, Any]:
    def attributes(most: int) -> dict[str, Any]:
        return {random.choice(_KEYS): random.choice(_VALUES) for _ in range(random.randint(0, most))}

    return {
        "name": random.choice(_TEXTS),
        "kind": random.randint(0, 5),
        "trace_state": random.choice(("", "a=1", "a=1,b=2")),
        "parent_span_id": random.choice(("", "1112131415161718")),
        "status": {"code": random.randint(0, 2), "message": random.choice(("", "broken"))},
        "resource": attributes(3) | random.choice(({}, {"service.name": random.choice(_TEXTS)})),
        "scope": {"name": random.choice(("", "lib")), "attributes": attributes(2)},
        "attributes": attributes(8),
        "events": [{"name": random.choice(_TEXTS), "attributes": attributes(3)} for _ in range(random.randint(0, 2))],
    }


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class _Ottl:
    """Texts in OTTL for a context."""

    def __init__(self, random: Random, context: str = "span") -> None:
        self.random = random
        self.context = context

    def path(self) -> str:
        """A path, mostly to an attribute."""
        random = self.random
        key = f"[{_quoted(random.choice(_KEYS))}]"
        deeper = random.choice(("", "", "", '["k"]', "[0]"))
        match self.context:
            case "resource":
                return random.choice((*[f"attributes{key}{deeper}"] * 4, "attributes", 'cache["c"]'))
            case "scope":
                return random.choice(
                    (*[f"attributes{key}{deeper}"] * 4, f"resource.attributes{key}", "name", "version")
                )
            case "spanevent":
                own = (*[f"attributes{key}{deeper}"] * 5, "name", "attributes", "event_index")
                return random.choice((*own, f"span.attributes{key}", "span.name", f"resource.attributes{key}"))
        choices = (
            *[f"attributes{key}{deeper}"] * 6,
            f"resource.attributes{key}",
            f"scope.attributes{key}",
            *("name", "kind", "kind.string", "trace_state", 'trace_state["a"]', "status.code", "status.message"),
            *("start_time_unix_nano", "trace_id.string", "parent_span_id.string", "flags", "dropped_attributes_count"),
            *("attributes", "resource.attributes", 'cache["c"]', "start_time", "scope.name"),
        )
        return random.choice(choices)

    def map(self) -> str:
        """A path that is a map, mostly."""
        if self.context == "resource":
            return self.random.choice(("attributes", "attributes", 'attributes["m"]'))
        maps = ("attributes", "attributes", "resource.attributes", 'attributes["m"]')
        return self.random.choice(maps if self.context == "scope" else (*maps, "scope.attributes"))

    def value(self, depth: int = 0) -> str:
        """Any value."""
        random = self.random
        if depth > 2 or random.random() < 0.45:
            literals = ("1", "-2", "2.5", "true", "nil", "0x00ff", "STATUS_CODE_ERROR", "[1, 2]", '{"k": 1}', '""')
            return random.choice((self.path(), self.path(), _quoted(random.choice(_TEXTS)), random.choice(literals)))
        inner = self.value(depth + 1)
        text = random.choice((self.path(), _quoted(random.choice(_TEXTS)), inner))
        pattern = _quoted(random.choice(_PATTERNS))
        calls = (
            f'Concat([{inner}, {text}], "-")',
            f"String({inner})",
            f"Int({inner})",
            f"Double({inner})",
            f"Len({inner})",
            f"SHA256({text})",
            f"ToUpperCase({text})",
            f'Split({text}, "/")',
            f'Split({text}, "/")[0]',
            f"IsMatch({inner}, {pattern})",
            f"Substring({text}, 0, 2, true)",
            f"Hex({inner})",
            f"IsString({inner})",
            f"IsInt({inner})",
            f"IsMap({inner})",
            f"IsList({inner})",
            f"IsEmpty({inner})",
            f"Coalesce([{inner}, {text}])",
            f"ParseJSON({text})",
            f"ParseKeyValue({text})",
            f'ExtractPatterns({text}, "(?P<x>[a-z]+)")',
            f"Trim({text})",
            f'TrimPrefix({text}, "h")',
            f'ConvertCase({text}, "snake")',
            f"Sort({inner})",
            f"FNV({text})",
            f"MD5({text})",
            f'HasPrefix({text}, "h")',
            f"ContainsValue({inner}, 1)",
            f'Index({inner}, "a")',
            f"Keys({self.map()})",
            f'Format("%d|%v", [Len({text}), IsMap({text})])',  # a map as such is shown with its address there
            f"{self.path()} + 1",
            f"2 * {self.path()}",
        )
        of_spans = ("IsRootSpan()", "Milliseconds(end_time - start_time)") if self.context == "span" else ()
        chosen: str = random.choice((*calls, *of_spans))
        return chosen

    def condition(self) -> str:
        """Any condition."""
        random = self.random
        roll = random.random()
        if roll < 0.15:
            return f"not ({self.condition()})"
        if roll < 0.35:
            return f"({self.condition()} {random.choice(('and', 'or'))} {self.condition()})"
        if roll < 0.5:
            return f"IsMatch({self.value(1)}, {_quoted(random.choice(_PATTERNS))})"
        return f"{self.value(1)} {random.choice(('==', '!=', '<', '<=', '>', '>='))} {self.value(1)}"

    def statement(self) -> str:
        """Any statement."""
        random = self.random
        key, pattern, text = (_quoted(random.choice(words)) for words in (_KEYS, _PATTERNS, _TEXTS))
        mode, strategy = random.choice(('"key"', '"value"')), random.choice(('"insert"', '"update"', '"upsert"'))
        target, value = self.path(), self.value()
        if target.startswith(f"{value}["):
            value = "1"  # what a map within itself means differs on purpose
        merged, other = self.map(), self.value(1)
        if merged.startswith(other) or other.startswith(merged):
            other = '{"k": "v"}'
        item = self.value(1)
        if item.startswith("Sort("):
            item = "1"  # the one list that append takes there
        editors = (
            *[f"set({target}, {value})"] * 8,
            f"delete_key({self.map()}, {key})",
            f"delete_matching_keys({self.map()}, {pattern})",
            f'keep_keys({self.map()}, [{key}, "a"])',
            f"keep_matching_keys({self.map()}, {pattern})",
            f"replace_pattern({self.path()}, {pattern}, {text})",
            f"replace_all_patterns({self.map()}, {mode}, {pattern}, {text})",
            f'replace_match({self.path()}, "h*", {text})',
            f'replace_all_matches({self.map()}, "*l*", {text})',
            f"truncate_all({self.map()}, {random.randint(0, 6)})",
            f"limit({self.map()}, {random.randint(0, 5)}, [])",
            f"merge_maps({merged}, {other}, {strategy})",
            f"flatten({self.map()}, resolve_conflicts={random.choice(('true', 'false'))})",
            f"append({self.path()}, {item})",
            f"stringify_all({self.map()})",
        )
        where = f" where {self.condition()}" if random.random() < 0.3 else ""
        return random.choice(editors) + where


def _context(random: Random) -> str:
    return random.choice(("span", "span", "span", "spanevent", "scope", "resource"))


def _transform(random: Random) -> Mapping[str, Any]:
    groups: list[Mapping[str, Any]] = []
    for _ in range(random.choice((1, 1, 2))):
        ottl = _Ottl(random, _context(random))
        statements = [ottl.statement() for _ in range(random.randint(1, 4))]
        conditions = [ottl.condition()] if random.random() < 0.2 else []
        groups.append({"context": ottl.context, "conditions": conditions, "statements": statements})
    return {"error_mode": random.choice(("ignore", "ignore", "propagate")), "trace_statements": groups}


def _filter(random: Random) -> Mapping[str, Any]:
    roll = random.random()
    if roll < 0.2:
        return {"error_mode": "ignore", "spans": _selection(random)}
    ottl = _Ottl(random, "span" if roll < 0.6 else _context(random))
    conditions = [ottl.condition() for _ in range(random.randint(1, 3))]
    if roll < 0.5 and ottl.context != "scope":
        return {"error_mode": "ignore", "traces": {ottl.context: conditions}}
    return {"error_mode": "ignore", "trace_conditions": [{"context": ottl.context, "conditions": conditions}]}


def _selection(random: Random) -> dict[str, Any]:
    """Settings of `include` and `exclude`."""

    def one() -> dict[str, Any]:
        kind = random.choice(("strict", "regexp"))
        texts = _PATTERNS if kind == "regexp" else _TEXTS
        attribute: Mapping[str, Any] = {"key": random.choice(_KEYS)}
        if random.random() < 0.6:
            attribute = {**attribute, "value": random.choice(texts if kind == "regexp" else (*_TEXTS, 5, True, 2.5))}
        fields: tuple[dict[str, Any], ...] = (
            {"span_names": random.sample(texts, 2)},
            {"attributes": [attribute]},
            {"resources": [attribute]},
            {"span_kinds": ["SPAN_KIND_SERVER", "SPAN_KIND_CLIENT"]},
            {"libraries": [{"name": "lib" if kind == "strict" else "l.b"}]},
            {"services": random.sample(texts, 2)},
        )
        return {"match_type": kind, **random.choice(fields), **random.choice(fields)}

    sides = random.choice((("include",), ("exclude",), ("include", "exclude")))
    return {side: one() for side in sides}


def _attributes(random: Random) -> Mapping[str, Any]:
    key, other = random.choice(_KEYS), random.choice(_KEYS)
    actions: tuple[Mapping[str, Any], ...] = (
        {"key": key, "action": "insert", "value": random.choice(("x", 5, 2.5, True))},
        {"key": key, "action": "update", "from_attribute": other},
        {"key": key, "action": "upsert", "value": "y"},
        {"key": key, "action": "delete"},
        {"pattern": random.choice(_PATTERNS), "action": "delete"},
        {"key": key, "action": "hash"},
        {"key": key, "action": "convert", "converted_type": random.choice(("int", "double", "string"))},
        {"key": key, "action": "extract", "pattern": "(?P<x>[a-z]+)"},
    )
    chosen = [random.choice(actions) for _ in range(random.randint(1, 3))]
    return {"actions": chosen, **(_selection(random) if random.random() < 0.3 else {})}


def _resource(random: Random) -> Mapping[str, Any]:
    return {"attributes": _attributes(random)["actions"]}


def _redaction(random: Random) -> Mapping[str, Any]:
    def some(words: tuple[str, ...]) -> list[str]:
        return random.sample(words, random.randint(0, 3))

    return {
        "allow_all_keys": random.random() < 0.6,
        "allowed_keys": some(_KEYS),
        "ignored_keys": some(_KEYS[:4]),
        "blocked_key_patterns": some(("^a$", "token", "^c")),
        "blocked_values": some(_PATTERNS),
        "allowed_values": random.choice(([], [], ["^hello$"])),
        "redact_all_types": random.random() < 0.4,
        "hash_function": random.choice(("", "", "md5", "sha1", "sha3")),
        "summary": random.choice(("debug", "info", "silent")),
    }


def _named(random: Random) -> Mapping[str, Any]:
    rules = random.sample(("^(?P<verb>[A-Z]+) ", "/(?P<id>[0-9]+)", "(?P<all>.*)"), random.randint(1, 2))
    return {
        "name": {
            "from_attributes": random.sample(_KEYS, random.randint(0, 2)),
            "separator": random.choice(("", "::")),
            "to_attributes": {"rules": rules, "break_after_match": random.random() < 0.3},
        },
        "status": random.choice(({"code": "Ok"}, {"code": "Error", "description": "x"})),
        **(_selection(random) if random.random() < 0.3 else {}),
    }


_PROCESSORS: Mapping[str, Callable[[Random], Mapping[str, Any]]] = {
    "transform": _transform,
    "filter": _filter,
    "attributes": _attributes,
    "resource": _resource,
    "redaction": _redaction,
    "span": _named,
}
