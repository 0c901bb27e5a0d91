"""OTLP/HTTP, spoken to by the standard library's client, by curl, and by a client of gRPC that took the wrong port."""

from __future__ import annotations

import asyncio
import gzip
import json
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import grpc
import grpc.aio
import pytest
from otlp_http import JSON, PATH, PROTOBUF, address, http_receiver, post

from collector._kernel import SpanBatch
from collector.errors import (
    ComponentError,
    ConsumeError,
    MalformedError,
    PermanentError,
    RetryableError,
    StartError,
    ThrottledError,
    TooLargeError,
)
from collector.receivers.otlp import OtlpProtocols, OtlpReceiver, OtlpReceiverConfig
from collector.receivers.otlp.http_config import OtlpHttpConfig
from collector.testing import Failing, Sink, StubHost, make_request, receiver_settings
from collector.transport.http_settings import CorsConfig
from collector.transport.settings import GrpcServerConfig

REQUEST = make_request(3).SerializeToString()
JSON_REQUEST = SpanBatch.decode(REQUEST).to_json()

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


async def test_hands_on_what_it_receives_and_answers_with_nothing() -> None:
    """A success is an empty message of the type that was sent."""
    sink = Sink()
    async with http_receiver(sink) as running:
        answer = await post(running, REQUEST)

        account = running.settings.account.on("http")

    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"", PROTOBUF)
    assert [span.name for span in sink.spans] == ["span 0", "span 1", "span 2"]
    assert (account.received, account.accepted, account.requests_accepted) == (3, 3, 1)


async def test_a_content_type_may_have_parameters() -> None:
    """They change nothing, and the answer is without."""
    sink = Sink()
    async with http_receiver(sink) as running:
        answer = await post(running, REQUEST, f"{PROTOBUF}; charset=utf-8")

    assert (answer.status, answer.headers["content-type"]) == (200, PROTOBUF)
    assert len(sink) == 3


COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "identity": bytes,
    "": bytes,
    "gzip": gzip.compress,
    "GZip": gzip.compress,
    "deflate": zlib.compress,
    "zlib": zlib.compress,
}


@pytest.mark.parametrize("name", COMPRESSIONS)
async def test_takes_compressed_requests(name: str) -> None:
    """They are inflated before they are read."""
    sink = Sink()
    data = make_request(200).SerializeToString()
    async with http_receiver(sink) as running:
        answer = await post(running, COMPRESSIONS[name](data), content_encoding=name)

    assert answer.status == 200
    assert sink.batches[0].encode() == data


async def test_gzip_may_have_several_members() -> None:
    """As concatenated by proxies that compress in parts."""
    sink = Sink()
    data = make_request(200).SerializeToString()
    async with http_receiver(sink) as running:
        answer = await post(running, gzip.compress(data[:1000]) + gzip.compress(data[1000:]), content_encoding="gzip")

    assert answer.status == 200
    assert sink.batches[0].encode() == data


@pytest.mark.parametrize("name", ["snappy", "lz4", "br", "gzip, gzip", "nonsense"])
async def test_what_cannot_be_inflated_is_refused_by_name(name: str) -> None:
    """With the names that are taken."""
    sink = Sink()
    async with http_receiver(sink) as running:
        answer = await post(running, REQUEST, content_encoding=name)

    assert answer.status == 400
    assert f"unsupported Content-Encoding: {name}" in answer.problem.message
    assert "gzip" in answer.problem.message
    assert not sink.batches


async def test_only_the_encodings_that_were_chosen_are_taken() -> None:
    """Without the empty one, what is not compressed is refused, as in the Go collector."""
    async with http_receiver(Sink(), compression_algorithms=("gzip",)) as running:
        assert (await post(running, gzip.compress(REQUEST), content_encoding="gzip")).status == 200
        assert (await post(running, zlib.compress(REQUEST), content_encoding="deflate")).status == 400
        assert (await post(running, REQUEST)).status == 400


@pytest.mark.parametrize("data", [b"", b"not gzip", gzip.compress(REQUEST)[:-5]])
async def test_what_is_not_compressed_as_it_says_is_refused(data: bytes) -> None:
    """The request alone."""
    sink = Sink()
    async with http_receiver(sink) as running:
        assert (await post(running, data, content_encoding="gzip")).status == 400
        assert (await post(running, REQUEST)).status == 200

    assert len(sink) == 3


@pytest.mark.parametrize(
    ("content_type", "body"),
    [(PROTOBUF, b""), (JSON, b""), (JSON, b"{}"), (JSON, b'{"resourceSpans":[{"scopeSpans":[{"spans":[]}]}]}')],
)
async def test_an_empty_request_succeeds_without_the_pipeline(content_type: str, body: bytes) -> None:
    """Nobody downstream hears of a request without spans."""
    downstream = Failing()
    async with http_receiver(downstream) as running:
        answer = await post(running, body, content_type)

        account = running.settings.account.on("http")

    assert (answer.status, answer.headers["content-type"]) == (200, content_type)
    assert answer.body == (b"" if content_type == PROTOBUF else b'{"partialSuccess":{}}')
    assert downstream.refused == 0
    assert (account.requests_accepted, account.accepted) == (1, 0)


async def test_takes_json_and_answers_in_json() -> None:
    """It is the same request in other words."""
    sink = Sink()
    async with http_receiver(sink) as running:
        answer = await post(running, JSON_REQUEST, f"{JSON}; charset=utf-8")

        account = running.settings.account.on("http")

    assert (answer.status, answer.headers["content-type"], answer.body) == (200, JSON, b'{"partialSuccess":{}}')
    assert sink.batches[0].to_json() == JSON_REQUEST
    assert (account.received, account.accepted, account.requests_accepted) == (3, 3, 1)


@pytest.mark.parametrize("name", COMPRESSIONS)
async def test_takes_compressed_json(name: str) -> None:
    """Also where it is so much that it is read on another thread."""
    sink = Sink()
    data = SpanBatch.decode(make_request(2000).SerializeToString()).to_json()
    async with http_receiver(sink) as running:
        answer = await post(running, COMPRESSIONS[name](data), JSON, content_encoding=name)

    assert (answer.status, answer.body) == (200, b'{"partialSuccess":{}}')
    assert sink.batches[0].to_json() == data


async def test_malformed_json_is_refused_with_its_place() -> None:
    """In JSON, and nobody else suffers."""
    sink = Sink()
    wrong = b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"abc"}]}]}]}'
    async with http_receiver(sink) as running:
        answer = await post(running, wrong, JSON)
        other = await post(running, REQUEST, JSON)
        assert (await post(running, JSON_REQUEST, JSON)).status == 200

        account = running.settings.account.on("http")

    assert (answer.status, answer.headers["content-type"]) == (400, JSON)
    assert json.loads(answer.body) == {
        "code": 3,
        "message": "invalid JSON at line 1 column 55 in resourceSpans[0].scopeSpans[0].spans[0].traceId: "
        'must be 32 hexadecimal digits, got "abc"',
    }
    assert (other.status, json.loads(other.body)["code"]) == (400, 3)
    assert account.requests_refused == 2
    assert len(sink) == 3


async def test_json_that_is_too_large_is_refused_in_json() -> None:
    """As it comes or inflated."""
    sink = Sink()
    data = SpanBatch.decode(make_request(200).SerializeToString()).to_json()
    async with http_receiver(sink, max_request_body_size=len(data) - 1) as running:
        plain = await post(running, data, JSON)
        packed = await post(running, gzip.compress(data), JSON, content_encoding="gzip")

    for answer in (plain, packed):
        assert (answer.status, answer.headers["content-type"], json.loads(answer.body)["code"]) == (413, JSON, 8)
    assert not sink.batches


REFUSALS: list[tuple[ConsumeError, int, int, str | None, float | None]] = [
    (RetryableError("no room"), 503, 14, "1", 1.0),
    (RetryableError("no room", retry_after=2.5), 503, 14, "3", 2.5),
    (ThrottledError("too much"), 429, 8, "1", 1.0),
    (PermanentError("never"), 500, 13, None, None),
    (TooLargeError("never"), 500, 13, None, None),
    (ComponentError("a bug"), 500, 13, None, None),
    (MalformedError("not OTLP"), 400, 3, None, None),
]


@pytest.mark.parametrize(("error", "status", "code", "retry_after", "delay"), REFUSALS)
async def test_a_refusal_reads_in_http_as_the_table_says(
    error: ConsumeError, status: int, code: int, retry_after: str | None, delay: float | None
) -> None:
    """Clients learn from the status whether to send again, and from a header when."""
    async with http_receiver(Failing(error)) as running:
        answer = await post(running, REQUEST)

        account = running.settings.account.on("http")

    assert (answer.status, answer.headers["content-type"]) == (status, PROTOBUF)
    assert (answer.problem.code, answer.problem.message) == (code, str(error))
    assert (answer.headers.get("retry-after"), answer.delay) == (retry_after, delay)
    assert (account.received, account.refused, account.requests_refused) == (3, 3, 1)


async def test_an_exception_that_is_none_of_ours_is_internal(caplog: pytest.LogCaptureFixture) -> None:
    """The client is not told what the bug is; the log is."""
    async with http_receiver(Failing(ZeroDivisionError("secret"))) as running:
        answer = await post(running, REQUEST)

    assert (answer.status, answer.problem.message) == (500, "internal error")
    assert "secret" in caplog.text


async def test_malformed_bytes_are_refused_between_good_requests() -> None:
    """What cannot be read is refused with what and where, counted, and harms nobody else."""
    sink = Sink()
    async with http_receiver(sink) as running:
        await post(running, REQUEST)
        answer = await post(running, REQUEST[:-3])
        await post(running, REQUEST)

        account = running.settings.account.on("http")

    assert (answer.status, answer.problem.code) == (400, 3)
    assert "byte" in answer.problem.message
    assert len(sink) == 6
    assert (account.requests_malformed, account.requests_refused, account.refused) == (1, 1, 0)


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_a_request_over_the_limit_is_refused_for_good(encoding: str) -> None:
    """The limit holds before and after decompression, and its client can read that while it still sends."""
    sink = Sink()
    large = make_request(1, attributes={"text": "x" * (8 << 20)}).SerializeToString()
    async with http_receiver(sink, max_request_body_size=1 << 20) as running:
        answer = await post(running, COMPRESSIONS[encoding](large), content_encoding=encoding)
        await post(running, REQUEST)

    assert (answer.status, answer.problem.code, answer.headers.get("retry-after")) == (413, 8, None)
    assert len(gzip.compress(large)) < 1 << 20
    assert len(sink) == 3


async def test_the_limit_is_20_mib_where_nothing_is_said() -> None:
    """In chunks, without a length in advance."""
    sink = Sink()
    data = make_request(40, attributes={"text": "x" * 250_000}).SerializeToString()
    assert 8 << 20 < len(data) < 20 << 20
    async with http_receiver(sink) as running:
        assert (await post(running, iter([data[: 5 << 20], data[5 << 20 :]]))).status == 200
        assert (await post(running, iter([data, data, data]))).status == 413

    assert sink.batches[0].encode() == data


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/v1/metrics", "traces only: send metrics elsewhere"),
        ("/v1/logs", "traces only: send logs elsewhere"),
        ("/", "send traces to /v1/traces"),
        ("/v1/traces/", "send traces to /v1/traces"),
        ("/v1/traces/v1/traces", "send traces to /v1/traces"),
    ],
)
async def test_other_paths_are_not_found_and_say_why(path: str, words: str) -> None:
    """An SDK that exports everything to one endpoint reads why this part does not work."""
    async with http_receiver(Sink()) as running:
        answer = await post(running, REQUEST, path=path)
        as_json = await post(running, b"{}", JSON, path=path)
        as_text = await post(running, b"", None, path=path)

    assert (answer.status, answer.problem.code) == (404, 12)
    assert words in answer.problem.message
    assert words in json.loads(as_json.body)["message"]
    assert (as_text.status, as_text.headers["content-type"]) == (404, "text/plain")
    assert words in as_text.body.decode()


async def test_another_path_for_traces_may_be_chosen() -> None:
    """With or without the slash in front, and with a query behind."""
    sink = Sink()
    async with http_receiver(sink, traces_url_path="in/traces") as running:
        assert (await post(running, REQUEST, path="/in/traces?token=1")).status == 200
        assert (await post(running, REQUEST)).status == 404

    assert len(sink) == 3


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "NONSENSE"])
async def test_other_methods_are_not_allowed(method: str) -> None:
    """The answer says which is."""
    async with http_receiver(Sink()) as running:
        answer = await post(running, None, method=method)

    assert (answer.status, answer.headers["allow"], answer.headers["content-type"]) == (405, "POST", "text/plain")
    assert answer.body == (b"" if method == "HEAD" else b"405 method not allowed, supported: [POST]")


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/protobuf", "application/jsonl", ""])
async def test_other_content_types_are_not_supported(content_type: str | None) -> None:
    """The answer says which are."""
    sink = Sink()
    async with http_receiver(sink) as running:
        answer = await post(running, REQUEST, content_type)

    assert (answer.status, answer.headers["content-type"]) == (415, "text/plain")
    assert b"supported: [application/json, application/x-protobuf]" in answer.body
    assert not sink.batches


async def test_a_client_of_grpc_learns_that_this_is_the_wrong_port() -> None:
    """Its spans are not taken, and it is told so in its own words."""
    sink = Sink()
    async with http_receiver(sink) as running:
        host, port = address(running)
        async with grpc.aio.insecure_channel(f"{host}:{port}") as channel:
            call = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(REQUEST, timeout=10)

    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
    assert "this port speaks OTLP over HTTP" in (caught.value.details() or "")
    assert not sink.batches


@needs_curl
async def test_a_client_of_http_learns_that_grpc_is_the_wrong_port() -> None:
    """The native engine answers it, in either version of HTTP."""
    sink = Sink()
    config = OtlpReceiverConfig(protocols=OtlpProtocols(grpc=GrpcServerConfig(endpoint="localhost:0", engine="native")))
    running = OtlpReceiver(config, receiver_settings("otlp"), sink)
    await running.start(StubHost())
    running.http, running.grpc = running.grpc, None
    try:
        answer = await post(running, REQUEST)
        status, _, body = await curl(running, REQUEST, "--http2-prior-knowledge")
    finally:
        await running.shutdown()

    assert answer.status == status == 415
    assert b"OTLP over HTTP has a port of its own" in answer.body
    assert b"OTLP over HTTP has a port of its own" in body
    assert not sink.batches


async def curl(
    running: OtlpReceiver, data: bytes, *options: str, content_type: str = PROTOBUF
) -> tuple[int, str, bytes]:
    """Send with curl, and give status, version and body."""
    host, port = address(running)
    process = await asyncio.create_subprocess_exec(
        *("curl", "--silent", "--max-time", "10", "--data-binary", "@-", "--header", f"Content-Type: {content_type}"),
        *("--write-out", "\n%{http_code} %{http_version}", *options, f"http://{host}:{port}{PATH}"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await asyncio.wait_for(process.communicate(data), 15)
    body, _, line = out.rpartition(b"\n")
    status, version = line.decode().split()
    return int(status), version, body


@needs_curl
@pytest.mark.parametrize(
    ("options", "version"),
    [
        (["--http1.0"], "1"),
        (["--http1.1"], "1.1"),
        (["--http1.1", "--header", "Expect: 100-continue"], "1.1"),
        (["--http1.1", "--header", "Transfer-Encoding: chunked"], "1.1"),
        (["--http2-prior-knowledge"], "2"),
    ],
)
async def test_speaks_every_version_of_http(options: list[str], version: str) -> None:
    """HTTP/2 by prior knowledge, as between services of one house."""
    sink = Sink()
    data = make_request(2000, attributes={"text": "x" * 1000}).SerializeToString()
    async with http_receiver(sink) as running:
        status, spoken, body = await curl(running, data, *options)

    assert (status, spoken, body) == (200, version, b"")
    assert sink.batches[0].encode() == data


@needs_curl
async def test_json_over_http2() -> None:
    """The version changes nothing."""
    sink = Sink()
    async with http_receiver(sink) as running:
        good = await curl(running, JSON_REQUEST, "--http2-prior-knowledge", content_type=JSON)
        bad = await curl(running, JSON_REQUEST[:-1], "--http2-prior-knowledge", content_type=JSON)

    assert good == (200, "2", b'{"partialSuccess":{}}')
    assert bad[:2] == (400, "2")
    assert json.loads(bad[2])["message"].startswith("invalid JSON at line 1 column ")
    assert sink.batches[0].to_json() == JSON_REQUEST


@needs_curl
async def test_an_offer_to_upgrade_is_passed_over() -> None:
    """HTTP/2 by upgrade is no more in RFC 9113; the request itself is answered."""
    sink = Sink()
    async with http_receiver(sink) as running:
        status, version, _ = await curl(running, REQUEST, "--http2")

    assert (status, version) == (200, "1.1")
    assert len(sink) == 3


async def test_cors_lets_pages_of_chosen_origins_send() -> None:
    """A preflight is answered, and answers may be read by the page."""
    cors = CorsConfig(allowed_origins=["https://*.example.com"], allowed_headers=["x-token"], max_age=7)
    sink = Sink()
    async with http_receiver(sink, cors=cors) as running:
        asked = {"access_control_request_method": "POST", "access_control_request_headers": "content-type,x-token"}
        good = await post(running, None, None, method="OPTIONS", origin="https://app.example.com", **asked)
        other = await post(running, None, None, method="OPTIONS", origin="https://example.org", **asked)
        sent = await post(running, REQUEST, origin="https://app.example.com")
        stranger = await post(running, REQUEST, origin="https://example.org")

    assert (good.status, other.status) == (204, 204)
    assert good.headers["access-control-allow-origin"] == "https://app.example.com"
    assert good.headers["access-control-allow-headers"] == "content-type,x-token"
    assert good.headers["access-control-max-age"] == "7"
    assert "access-control-allow-origin" not in other.headers
    assert (sent.status, sent.headers["access-control-allow-origin"]) == (200, "https://app.example.com")
    assert "access-control-allow-origin" not in stranger.headers
    assert len(sink) == 6


@pytest.mark.parametrize("include", [True, False])
async def test_who_sent_a_request_travels_along_when_somebody_reads_it(include: bool) -> None:
    """The peer always, the headers with `include_metadata`."""
    sink = Sink()
    http = OtlpHttpConfig(endpoint="localhost:0", include_metadata=include)
    running = OtlpReceiver(OtlpReceiverConfig(protocols=OtlpProtocols(http=http)), receiver_settings(), sink)
    running.needs_origin = True
    await running.start(StubHost())
    await post(running, REQUEST, tenant="a")
    await running.shutdown()

    [batch] = sink.batches
    assert isinstance(batch, SpanBatch)
    assert batch.origin
    assert batch.origin.peer.startswith("127.0.0.1:")
    assert batch.origin.metadata.get("tenant") == (["a"] if include else None)


async def test_a_port_in_use_is_a_clear_start_error_and_leaves_nothing_behind() -> None:
    """The server of gRPC that had started is stopped again."""
    async with http_receiver(Sink()) as first:
        host, port = address(first)
        config = OtlpReceiverConfig(
            protocols=OtlpProtocols(
                grpc=GrpcServerConfig(endpoint="localhost:0"), http=OtlpHttpConfig(endpoint=f"{host}:{port}")
            )
        )
        second = OtlpReceiver(config, receiver_settings("otlp"), Sink())
        with pytest.raises(StartError) as caught:
            await second.start(StubHost())

    assert str(caught.value) == f"protocols::http::endpoint: cannot listen on {host}:{port}: address already in use"
    assert second.grpc is None


def test_http_alone_works_without_grpcio() -> None:
    """Who does not speak gRPC does not load it."""
    program = (
        "import asyncio, sys\n"
        "from collector.testing import Sink, StubHost, receiver_settings\n"
        "from collector.receivers.otlp import *\n"
        "async def main():\n"
        "    http = OtlpHttpConfig(endpoint='localhost:0')\n"
        "    config = OtlpReceiverConfig(protocols=OtlpProtocols(http=http))\n"
        "    running = OtlpReceiver(config, receiver_settings(), Sink())\n"
        "    await running.start(StubHost())\n"
        "    await running.shutdown()\n"
        "asyncio.run(main())\n"
        "assert 'grpc' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30, cwd=Path(__file__).parents[2])
