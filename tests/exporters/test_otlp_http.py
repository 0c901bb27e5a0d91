"""Batches on their way over HTTP, to a server of the standard library and to our own."""

from __future__ import annotations

import asyncio
import gzip
import threading
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from google.rpc.status_pb2 import Status
from http_backend import JSON, PROTOBUF, Reply, Request, http_backend
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from otlp_http import address, http_receiver
from raw_http2 import Connection, raw_http2
from self_signed import Identity

from collector.component import Delivery
from collector.config.types import Duration, FieldError
from collector.errors import MalformedError, PermanentError, RetryableError, StartError, ThrottledError, TooLargeError
from collector.testing import Failing, Sink, StubHost, exporter_settings, make_spans, until
from collector.transport.headers import Header
from collector.transport.http_answers import retry_delay
from collector.transport.http_client import CompressionParams
from collector.transport.tls import ClientTlsConfig
from exporters.otlp_http import OtlpHttpConfig, OtlpHttpExporter, json_delivery

BATCH = make_spans(3)


@asynccontextmanager
async def exporter_to(endpoint: str, **options: Any) -> AsyncIterator[OtlpHttpExporter]:
    exporter = OtlpHttpExporter(OtlpHttpConfig(**{"endpoint": endpoint, **options}), exporter_settings("otlp_http"))
    await exporter.start(StubHost())
    try:
        yield exporter
    finally:
        await asyncio.wait_for(exporter.shutdown(), 10)


INFLATE: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "zlib": zlib.decompress,
    "deflate": zlib.decompress,
    "none": bytes,
}


@pytest.mark.parametrize("level", [0, 1, 9])
@pytest.mark.parametrize("compression", INFLATE)
@pytest.mark.parametrize("spans", [3, 3000])
async def test_sends_the_bytes_of_the_batch(compression: str, level: int, spans: int) -> None:
    """What arrives is what was held, under the path of OTLP."""
    batch = make_spans(spans)
    params = CompressionParams(level=0 if compression == "none" else level)
    with http_backend() as backend:
        async with exporter_to(backend.url, compression=compression, compression_params=params) as exporter:
            assert await exporter.export(batch) == Delivery()

    (request,) = backend.requests
    assert INFLATE[compression](request.body) == batch.encode()
    assert request.headers.get("content-encoding", "none") == compression
    assert (request.path, request.headers["content-type"]) == ("/v1/traces", PROTOBUF)
    assert request.headers["host"] == f"127.0.0.1:{backend.port}"
    assert request.headers["user-agent"].startswith("spanmill")


async def test_sends_json() -> None:
    """As OTLP has it."""
    with http_backend(lambda request: Reply(headers={"Content-Type": JSON}, body=b"{}")) as backend:
        async with exporter_to(backend.url, encoding="json") as exporter:
            assert await exporter.export(BATCH) == Delivery()

    (request,) = backend.requests
    assert request.headers["content-type"] == JSON
    assert gzip.decompress(request.body) == BATCH.to_json()


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"endpoint": "{}"}, "/v1/traces"),
        ({"endpoint": "{}/"}, "/v1/traces"),
        ({"endpoint": "{}/otlp"}, "/otlp/v1/traces"),
        ({"endpoint": "{}", "traces_endpoint": "{}/somewhere?key=1"}, "/somewhere?key=1"),
        ({"traces_endpoint": "{}"}, "/"),
    ],
)
async def test_where_requests_go(options: dict[str, str], path: str) -> None:
    """`traces_endpoint` is taken as it stands."""
    with http_backend() as backend:
        urls = {name: url.format(backend.url) for name, url in options.items()}
        async with exporter_to(urls.pop("endpoint", ""), **urls) as exporter:
            await exporter.export(BATCH)

    assert backend.requests[0].path == path


async def test_headers_are_those_of_the_configuration() -> None:
    """They win over our own, and `Host` is one of them."""
    headers = [Header(name="X-Tenant", value="research"), Header(name="Host", value="tenant.test")]
    headers.append(Header(name="User-Agent", value="me/1"))
    with http_backend() as backend:
        async with exporter_to(backend.url, headers=headers) as exporter:
            await exporter.export(BATCH)

    seen = backend.requests[0].headers
    assert (seen["x-tenant"], seen["host"], seen["user-agent"]) == ("research", "tenant.test", "me/1")


# --- answers


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, PermanentError),
        (304, PermanentError),
        (307, PermanentError),
        (400, PermanentError),
        (401, PermanentError),
        (403, PermanentError),
        (404, PermanentError),
        (405, PermanentError),
        (408, PermanentError),
        (413, TooLargeError),
        (415, PermanentError),
        (429, RetryableError),
        (499, PermanentError),
        (500, PermanentError),
        (501, PermanentError),
        (502, RetryableError),
        (503, RetryableError),
        (504, RetryableError),
        (599, PermanentError),
    ],
)
async def test_what_statuses_mean(status: int, kind: type[Exception]) -> None:
    """By OTLP's table. Nothing is followed."""
    headers = {"Location": "http://elsewhere.test/"}
    with http_backend(lambda request: Reply(status, headers=headers)) as backend:
        async with exporter_to(backend.url) as exporter:
            with pytest.raises(
                kind, match=rf"^http://127\.0\.0\.1:{backend.port}/v1/traces answers {status}"
            ) as caught:
                await exporter.export(BATCH)

    assert type(caught.value) is kind
    assert ("elsewhere.test" in str(caught.value)) == (status < 400)
    assert len(backend.requests) == 1


@pytest.mark.parametrize(
    ("status", "after", "wait"),
    [
        (429, "7", 7.0),
        (503, "0", 0.0),
        (503, "Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        (503, "soon", None),
        (502, "7", None),
        (504, "7", None),
    ],
)
async def test_the_backend_may_say_when(status: int, after: str, wait: float | None) -> None:
    """Where the Go collector listens as well."""
    with http_backend(lambda request: Reply(status, headers={"Retry-After": after})) as backend:
        async with exporter_to(backend.url) as exporter:
            with pytest.raises(RetryableError) as caught:
                await exporter.export(BATCH)

    assert caught.value.retry_after == wait


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("120", 120.0),
        (" 5 ", 5.0),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 59.0),
        ("Fri, 31 Dec 1999 00:00:00 GMT", 0.0),
        ("-5", None),
        ("1.5", None),
        ("", None),
        ("Fri, 99 Dec 1999 23:59:59 GMT", None),
    ],
)
def test_reads_when(text: str, wait: float | None) -> None:
    """Seconds or a date."""
    assert retry_delay(text, 946684740.0) == wait


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [
        (PROTOBUF, Status(code=3, message="no such\ntenant").SerializeToString(), ": no such tenant"),
        (JSON, b'{"code": 3, "message": "no such tenant"}', ": no such tenant"),
        ("application/json; charset=utf-8", b'{"message": "no such tenant"}', ": no such tenant"),
        ("text/plain", b"no such tenant\n", ": no such tenant"),
        ("text/html", b"<html>", ""),
        (PROTOBUF, b"\xff", ""),
        (JSON, b"[1", ""),
        (JSON, b"[1]", ""),
        ("text/plain", b"x" * 200_000, ": " + "x" * 300),
    ],
)
@pytest.mark.parametrize("length", [True, False])
async def test_an_error_says_what_the_backend_says(kind: str, body: bytes, words: str, length: bool) -> None:
    """In whichever way it does, and not for ever."""
    reply = Reply(400, body, {"Content-Type": kind}, length=length)
    with http_backend(lambda request: reply) as backend:
        async with exporter_to(backend.url) as exporter:
            with pytest.raises(PermanentError) as caught:
                await exporter.export(BATCH)

    assert str(caught.value) == f"{backend.url}/v1/traces answers 400 Bad Request{words}"


def partly(rejected: int, message: str) -> bytes:
    response = ExportTraceServiceResponse()
    response.partial_success.rejected_spans = rejected
    response.partial_success.error_message = message
    data: bytes = response.SerializeToString()
    return data


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (Reply(), Delivery()),
        (Reply(204), Delivery()),
        (Reply(body=b"\n\x00"), Delivery()),
        (Reply(body=partly(2, "too old")), Delivery(2, "too old")),
        (Reply(body=b"\xff\xff"), Delivery(message="an answer that cannot be read")),
        (Reply(body=b"\xff" * 100_000), Delivery(message="an answer that cannot be read")),
        (Reply(body=b"<html>", headers={"Content-Type": "text/html"}), Delivery()),
        (
            Reply(body=b'{"partialSuccess": {"rejectedSpans": "2"}}', headers={"Content-Type": JSON}),
            Delivery(rejected=2),
        ),
    ],
)
async def test_reads_the_answer(reply: Reply, expected: Delivery) -> None:
    """What cannot be read is success too: the spans are there."""
    with http_backend(lambda request: reply) as backend:
        async with exporter_to(backend.url) as exporter:
            assert await exporter.export(BATCH) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"", Delivery()),
        (b"{}", Delivery()),
        (b"null", Delivery()),
        (b'{"partialSuccess": {}}', Delivery()),
        (b'{"partialSuccess": null}', Delivery()),
        (b'{"partialSuccess": {"rejectedSpans": 3, "errorMessage": "old"}}', Delivery(3, "old")),
        (b"[1]", Delivery(message="an answer that cannot be read")),
        (b'{"partialSuccess": {"rejectedSpans": "x"}}', Delivery(message="an answer that cannot be read")),
        (b"{", Delivery(message="an answer that cannot be read")),
    ],
)
def test_reads_answers_in_json(answer: bytes, expected: Delivery) -> None:
    """Numbers may be strings."""
    assert json_delivery(answer) == expected


@pytest.mark.parametrize(
    ("error", "kind", "wait"),
    [
        (RetryableError("full", retry_after=3), RetryableError, 3.0),
        (ThrottledError("slow down", retry_after=4), RetryableError, 4.0),
        (MalformedError("broken"), PermanentError, None),
        (PermanentError("never"), PermanentError, None),
    ],
)
async def test_understands_our_own_receiver(error: Exception, kind: type[Exception], wait: float | None) -> None:
    """What a receiver of ours refuses reads here as it was meant."""
    async with (
        http_receiver(Failing(error)) as receiver,
        exporter_to("http://{}:{}".format(*address(receiver))) as exporter,
    ):
        with pytest.raises(kind) as caught:
            await exporter.export(BATCH)

    assert type(caught.value) is kind
    assert getattr(caught.value, "retry_after", None) == wait
    assert str(error) in str(caught.value)


@pytest.mark.parametrize("compression", ["gzip", "zstd", "zlib", "deflate", "none"])
async def test_our_own_receiver_takes_it(compression: str) -> None:
    """In every compression there is."""
    sink = Sink()
    async with (
        http_receiver(sink) as receiver,
        exporter_to("http://{}:{}".format(*address(receiver)), compression=compression) as exporter,
    ):
        for spans in (3, 2000):
            assert await exporter.export(make_spans(spans)) == Delivery()

    assert len(sink) == 2003


async def test_a_request_that_is_too_large_for_our_receiver() -> None:
    """Is one to be cut."""
    async with (
        http_receiver(Sink(), max_request_body_size=1000) as receiver,
        exporter_to("http://{}:{}".format(*address(receiver)), compression="none") as exporter,
    ):
        with pytest.raises(TooLargeError):
            await exporter.export(make_spans(1000))


# --- connections


async def test_a_connection_is_used_again() -> None:
    """One call after the other, and as many connections as there are calls at a time."""
    gate = threading.Barrier(5, timeout=10)
    together = threading.Event()

    def answer(request: Request) -> Reply:
        if together.is_set():
            gate.wait()
        return Reply()

    with http_backend(answer) as backend:
        async with exporter_to(backend.url) as exporter:
            for _ in range(10):
                await exporter.export(BATCH)
            assert len({request.client for request in backend.requests}) == 1
            together.set()
            await asyncio.gather(*(exporter.export(BATCH) for _ in range(5)))
            assert len({request.client for request in backend.requests}) == 5
            assert exporter.counts().connected == 5, "none that nobody needs"


async def test_connections_are_bounded() -> None:
    """Calls wait for each other then."""
    with http_backend() as backend:
        async with exporter_to(backend.url, max_conns_per_host=2) as exporter:
            await asyncio.gather(*(exporter.export(BATCH) for _ in range(20)))

    assert len(backend.requests) == 20
    assert len({request.client for request in backend.requests}) <= 2


@pytest.mark.parametrize(
    "options",
    [{"disable_keep_alives": True}, {"idle_conn_timeout": Duration(0.05)}],
    ids=lambda options: next(iter(options)),
)
async def test_idle_connections_may_go(options: dict[str, Any]) -> None:
    """At once, or after a while."""
    with http_backend() as backend:
        async with exporter_to(backend.url, **options) as exporter:
            for _ in range(2):
                await exporter.export(BATCH)
                await until(lambda: exporter.counts().open == 0)

    assert len({request.client for request in backend.requests}) == 2


async def test_a_backend_may_close_its_connections() -> None:
    """It says so, and the next call makes a new one."""
    reply = Reply(headers={"Connection": "close"}, hang_up=True)
    with http_backend(lambda request: reply) as backend:
        async with exporter_to(backend.url) as exporter:
            for _ in range(5):
                await exporter.export(BATCH)

    assert len(backend.requests) == 5


async def test_no_answer_is_for_later() -> None:
    """Nobody knows what became of the request, and it is not sent again at once."""
    with http_backend(lambda request: Reply(0, hang_up=True)) as backend:
        async with exporter_to(backend.url) as exporter:
            with pytest.raises(RetryableError, match=r"^no answer from http://127\.0"):
                await exporter.export(BATCH)

    assert len(backend.requests) == 1


async def test_a_backend_that_is_not_there_is_no_error_at_start() -> None:
    """Sending fails for now, and works when it comes up: there is no wait of our own in between."""
    with http_backend() as backend:
        pass
    async with exporter_to(backend.url) as exporter:
        for _ in range(3):
            with pytest.raises(RetryableError, match="connection refused"):
                await exporter.export(BATCH)
        assert exporter.counts().unconnected == 3


async def test_a_slow_backend_runs_out_of_time() -> None:
    """And the connection is of no use any more."""
    go = threading.Event()

    def answer(request: Request) -> Reply:
        go.wait(10)
        return Reply()

    with http_backend(answer) as backend:
        async with exporter_to(backend.url, timeout=Duration(0.1)) as exporter:
            with pytest.raises(RetryableError, match=r"no answer within 0\.1 seconds"):
                await exporter.export(BATCH)
            go.set()
            await exporter.export(BATCH)

    assert len({request.client for request in backend.requests}) == 2


async def test_cancelling_a_call_ends_its_connection() -> None:
    """HTTP/1.1 knows no other way."""
    go = threading.Event()
    with http_backend(lambda request: Reply(200 if go.wait(10) else 500)) as backend:
        async with exporter_to(backend.url) as exporter:
            call = asyncio.create_task(exporter.export(BATCH))
            await until(lambda: backend.requests)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            go.set()
            await exporter.export(BATCH)

    assert len({request.client for request in backend.requests}) == 2


# --- TLS


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return Identity(tmp_path_factory.mktemp("server"), "backend.test")


@pytest.mark.parametrize("alpn", [(), ("http/1.1",)])
async def test_the_scheme_switches_tls_on(server: Identity, alpn: tuple[str, ...]) -> None:
    """`insecure` does not switch it off. A server without ALPN speaks HTTP/1.1."""
    tls = ClientTlsConfig(ca_file=str(server.cert_file), insecure=True)
    with http_backend(tls=server.server_context(*alpn)) as backend:
        async with exporter_to(backend.url, tls=tls) as exporter:
            for _ in range(3):
                assert await exporter.export(BATCH) == Delivery()

    assert len({request.client for request in backend.requests}) == 1


@pytest.mark.parametrize(
    ("tls", "problem"),
    [
        (ClientTlsConfig(), "ca_file"),
        (ClientTlsConfig(ca_file="server", server_name_override="other.test"), "other.test"),
    ],
)
async def test_a_certificate_that_is_not_valid(server: Identity, tls: ClientTlsConfig, problem: str) -> None:
    """Is for later: an operator may put that right."""
    if tls.ca_file:
        tls = msgspec.structs.replace(tls, ca_file=str(server.cert_file))
    with http_backend(tls=server.server_context()) as backend:
        async with exporter_to(backend.url, tls=tls) as exporter:
            with pytest.raises(RetryableError, match=f"certificate is not valid: .*{problem}"):
                await exporter.export(BATCH)

    assert not backend.requests


async def test_any_certificate_may_do(server: Identity) -> None:
    """Where `insecure_skip_verify` says so."""
    with http_backend(tls=server.server_context()) as backend:
        async with exporter_to(backend.url, tls=ClientTlsConfig(insecure_skip_verify=True)) as exporter:
            await exporter.export(BATCH)

    assert len(backend.requests) == 1


async def test_speaks_http2_where_the_server_can(server: Identity) -> None:
    """By ALPN: all calls share a connection."""
    bodies: list[bytes] = []

    async def answer(connection: Connection) -> None:
        async for stream in connection.requests():
            bodies.append(connection.messages[stream])
            connection.headers(stream, {":status": "200", "content-type": PROTOBUF}, end=True)

    tls = ClientTlsConfig(ca_file=str(server.cert_file))
    async with (
        raw_http2(answer, tls=server.server_context("h2")) as where,
        exporter_to(f"https://{where}", tls=tls, compression="none") as exporter,
    ):
        assert await exporter.export(BATCH) == Delivery()
        await asyncio.gather(*(exporter.export(BATCH) for _ in range(10)))
        assert exporter.counts().connected == 1

    assert bodies == [BATCH.encode()] * 11


async def test_http2_may_be_unwanted(server: Identity) -> None:
    """Then the server is not even asked."""
    tls = ClientTlsConfig(ca_file=str(server.cert_file))
    with http_backend(tls=server.server_context("h2", "http/1.1")) as backend:
        async with exporter_to(backend.url, tls=tls, force_attempt_http2=False) as exporter:
            await exporter.export(BATCH)

    assert len(backend.requests) == 1


async def test_a_missing_file_is_an_error_at_start() -> None:
    """The option is named."""
    with pytest.raises(StartError, match=r"tls::ca_file: cannot read /nowhere/ca\.pem: No such file or directory"):
        async with exporter_to("https://127.0.0.1:1", tls=ClientTlsConfig(ca_file="/nowhere/ca.pem")):
            pass


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ca_pem": "no certificate"}, "tls::ca_pem: there is no certificate in it"),
        ({"cipher_suites": ["TLS_RSA_WITH_RC4_128_SHA"]}, "tls::cipher_suites: TLS_RSA_WITH_RC4_128_SHA is not known"),
        ({"server_name_override": "no name"}, "tls::server_name_override: 'no name' is not the name of a server"),
    ],
)
async def test_unusable_tls_is_an_error_at_start(options: dict[str, Any], message: str) -> None:
    """The option is named, whichever of its two forms was used."""
    with pytest.raises(StartError) as caught:
        async with exporter_to("https://127.0.0.1:1", tls=ClientTlsConfig(**options)):
            pass

    assert str(caught.value).replace('"', "'").startswith(message)


# --- configuration


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"endpoint": ""}, "endpoint: is required, such as http://backend:4318"),
        ({"endpoint": "backend:4318"}, "endpoint: must be a URL such as http://backend:4318"),
        ({"endpoint": "http://"}, "endpoint: must be a URL such as http://backend:4318"),
        ({"endpoint": "http://backend:port"}, "endpoint: must be a URL such as http://backend:4318"),
        ({"endpoint": "http://me:secret@backend"}, "endpoint: may have no user name"),
        ({"endpoint": "http://backend?key=1"}, "endpoint: may have no query"),
        ({"traces_endpoint": "backend"}, "traces_endpoint: must be a URL such as"),
        ({"compression": "lz4"}, "compression: lz4 is not supported yet; use gzip, zstd, zlib or none"),
        (
            {"compression_params": CompressionParams(level=10)},
            "compression_params::level: must be from 1 to 9, or 0 for the usual level, got 10",
        ),
        (
            {"compression": "none", "compression_params": CompressionParams(level=1)},
            "compression_params::level: there is nothing to compress with",
        ),
        ({"headers": {"Content-Length": "1"}}, "headers: 'Content-Length' cannot be the name of a header here"),
        (
            {"headers": {"Host": "a b"}},
            "headers: the value of 'Host' must be a host, with or without a port, got 'a b'",
        ),
        ({"headers": {"a": "1", "A": "2"}}, "headers: 'A' is there twice"),
        ({"headers": {"a": "ü"}}, "headers: the value of 'a' must be printable ASCII"),
        ({"idle_conn_timeout": Duration(-1)}, "idle_conn_timeout: must be 0 or more, got -1s"),
    ],
)
def test_refuses(options: dict[str, Any], message: str) -> None:
    """Each of these is a mistake, and the message names the field."""
    with pytest.raises(FieldError) as caught:
        OtlpHttpConfig(**{"endpoint": "http://backend:4318", **options})

    assert str(caught.value).startswith(message)
