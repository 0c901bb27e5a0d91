"""What is deleted and masked, where, and what is noted about it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from yaml_sections import section

from collector._kernel import OptionError, Program
from collector.errors import ConfigError
from collector.ops import option_errors
from collector.program import Member, ProgramProcessor
from collector.spans import receive
from collector.telemetry.exposition import exposition
from collector.telemetry.metrics import Metrics
from collector.testing import Sink, decode, key_values, settings
from processors.redaction import RedactionConfig, RedactionProcessor

CARD, ADDRESS = "4111 1111 1111 1111", "jo.doe@example.com"


def request(**attributes: Any) -> ExportTraceServiceRequest:
    """Make one span with an event, with the same attributes at every level."""
    made = ExportTraceServiceRequest()
    resource = made.resource_spans.add()
    scope = resource.scope_spans.add()
    span = scope.spans.add(trace_id=bytes(range(16)), span_id=bytes(range(8)), name="chat", kind=3)
    span.events.add(name="event").attributes.extend(key_values(attributes))
    for holder in (resource.resource, scope.scope, span):
        holder.attributes.extend(key_values(attributes))
    return made


def run(yaml: str, sent: ExportTraceServiceRequest) -> ExportTraceServiceRequest:
    """Send a request through the processor."""
    processor = RedactionProcessor(section(RedactionConfig, yaml), settings())
    return decode(Program(processor.ops()).run(receive(sent.SerializeToString())).batch)


def plain(value: Any) -> Any:
    """Read an `AnyValue`."""
    match value.WhichOneof("value"):
        case None:
            return None
        case "array_value":
            return [plain(item) for item in value.array_value.values]
        case "kvlist_value":
            return {item.key: plain(item.value) for item in value.kvlist_value.values}
        case kind:
            return getattr(value, kind)


def levels(out: ExportTraceServiceRequest) -> list[dict[str, Any]]:
    """Attributes of the resource, the scope, the span and its event."""
    resource = out.resource_spans[0]
    scope = resource.scope_spans[0]
    span = scope.spans[0]
    holders = (resource.resource, scope.scope, span, span.events[0])
    return [{each.key: plain(each.value) for each in holder.attributes} for holder in holders]


def redacted(yaml: str, **attributes: Any) -> dict[str, Any]:
    """Attributes of a span afterwards. All levels must have come out alike."""
    first, *others = levels(run(yaml, request(**attributes)))
    assert others == [first] * 3
    return first


EXAMPLE = """
allow_all_keys: false
allowed_keys: [description, card, note, n]
ignored_keys: [safe]
blocked_values: ["4[0-9]{12}(?:[0-9]{3})?"]
blocked_key_patterns: [".*token.*"]
summary: debug
"""


def test_the_example_of_the_go_collector() -> None:
    """Keys that are not allowed go, patterns mask, ignored keys stay, and it is noted at every level."""
    number = "4111111111111111"
    assert redacted(EXAMPLE, card=f"pay {number} now", description="x", other="s", safe=number, n=int(number)) == {
        "card": "pay **** now",
        "description": "x",
        "safe": number,
        "n": int(number),
        "redaction.redacted.keys": "other",
        "redaction.redacted.count": 1,
        "redaction.masked.keys": "card",
        "redaction.masked.count": 1,
        "redaction.ignored.count": 1,
    }
    assert redacted(EXAMPLE.replace("note", "my_token"), my_token="a") == {  # noqa: S106 (a name of an attribute)
        "my_token": "****",
        "redaction.masked.keys": "my_token",
        "redaction.masked.count": 1,
    }


def test_it_fails_closed() -> None:
    """Without a list of what is allowed nothing is."""
    assert redacted("{}", a="x", b=1) == {}


PROMPT = [{"role": "user", "parts": [{"type": "text", "content": f"My card is {CARD}, mail {ADDRESS}.\nThanks"}]}]
CLEAN = [{"role": "user", "parts": [{"type": "text", "content": "My card is ****, mail ****.\nThanks"}]}]


def test_detectors_look_inside_of_json_lists_and_maps() -> None:
    """Prompts are cleaned as JSON text and as a structure, and stay what they are."""
    out = redacted(
        "{allow_all_keys: true, detectors: [credit_card, email], summary: info}",
        text=json.dumps(PROMPT),
        structure=PROMPT,
        plain=f"write to {ADDRESS}",
        card=4111111111111111,
        order=12345678,
    )
    assert json.loads(out.pop("text")) == CLEAN
    assert out == {
        "structure": CLEAN,
        "plain": "write to ****",
        "card": "****",
        "order": 12345678,
        "redaction.masked.count": 4,
    }


def test_detectors_look_at_names_and_statuses_too() -> None:
    """What is thrown or called by a prompt may hold it."""
    sent = request()
    span = sent.resource_spans[0].scope_spans[0].spans[0]
    span.name, span.status.message, span.status.code = f"mail {ADDRESS}", f"no such user: {ADDRESS}", 2
    out = run("{allow_all_keys: true, detectors: [email]}", sent).resource_spans[0].scope_spans[0].spans[0]
    assert (out.name, out.status.message, out.status.code) == ("mail ****", "no such user: ****", 2)


def test_detectors_clean_links_which_everything_else_leaves() -> None:
    """Of the link that changes everything else stays, and the other one byte for byte."""
    sent = request()
    span = sent.resource_spans[0].scope_spans[0].spans[0]
    attributes = key_values({"from": ADDRESS, "list": [f"cc {ADDRESS}"], "n": 5, "to": "a@b.io"})
    span.links.add(trace_id=bytes(16), span_id=bytes(8), trace_state="a=1", flags=1, attributes=attributes)
    span.links.add(trace_id=bytes(range(16)), attributes=key_values({"plain": "x"}))

    cleaned = run("{allow_all_keys: true, detectors: [email], ignored_keys: [to]}", sent)
    untouched = run("{blocked_values: ['.'], blocked_key_patterns: ['.']}", sent)

    first, second = cleaned.resource_spans[0].scope_spans[0].spans[0].links
    assert first.attributes == key_values({"from": "****", "list": ["cc ****"], "n": 5, "to": "a@b.io"})
    assert (first.trace_state, first.flags, len(first.trace_id)) == ("a=1", 1, 16)
    assert second == span.links[1]
    assert untouched.resource_spans[0].scope_spans[0].spans[0].links == span.links


def test_what_is_allowed_or_ignored_is_left_by_detectors() -> None:
    """`allowed_values` and `ignored_keys` come first, as for patterns."""
    yaml = "{allow_all_keys: true, detectors: [email], allowed_values: [example.com], ignored_keys: [to]}"
    assert redacted(yaml, to="a@b.io", sender=ADDRESS, cc="c@d.io") == {"to": "a@b.io", "sender": ADDRESS, "cc": "****"}


def test_a_hash_tells_equal_secrets() -> None:
    """Findings and whole values become digests where a function is named."""
    out = redacted(
        "{allow_all_keys: true, detectors: [email], hash_function: MD5, blocked_key_patterns: [^k$]}",
        a=f"{ADDRESS} and {ADDRESS}",
        k="4111",
    )
    first, _, second = out["a"].partition(" and ")
    assert first == second == hashlib.md5(ADDRESS.encode(), usedforsecurity=False).hexdigest()
    assert out["k"] == "64f07f012a35c83d7c556ba0b69ef64e"


def test_values_that_are_too_large_are_cut() -> None:
    """JSON stays valid, the last message stays longest, and the size is noted beside the value."""
    messages = [{"role": "user", "content": "old " * 100}, {"role": "user", "content": "the question"}]
    text = json.dumps(messages)
    out = redacted("{allow_all_keys: true, truncate: {max_bytes: 120}}", m=text, s="é" * 100, short="x")
    assert len(out["m"]) <= 120
    assert json.loads(out["m"])[-1]["content"] == "the question"
    assert (out["m.original_bytes"], out["s.original_bytes"]) == (len(text), 200)
    assert len(out["s"].encode()) <= 120
    assert out["short"] == "x"


async def test_what_was_done_is_counted() -> None:
    """By outcome, and by detector."""
    metrics = Metrics()
    processor = RedactionProcessor(
        section(RedactionConfig, "{allowed_keys: [a, b], detectors: [email, credit_card]}"), settings(metrics=metrics)
    )
    sink = Sink()
    program = ProgramProcessor([Member(processor, processor.ops())], sink)
    await program.consume(receive(request(a=ADDRESS, b=f"{CARD} {ADDRESS}", c="x").SerializeToString()))

    lines = [line for line in exposition(metrics).splitlines() if line.startswith("spanmill_processor_redaction")]
    assert sorted(lines) == [
        'spanmill_processor_redaction_attributes{processor="test",outcome="masked"} 8',
        'spanmill_processor_redaction_attributes{processor="test",outcome="redacted"} 4',
        'spanmill_processor_redaction_findings{processor="test",detector="credit_card"} 4',
        'spanmill_processor_redaction_findings{processor="test",detector="email"} 8',
    ]


def test_span_names_and_queries() -> None:
    """URLs and queries lose what names one thing, where the span says that it is one."""
    sent = request(**{"db.system.name": "PostgreSQL", "db.query.text": "SELECT * FROM t WHERE a = 'x' AND b = 42"})
    span = sent.resource_spans[0].scope_spans[0].spans[0]
    span.name = "SELECT * FROM t WHERE a = 7"
    yaml = "{allow_all_keys: true, db_sanitizer: {sql: {enabled: true, attributes: [db.query.text]}}}"
    out = run(yaml, sent)
    assert levels(out)[2]["db.query.text"] == "SELECT * FROM t WHERE a = ? AND b = ?"
    assert out.resource_spans[0].scope_spans[0].spans[0].name == "SELECT * FROM t WHERE a = ?"

    sent = request(path="/v1/users/8213?x=1")
    sent.resource_spans[0].scope_spans[0].spans[0].name = "GET /v1/users/8213"
    out = run("{allow_all_keys: true, url_sanitizer: {enabled: true, attributes: [path]}}", sent)
    assert levels(out)[2] == {"path": "/v1/users/*"}
    assert out.resource_spans[0].scope_spans[0].spans[0].name == "GET /v1/users/*"


@pytest.mark.parametrize(
    ("engine", "system", "query", "sanitized"),
    [
        ("redis", "redis", "SET key value\nGET key", "SET ?\nGET ?"),
        ("valkey", "valkey", "PING", "PING"),
        ("memcached", "memcached", "set k 0 0 5\r\nvalue\r\n", "set"),
        ("mongo", "mongodb", '{"find": "users", "n": 1, "a": [true]}', '{"find": "?", "n": "?", "a": ["?"]}'),
        ("mongo", "mongodb", "not json", "not json"),
        ("es", "elasticsearch", '{"q": {"x": 1}}', '{"q": {"x": "?"}}'),
        ("opensearch", "opensearch", "{}", "{}"),
        ("sql", "redis", "SELECT 1", "SELECT 1"),
    ],
)
def test_each_kind_of_database(engine: str, system: str, query: str, sanitized: str) -> None:
    """Only queries of the kind of database that the span names are touched."""
    yaml = f"{{allow_all_keys: true, db_sanitizer: {{{engine}: {{enabled: true, attributes: [q]}}}}}}"
    assert redacted(yaml, **{"db.system": system, "q": query})["q"] == sanitized


@pytest.mark.parametrize(
    ("yaml", "problem"),
    [
        ("hash_function: sha256", "hash_function: must be one of"),
        ("hash_function: hmac-sha256", 'hmac_key: must not be empty when hash_function is "hmac-sha256"'),
        ("{hash_function: hmac-sha512, hmac_key: short}", 'at least 64 bytes long for "hmac-sha512", got 5 bytes'),
        ("truncate: {max_bytes: 3}", "truncate::max_bytes: must be at least 16, got 3"),
        ("truncate: {}", "truncate::max_bytes: "),
        ("blocked_value: [x]", "did you mean 'blocked_values'?"),
    ],
)
def test_options_that_are_wrong(yaml: str, problem: str) -> None:
    """The report names the option and what would be right, and no secret."""
    with pytest.raises(ConfigError) as caught:
        section(RedactionConfig, yaml)
    assert problem in str(caught.value)


def test_all_that_the_kernel_refuses_is_in_one_report() -> None:
    """Patterns and detectors that cannot be used are named with their places."""
    yaml = """
        blocked_values: ["ok", "("]
        allowed_values: ["(?=x)"]
        detectors: [email, creditcard]
    """
    with pytest.raises(ExceptionGroup) as caught:
        RedactionProcessor(section(RedactionConfig, yaml), settings()).ops()
    errors = {error.args[0]: error.args[1] for error in option_errors(caught.value)}
    assert sorted(errors) == ["allowed_values[0]", "blocked_values[1]", "detectors[1]"]
    assert "did you mean 'credit_card'?" in errors["detectors[1]"]
    with pytest.raises(OptionError, match="is no regular expression"):
        RedactionProcessor(section(RedactionConfig, "blocked_key_patterns: ['[']"), settings()).ops()


def test_the_key_is_not_shown() -> None:
    """Whoever prints the settings does not print the secret."""
    config = section(RedactionConfig, "{hash_function: hmac-sha256, hmac_key: 0123456789abcdef0123456789abcdef}")
    assert "0123456789abcdef" not in repr(config)
