"""Traffic profiles: requests that describe themselves as a load generator needs it, with the spans they promise."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from statistics import mean, median

import pytest
from google.protobuf.message import Message
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

import testbed
from collector._kernel import SpanBatch
from testbed.profiles import PROFILES, Profile, Template, mixed, requests

EVERY = pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
FOREIGN = b"\xff" * 8
SANITIZED = ("user.email", "http.request.header.authorization")
PROMPTS = ("app.prompt.text", "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions")


@cache
def usual(name: str) -> Sequence[Template]:
    """Requests of the usual size."""
    profile = PROFILES[name]
    return requests(profile, profile.spans_per_request)


def parse(template: Template) -> ExportTraceServiceRequest:
    return ExportTraceServiceRequest.FromString(template.data)


def spans_of(request: ExportTraceServiceRequest) -> list[Span]:
    return [span for group in request.resource_spans for scope in group.scope_spans for span in scope.spans]


def usual_spans(name: str) -> list[Span]:
    return [span for template in usual(name) for span in spans_of(parse(template))]


def attributes(of: Span | Span.Event) -> dict[str, AnyValue]:
    return {attribute.key: attribute.value for attribute in of.attributes}


def number(id: bytes) -> int:
    return int.from_bytes(id, "big")


def without(template: Template, keys: Sequence[str]) -> bytes:
    """The request once these attributes have been deleted."""
    request = parse(template)
    for span in spans_of(request):
        kept = [attribute for attribute in span.attributes if attribute.key not in keys]
        del span.attributes[:]
        span.attributes.extend(kept)
    return request.SerializeToString()


def test_lists_the_profiles_by_name() -> None:
    """The names are those that people choose by, in the order of lists."""
    names = ["http", "gateway", "token_streaming", "retrieval", "prompt_templating", "mixed"]

    assert list(PROFILES) == names
    assert [profile.name for profile in PROFILES.values()] == names
    assert all("\n" not in profile.title for profile in PROFILES.values())


@EVERY
def test_the_same_seed_gives_the_same_bytes(profile: Profile) -> None:
    """What is measured today can be measured again tomorrow."""
    assert requests(profile, 7, count=3, seed=5) == requests(profile, 7, count=3, seed=5)


@EVERY
def test_seeds_and_requests_differ(profile: Profile) -> None:
    """Another seed gives other requests, and no two of one seed are the same."""
    templates = requests(profile, 7, count=3, seed=5) + requests(profile, 7, count=3, seed=6)

    assert len({template.data for template in templates}) == 6


DIGEST = """
import hashlib
from testbed.profiles import PROFILES, requests
data = b"".join(requests(profile, 20, count=1)[0].data for profile in PROFILES.values())
print(hashlib.sha256(data).hexdigest())
"""


def test_bytes_do_not_depend_on_how_python_hashes() -> None:
    """Every process builds the same requests, though it orders sets and hashes text as it likes."""
    root = Path(testbed.__file__).parents[1]

    digests = [
        subprocess.check_output([sys.executable, "-c", DIGEST], cwd=root, env={**os.environ, "PYTHONHASHSEED": seed})
        for seed in ("1", "2")
    ]

    assert digests[0] == digests[1]
    assert len(digests[0].strip()) == 64


SIZES = [(name, n) for name in PROFILES for n in (1, 10)] + [("http", 100), ("http", 512), ("mixed", 50)]


@pytest.mark.parametrize(("name", "n"), SIZES)
def test_has_exactly_as_many_spans_as_asked_for(name: str, n: int) -> None:
    """Protobuf and the kernel both count as many, and the kernel has nothing to repair."""
    templates = requests(PROFILES[name], n, count=3)

    assert len(templates) == 3
    for template in templates:
        batch = SpanBatch.decode(template.data)
        assert len(spans_of(parse(template))) == len(batch) == n
        assert batch.repaired == 0
        assert batch.size == len(template.data)


@pytest.mark.parametrize("n", [0, -1])
def test_refuses_requests_without_spans(n: int) -> None:
    """The message says what is wrong."""
    with pytest.raises(ValueError, match=f"spans_per_request must be at least 1, got {n}"):
        requests(PROFILES["http"], n)


@pytest.mark.parametrize(("name", "n"), SIZES)
def test_ids_are_numbers(name: str, n: int) -> None:
    """Spans count from 1, traces from 0 in order of appearance, and parents and links lead to spans of the trace."""
    for template in requests(PROFILES[name], n, count=8):
        spans = spans_of(parse(template))
        traces: list[int] = []
        for index, span in enumerate(spans):
            assert (len(span.trace_id), len(span.span_id)) == (16, 8)
            assert number(span.span_id) == index + 1
            if number(span.trace_id) not in traces:
                traces.append(number(span.trace_id))
            if span.parent_span_id not in {b"", FOREIGN}:
                assert len(span.parent_span_id) == 8
                parent = spans[number(span.parent_span_id) - 1]
                assert parent is not span
                assert parent.trace_id == span.trace_id
            for link in span.links:
                assert spans[number(link.span_id) - 1].trace_id == link.trace_id == span.trace_id
        roots = Counter(span.trace_id for span in spans if span.parent_span_id in {b"", FOREIGN})
        assert traces == list(range(len(traces)))
        assert set(roots.values()) == {1}
        assert len(roots) == len(traces)


@EVERY
def test_has_parents_of_all_kinds(profile: Profile) -> None:
    """There are roots and spans with a foreign parent; and but for streams, spans with a parent in the request."""
    parents = {
        parent if parent in {b"", FOREIGN} else b"inside"
        for parent in (span.parent_span_id for span in usual_spans(profile.name))
    }

    assert parents == {b"", FOREIGN} | ({b"inside"} if profile.name != "token_streaming" else set())


@EVERY
def test_times_count_backwards_from_sending(profile: Profile) -> None:
    """A span starts before its events and ends after them, within its parent, and less than 5 ms before sending."""
    for template in usual(profile.name):
        spans = spans_of(parse(template))
        for span in spans:
            events = [event.time_unix_nano for event in span.events]
            times = [span.start_time_unix_nano, *events, span.end_time_unix_nano]
            assert times == sorted(times, reverse=True)
            assert 0 < span.end_time_unix_nano < 5_000_000
            assert span.start_time_unix_nano < 2**62
            if span.parent_span_id not in {b"", FOREIGN}:
                parent = spans[number(span.parent_span_id) - 1]
                assert parent.start_time_unix_nano > span.start_time_unix_nano
                assert parent.end_time_unix_nano < span.end_time_unix_nano


@EVERY
def test_a_request_is_what_processes_export(profile: Profile) -> None:
    """Each process has one resource of 6 to 12 attributes, and 1 to 3 scopes that all have spans."""
    services = set()
    for template in usual(profile.name):
        request = parse(template)
        names = [group.resource.attributes[0].value.string_value for group in request.resource_spans]
        services |= set(names)
        assert len(names) == len(set(names)) <= (5 if profile.name == "mixed" else 1)
        for group in request.resource_spans:
            assert {"service.name", "service.version", "service.instance.id", "telemetry.sdk.language"} <= {
                attribute.key for attribute in group.resource.attributes
            }
            assert 6 <= len(group.resource.attributes) <= 12
            assert 1 <= len(group.scope_spans) <= 3
            assert all(scope.scope.name and scope.spans for scope in group.scope_spans)
    assert len(services) == (5 if profile.name == "mixed" else 1)


@EVERY
def test_tells_which_spans_are_health_checks(profile: Profile) -> None:
    """They are those of the route /healthz: server spans that are traces of their own."""
    for template in usual(profile.name):
        spans = spans_of(parse(template))
        sizes = Counter(span.trace_id for span in spans)
        checks = [index for index, span in enumerate(spans) if attributes(span).get("http.route") == text("/healthz")]
        assert list(template.health_checks) == checks
        assert bool(checks) == (profile.name == "http") or profile.name == "mixed"
        for index in checks:
            span = spans[index]
            assert (span.kind, span.parent_span_id, sizes[span.trace_id]) == (Span.SPAN_KIND_SERVER, b"", 1)


def text(value: str) -> AnyValue:
    return AnyValue(string_value=value)


@pytest.mark.parametrize(("n", "tolerance"), [(1, 0.3), (10, 0.4), (100, 0.1), (512, 0.1)])
def test_one_http_span_in_sixteen_is_a_health_check(n: int, tolerance: float) -> None:
    """However large the requests are, though a little less where traces are cut in many of them."""
    templates = requests(PROFILES["http"], n, count=max(16, 2000 // n))

    share = sum(len(template.health_checks) for template in templates) / (n * len(templates))

    assert share == pytest.approx(1 / 16, rel=tolerance)


@EVERY
def test_secrets_stand_in_what_is_sanitized_and_nowhere_else(profile: Profile) -> None:
    """Once the two attributes are gone, so are the secrets."""
    delivered = b"".join(template.data for template in usual(profile.name))
    sanitized = b"".join(without(template, SANITIZED) for template in usual(profile.name))

    assert len(profile.secrets) == 2
    for secret in profile.secrets:
        assert 8 <= len(secret.encode()) <= 40
        assert secret.encode() in delivered
        assert secret.encode() not in sanitized


@EVERY
def test_every_such_attribute_has_its_secret(profile: Profile) -> None:
    """No value that is to be removed goes unnoticed."""
    bearer, domain = profile.secrets
    for span in usual_spans(profile.name):
        values = attributes(span)
        if email := values.get("user.email"):
            assert email.string_value.endswith(domain)
        if header := values.get("http.request.header.authorization"):
            assert [value.string_value.startswith(f"Bearer {bearer}-") for value in header.array_value.values] == [True]


@EVERY
def test_prompt_secrets_stand_in_prompts_and_nowhere_else(profile: Profile) -> None:
    """Two profiles have private things in texts."""
    delivered = b"".join(template.data for template in usual(profile.name))
    sanitized = b"".join(without(template, PROMPTS) for template in usual(profile.name))

    assert bool(profile.prompt_secrets) == (profile.name in {"prompt_templating", "mixed"})
    for secret in PROFILES["prompt_templating"].prompt_secrets:
        assert 8 <= len(secret.encode()) <= 40
        assert (secret.encode() in delivered) == (secret in profile.prompt_secrets)
        assert secret.encode() not in sanitized


def test_http_spans_are_as_rich_as_real_ones() -> None:
    """They have 10 to 20 attributes and are 0.5 to 1 KB on average; 3 % fail, many of these with a stack trace."""
    spans = usual_spans("http")
    failed = [span for span in spans if span.status.code == Status.STATUS_CODE_ERROR]
    traces = [attributes(event)["exception.stacktrace"].string_value for span in spans for event in span.events]

    assert {10 <= len(span.attributes) <= 20 for span in spans} == {True}
    assert 500 <= mean(span.ByteSize() for span in spans) <= 1000
    assert 0.02 < len(failed) / len(spans) < 0.045
    assert 0.2 < len(traces) / len(failed) < 0.8
    assert 800 < mean(map(len, traces)) < 1300
    assert max(len(template.data) for template in requests(PROFILES["http"], 512)) < 1 << 20


def test_http_traces_are_trees() -> None:
    """A server span calls a handler, which asks a database and other services; some spans name the tenant."""
    spans = usual_spans("http")
    kinds = {span.kind for span in spans}
    with_key = Counter(key for span in spans for key in attributes(span))

    assert kinds == {Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT, Span.SPAN_KIND_INTERNAL}
    for key in ("db.system.name", "http.request.method", "app.tenant", *SANITIZED):
        assert 0.1 < with_key[key] / len(spans) < 0.9


def test_gateway_attempts_that_fail_are_repeated() -> None:
    """Rate limits and timeouts are errors with an exception, and the next attempt has a link to them."""
    spans = usual_spans("gateway")
    attempts = [span for span in spans if span.name.startswith("chat ")]
    types = Counter(attributes(span)["error.type"].string_value for span in attempts if span.events)
    repeated = [span for span in attempts if span.links]

    assert set(types) == {"429", "timeout"}
    assert all((span.status.code == Status.STATUS_CODE_ERROR) == bool(span.events) for span in attempts)
    assert 0.05 < len(repeated) / len(attempts) < 0.2
    for template in usual("gateway"):
        in_request = spans_of(parse(template))
        for span in in_request:
            for link in span.links:
                target = in_request[number(link.span_id) - 1]
                assert target.parent_span_id == span.parent_span_id
                assert target.status.code == Status.STATUS_CODE_ERROR


def test_gateway_attempts_say_what_costs() -> None:
    """Those that succeed have the attributes of the conventions, each with its type; about half are streams."""
    attempts = [attributes(span) for span in usual_spans("gateway") if span.name.startswith("chat ")]
    succeeded = [values for values in attempts if "error.type" not in values]
    types = {
        "gen_ai.operation.name": "string_value",
        "gen_ai.provider.name": "string_value",
        "gen_ai.request.model": "string_value",
        "gen_ai.response.model": "string_value",
        "gen_ai.usage.input_tokens": "int_value",
        "gen_ai.usage.output_tokens": "int_value",
        "gen_ai.request.temperature": "double_value",
        "gen_ai.response.finish_reasons": "array_value",
    }

    assert succeeded
    for values in succeeded:
        assert {key: values[key].WhichOneof("value") for key in types} == types
    streams = [values for values in succeeded if "gen_ai.request.stream" in values]
    assert 0.3 < len(streams) / len(succeeded) < 0.7
    assert all("gen_ai.response.time_to_first_chunk" in values for values in streams)


def test_token_streams_have_an_event_for_each_token() -> None:
    """200 to 600 of them, and the first lies where the span says."""
    for span in usual_spans("token_streaming"):
        values = attributes(span)
        first = (span.start_time_unix_nano - span.events[0].time_unix_nano) / 1e9
        assert 200 <= len(span.events) <= 600
        assert len(span.events) == values["gen_ai.usage.output_tokens"].int_value
        assert first == pytest.approx(values["gen_ai.response.time_to_first_chunk"].double_value, abs=0.001)
        assert [attributes(event)["index"].int_value for event in span.events] == list(range(len(span.events)))


def test_retrieval_asks_every_shard() -> None:
    """A search has a span for each of its shards, whose ids and scores are lists of the same length, best first."""
    for template in usual("retrieval"):
        spans = spans_of(parse(template))
        shards = Counter(span.parent_span_id for span in spans if "db.namespace" in attributes(span))
        searches = [span for span in spans if "app.search.shards" in attributes(span)]
        counts = [(shards[span.span_id], attributes(span)["app.search.shards"].int_value) for span in searches]
        # Only the last trace of a request may be cut.
        assert sum(found != asked for found, asked in counts) <= 1
        assert len(counts) > 1
        for span in spans:
            values = attributes(span)
            if ids := values.get("app.search.ids"):
                scores = [score.double_value for score in values["app.search.scores"].array_value.values]
                assert len({id.string_value for id in ids.array_value.values}) == len(scores) >= 8
                assert scores == sorted(scores, reverse=True)


def test_retrieval_has_every_step() -> None:
    """Retrieve, embed, search, rerank and generate."""
    names = {span.name.partition(" ")[0] for span in usual_spans("retrieval")}

    assert names == {"POST", "retrieval", "embeddings", "search", "rerank", "chat"}


def texts_of(value: AnyValue) -> Iterator[str]:
    """All strings in a value."""
    match value.WhichOneof("value"):
        case "string_value":
            yield value.string_value
        case "array_value":
            for item in value.array_value.values:
                yield from texts_of(item)
        case "kvlist_value":
            for item in value.kvlist_value.values:
                yield from texts_of(item.value)


def sizes(values: Sequence[Message | str]) -> list[int]:
    return [len(value.encode()) if isinstance(value, str) else value.ByteSize() for value in values]


def test_prompts_have_sizes_of_1_to_100_kb() -> None:
    """The sizes are log-uniform: half of the prompts are smaller than 10 KB, and the mean is twice that."""
    spans = [attributes(span) for span in spans_of(parse(requests(PROFILES["prompt_templating"], 400, count=1)[0]))]
    prompts = sizes([values["app.prompt.text"].string_value for values in spans if "app.prompt.text" in values])
    inputs = [values["gen_ai.input.messages"] for values in spans if "gen_ai.input.messages" in values]
    as_text = sizes([value.string_value for value in inputs if value.HasField("string_value")])
    nested = sizes([value for value in inputs if value.HasField("array_value")])

    assert len(nested) > 20
    for measured in (prompts, as_text):
        assert 1_000 <= min(measured) < 2_000
        assert 50_000 < max(measured) <= 100_000
        assert median(measured) == pytest.approx(10_000, rel=0.4)
    assert min(nested) >= 950
    assert max(nested) <= 102_400


def test_prompts_are_conversations() -> None:
    """Messages have roles and parts, whether they are JSON or nested values; larger ones call a tool."""
    roles: Counter[str] = Counter()
    for span in usual_spans("prompt_templating"):
        values = attributes(span)
        for key in ("gen_ai.input.messages", "gen_ai.output.messages"):
            if (value := values.get(key)) and value.HasField("string_value"):
                for message in json.loads(value.string_value):
                    roles[message["role"]] += 1
                    assert {part["type"] for part in message["parts"]} <= {"text", "tool_call", "tool_call_response"}
            elif value:
                for message in value.array_value.values:
                    assert [item.key for item in message.kvlist_value.values] == ["role", "parts"]
                    roles["nested"] += 1
        if instructions := values.get("gen_ai.system_instructions"):
            assert [part["type"] for part in json.loads(instructions.string_value)] == ["text"]
    assert set(roles) == {"user", "assistant", "tool", "nested"}


def test_private_things_look_like_real_ones() -> None:
    """Card numbers pass Luhn's check, and tokens have three parts of which the claims are JSON."""
    said = "\n".join(
        text
        for span in usual_spans("prompt_templating")
        for key, value in attributes(span).items()
        if key in PROMPTS
        for text in texts_of(value)
    )
    cards = re.findall(r"\b\d{4} \d{4} \d{4} \d{4}\b", said)

    assert len(set(cards)) > 100
    assert {luhn(card.replace(" ", "")) for card in cards} == {True}
    assert len(set(re.findall(r"\bsk-testbed-[0-9a-f]{40}\b", said))) > 100
    assert len(set(re.findall(r"\beyJ[\w-]+\.[\w-]+\.[\w-]{43}(?![\w-])", said))) > 100
    assert len(set(re.findall(r"\b[a-z.]+\d*@inside-prompts\.example\b", said))) > 100
    assert len(set(re.findall(r"\+1 202-555-01\d\d\b", said))) > 50


def luhn(card: str) -> bool:
    """Luhn's check, from the definition: every second digit from the right counts twice, and as its digits."""
    total = 0
    for position, digit in enumerate(card[::-1], start=1):
        total += sum(map(int, str(int(digit) * 2))) if position % 2 == 0 else int(digit)
    return total % 10 == 0


def test_mixed_has_the_shares_it_states_and_no_kind_has_most_of_the_bytes() -> None:
    """Each trace belongs to one service, and the shares of services are those of the profiles."""
    traces: Counter[str] = Counter()
    size: Counter[str] = Counter()
    for template in requests(mixed.PROFILE, 2000, count=1):
        for group in parse(template).resource_spans:
            service = group.resource.attributes[0].value.string_value
            size[service] += group.ByteSize()
            traces[service] += len({span.trace_id for scope in group.scope_spans for span in scope.spans})

    assert sum(mixed.SHARES.values()) == 100
    assert size.most_common(1)[0][1] < size.total() / 2
    shares = [100 * count / traces.total() for count in sorted(traces.values(), reverse=True)]
    assert shares == [pytest.approx(share, abs=4) for share in mixed.SHARES.values()]
