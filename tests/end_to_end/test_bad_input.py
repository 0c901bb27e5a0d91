"""Each row of the table in `docs/bad-input.md`, sent to a running collector between two good requests."""

import contextlib
import functools
import http.client
import itertools
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from collector.testing import make_request
from testbed.backend import Arrived, Backend
from testbed.process import HTTP_RECEIVER, CollectorProcess

DOCUMENT = Path(__file__).parents[2] / "docs" / "bad-input.md"
METHODS = {
    signal: f"/opentelemetry.proto.collector.{package}.v1.{service}Service/Export"
    for signal, package, service in (
        ("traces", "trace", "Trace"),
        ("metrics", "metrics", "Metrics"),
        ("logs", "logs", "Logs"),
    )
}


def table() -> dict[str, frozenset[str]]:
    """Read which statuses of gRPC and of HTTP the document allows for each input."""
    row = r"^\| (.+?) \| .+? \| ([A-Z_]+(?: or [A-Z_]+)?) \| (\d+(?: or \d+)?) \|$"
    rows = re.findall(row, DOCUMENT.read_text(), re.MULTILINE)
    return {name: frozenset(f"{grpc} or {http}".split(" or ")) for name, grpc, http in rows}


def field(number: int, body: bytes, wire_type: int = 2) -> bytes:
    """Write a field: a tag and, for what has a length, a length."""
    return varint(number << 3 | wire_type) + (varint(len(body)) if wire_type == 2 else b"") + body


def varint(value: int) -> bytes:
    """Write a varint."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def span(body: bytes = b"", *, valid: bool = True) -> bytes:
    """Write a request with one span that has `body` behind its ids."""
    ids = field(1, b"\x01" * 16) + field(2, b"\x02" * 8) if valid else b""
    return field(1, field(2, field(2, ids + body)))


def good(number: int = 90_000) -> bytes:
    """Write a request of three spans like any other."""
    return make_request(3, first=number, attributes={"key": "value", "n": 1}).SerializeToString()


def nested(depth: int) -> bytes:
    """Write a span with an attribute of lists in lists, inside out, since no library goes that deep."""
    value = b""
    for _ in range(depth - 1):
        value = field(5, field(1, value))
    return span(field(9, field(1, b"deep") + field(2, value)))


def unknown(body: bytes) -> bytes:
    """Write a message and a field that nobody knows."""
    return body + field(900, b"later")


def many_attributes() -> bytes:
    """Write a span with 20,000 attributes."""
    message = Span(trace_id=b"\x01" * 16, span_id=b"\x02" * 8)
    message.attributes.extend(KeyValue(key=f"key {i}", value=AnyValue(int_value=i)) for i in range(20_000))
    return field(1, field(2, field(2, message.SerializeToString())))


def mutations(count: int = 300) -> Iterator[bytes]:
    """Change good requests: bytes flipped, cut out, doubled."""
    chance = random.Random(17)
    for _ in range(count):
        data = bytearray(good())
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(data))
            match chance.randrange(3):
                case 0:
                    data[at] = chance.randrange(256)
                case 1:
                    del data[at : at + chance.randint(1, 9)]
                case 2:
                    data[at:at] = data[at : at + chance.randint(1, 9)]
        yield bytes(data)


def names(spans: list[Arrived]) -> list[str]:
    return [arrived.span.name for arrived in spans]


@dataclass(frozen=True)
class Case:
    """What is sent, and what is found at the backend if it was accepted."""

    requests: Callable[[], Iterator[bytes]]
    arrives: Callable[[list[Arrived]], object] = lambda spans: not spans
    signal: str = "traces"


def sends(
    data: bytes | Callable[[], bytes], arrives: Callable[[list[Arrived]], object] = lambda spans: not spans
) -> Case:
    return Case(lambda: iter([data if isinstance(data, bytes) else data()]), arrives)


KEY, VALUE = field(1, b"key"), field(2, field(1, b"value"))
CASES = {
    "request cut off in the middle": sends(good()[:-10]),
    "length that runs past the end of its message": sends(field(1, b"\x12\x7f\x00")),
    "varint longer than 10 bytes": sends(b"\xff" * 11),
    "known field with the wrong wire type": sends(b"\x08\x01"),
    "group tags": sends(b"\x0b\x0c"),
    "field number 0": sends(b"\x02\x00"),
    "trace id that is not 16 bytes": sends(span(field(1, b"\x01" * 15), valid=False)),
    "span id that is not 8 bytes": sends(span(field(2, b"\x01" * 9), valid=False)),
    "parent span id that is not 8 bytes": sends(span(field(4, b"\x01" * 7))),
    "trace id of a link that is not 16 bytes": sends(span(field(13, field(1, b"\x01")))),
    "attribute value nested 41 deep": sends(nested(41)),
    "attribute value nested 3,000 deep": sends(lambda: nested(3000)),
    "bytes that are not protobuf at all": sends(b"GET / HTTP/1.1\r\n\r\n"),
    "attribute value nested 40 deep": sends(nested(40), lambda spans: "deep" in spans[0].attributes),
    "empty ids": sends(span(field(5, b"anonymous"), valid=False), lambda spans: names(spans) == ["anonymous"]),
    "invalid UTF-8 in a span name": sends(span(field(5, b"a\xffb")), lambda spans: names(spans) == ["a\ufffdb"]),
    "invalid UTF-8 in an attribute key and value": sends(
        span(field(9, field(1, b"k\xc3") + field(2, field(1, b"\xfev")))),
        lambda spans: spans[0].attributes == {"k\ufffd": "\ufffdv"},
    ),
    "20,000 attributes on one span": sends(many_attributes, lambda spans: len(spans[0].attributes) == 20_000),
    "the same attribute key twice": sends(
        span(field(9, KEY + VALUE) * 2), lambda spans: [pair.key for pair in spans[0].span.attributes] == ["key"] * 2
    ),
    "unknown fields at every level": sends(
        unknown(field(1, unknown(field(2, unknown(field(2, unknown(field(5, b"new")))))))),
        lambda spans: spans[0].span.SerializeToString() == unknown(field(5, b"new")),
    ),
    "resource and span split into parts on the wire": sends(
        field(
            1,
            field(1, field(1, field(1, b"a") + VALUE))
            + field(2, field(2, field(5, b"whole") + field(9, KEY) + field(9, field(1, b"other") + VALUE)))
            + field(1, field(1, field(1, b"b") + VALUE)),
        ),
        lambda spans: names(spans) == ["whole"] and spans[0].resource == {"a": "value", "b": "value"},
    ),
    "singular field repeated on the wire": sends(
        span(field(5, b"first") + field(5, b"last")), lambda spans: names(spans) == ["last"]
    ),
    "spans before their scope and resource on the wire": sends(
        field(
            1, field(2, field(2, field(5, b"early")) + field(1, field(1, b"scope"))) + field(1, field(1, KEY + VALUE))
        ),
        lambda spans: [(s.span.name, s.scope, s.resource) for s in spans] == [("early", "scope", {"key": "value"})],
    ),
    "empty request": sends(b""),
    "request larger than `max_recv_msg_size_mib` or `max_request_body_size`": sends(
        lambda: span(field(5, b"x" * (4 << 20)))
    ),
    "request with metrics": Case(lambda: iter([b""]), signal="metrics"),
    "request with logs": Case(lambda: iter([b""]), signal="logs"),
    "random mutations of a good request": Case(mutations, arrives=lambda spans: True),
}

CONFIG = """
receivers:
  otlp:
    protocols:
      grpc: {endpoint: "127.0.0.1:0"}
      http: {endpoint: "127.0.0.1:0", max_request_body_size: 4194304}
processors:
  filter: {trace_conditions: ['span.name == "never"']}
exporters:
  otlp_grpc:
    tls: {insecure: true}
    compression: none
    retry_on_failure: {enabled: false}
    sending_queue: {num_consumers: 1} # what was sent before the second good request arrives before it
service:
  telemetry: {metrics: {level: none}}
  pipelines: {traces: {receivers: [otlp], processors: [filter], exporters: [otlp_grpc]}}
"""


@dataclass(frozen=True)
class Running:
    """A collector in front of a backend, and a way to it: to send bytes of a signal, and get the name of the status."""

    backend: Backend
    collector: CollectorProcess
    send: Callable[[bytes, str], tuple[str, str]]
    numbers: Iterator[int]

    def send_good(self) -> set[str]:
        """Send a good request, and give the ids of its spans."""
        data = good(next(self.numbers))
        assert self.send(data, "traces")[0] in {"OK", "200"}
        [group] = ExportTraceServiceRequest.FromString(data).resource_spans
        return {one.span_id.hex() for one in group.scope_spans[0].spans}


def over_grpc(channel: grpc.Channel, data: bytes, signal: str) -> tuple[str, str]:
    """Send bytes, and give the name of the status and the message."""
    try:
        channel.unary_unary(METHODS[signal])(data, timeout=10)
    except grpc.RpcError as error:
        return error.code().name, error.details()
    return "OK", ""


def over_http(address: str, data: bytes, signal: str) -> tuple[str, str]:
    """Send bytes, and give the status and the message."""
    connection = http.client.HTTPConnection(address, timeout=10)
    with contextlib.closing(connection):
        connection.request("POST", f"/v1/{signal}", data, {"content-type": "application/x-protobuf"})
        answer = connection.getresponse()
        return str(answer.status), Status.FromString(answer.read()).message


@pytest.fixture(scope="module", params=["grpcio", "native", "http"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A collector as a service would meet it, for all cases in a row: the verdicts are the same on each transport."""
    path = tmp_path_factory.mktemp("bad-input") / "collector.yaml"
    path.write_text(CONFIG)
    with Backend() as backend:
        engine = "native" if request.param == "http" else request.param
        settings = {
            "exporters.otlp_grpc.endpoint": backend.address,
            "receivers.otlp.protocols.grpc.engine": engine,
        }
        overrides = (part for key, value in settings.items() for part in ("--set", f"{key}={value}"))
        collector = CollectorProcess(["--config", str(path), *overrides])
        with collector, grpc.insecure_channel(collector.address()) as channel:
            send = (
                functools.partial(over_http, collector.address(HTTP_RECEIVER))
                if request.param == "http"
                else functools.partial(over_grpc, channel)
            )
            yield Running(backend, collector, send, itertools.count(1000, 10))


def test_the_document_and_the_cases_are_the_same() -> None:
    """No row without a case, no case without a row."""
    assert table().keys() == CASES.keys()


@pytest.mark.parametrize("name", CASES)
def test_gets_its_verdict_and_spares_its_neighbours(running: Running, name: str) -> None:
    """The status is the one in the document, and the good requests before and after are delivered."""
    case, before = CASES[name], len(running.backend.spans)

    neighbours = running.send_good()
    statuses = {running.send(data, case.signal)[0] for data in case.requests()}
    neighbours |= running.send_good()

    assert statuses <= table()[name]
    arrived = running.backend.wait(lambda spans: {one.id for one in spans} >= neighbours)[before:]
    others = [one for one in arrived if one.id not in neighbours]
    assert case.arrives(others), others
    assert not any("Traceback" in line or "panic" in line for line in running.collector.log)


def test_a_refusal_says_what_and_where(running: Running) -> None:
    """The text names the field and the byte."""
    _, details = running.send(span(field(1, b"\x01" * 15), valid=False), "traces")

    assert "15 bytes instead of 16" in details
    assert "resource_spans[0].scope_spans[0].spans[0].trace_id" in details
