"""OTTL statement by statement: what one more of them adds to a program that changes spans anyway."""

from __future__ import annotations

from collections.abc import Mapping

from collector._kernel import Program
from collector.testing import settings
from processors.transform import StatementGroup, TransformConfig, TransformProcessor

COPIES = 8
"""How often a statement stands in the program that is compared with the one without it."""

STATEMENTS: Mapping[str, str] = {
    "set a literal": 'set(attributes["a"], "x")',
    "set a copy": 'set(attributes["a"], attributes["app.tenant"])',
    "set from the resource": 'set(attributes["a"], resource.attributes["service.name"])',
    "set the name": 'set(name, "GET /v1/orders/{id}")',
    "set the status": "set(status.code, STATUS_CODE_ERROR)",
    "comparison, false": 'set(name, "x") where attributes["http.route"] == "/nowhere"',
    "number comparison, false": 'set(name, "x") where attributes["http.response.status_code"] >= 500',
    "kind and name, false": 'set(name, "x") where kind == SPAN_KIND_CLIENT and name == "ping"',
    "duration, false": 'set(name, "x") where end_time - start_time > Duration("1h")',
    "IsMatch, false": 'set(name, "x") where IsMatch(name, "^(GET|HEAD) /(healthz|readyz)$")',
    "delete_key, absent": 'delete_key(attributes, "absent")',
    "delete_matching_keys, none": 'delete_matching_keys(attributes, "^internal[.]")',
    "keep_keys, all": (
        'keep_keys(attributes, ["http.request.method", "http.route", "url.path", "http.response.status_code", "base", '
        '"server.address", "network.peer.address", "user.email", "http.request.header.authorization", "app.tenant", '
        '"user_agent.original"])'
    ),
    "replace_pattern": 'replace_pattern(attributes["url.path"], "[0-9]", "0")',
    "replace_pattern, no match": 'replace_pattern(attributes["url.path"], "/users/[0-9]+", "/{id}")',
    "replace_all_patterns, no match": 'replace_all_patterns(attributes, "value", "sk-[a-z0-9]+", "***")',
    "replace_match": 'replace_match(attributes["http.route"], "/v1/*", "/v1/{any}")',
    "truncate_all, short": "truncate_all(attributes, 4096)",
    "limit, few": "limit(attributes, 64, [])",
    "merge_maps": 'merge_maps(attributes, {"a": 1, "b": "x"}, "upsert")',
    "Concat": 'set(attributes["a"], Concat([attributes["http.request.method"], name], " "))',
    "SHA256": 'set(attributes["a"], SHA256(attributes["user.email"]))',
    "Split and index": 'set(attributes["a"], Split(attributes["network.peer.address"], ".")[0])',
}
"""What people write most, on the spans of `testbed.bench.payload`."""

TEN = [
    'delete_key(attributes, "http.request.header.authorization")',
    'set(attributes["user.email"], SHA256(attributes["user.email"])) where IsString(attributes["user.email"])',
    'set(attributes["env"], "production") where attributes["env"] == nil',
    'set(attributes["app.tenant"], "masked") where attributes["app.tenant"] != nil',
    'set(attributes["service"], resource.attributes["service.name"])',
    'set(attributes["duration.ms"], Milliseconds(end_time - start_time))',
    'set(status.code, STATUS_CODE_ERROR) where attributes["http.response.status_code"] >= 500',
    'replace_pattern(attributes["url.path"], "/[0-9]+", "/{id}")',
    'delete_matching_keys(attributes, "^internal[.]")',
    "truncate_all(attributes, 4096)",
]
"""The statements of the pipeline `transform` of the testbed."""

_BASE = 'set(attributes["base"], "x")'


def transform(*statements: str) -> Program:
    """Compile statements for spans."""
    config = TransformConfig(trace_statements=[StatementGroup(context="span", statements=list(statements))])
    return Program(TransformProcessor(config, settings()).ops())


def base() -> Program:
    """Give the program that the others are compared with: it changes every span."""
    return transform(_BASE)


def with_copies(statement: str) -> Program:
    """Give the same with `COPIES` of the statement."""
    return transform(_BASE, *[statement] * COPIES)
