"""Batches on their way over gRPC, against a real server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration as ProtobufDuration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from self_signed import Identity

from collector.component import Delivery
from collector.config.types import Duration, FieldError
from collector.errors import PermanentError, RetryableError, StartError, TooLargeError
from collector.testing import StubHost, exporter_settings, make_spans
from collector.transport.client import KeepaliveClientConfig, target
from collector.transport.headers import Header
from collector.transport.tls import ClientTlsConfig
from exporters.otlp_grpc import OtlpGrpcConfig, OtlpGrpcExporter, delivery

PLAIN = ClientTlsConfig(insecure=True)

Answer = Callable[[bytes, grpc.aio.ServicerContext], Any]


async def take(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
    return b""


class Backend:
    """A gRPC server that keeps requests and their metadata, and answers as told."""

    def __init__(self, answer: Answer = take) -> None:
        self.answer = answer
        self.requests: list[bytes] = []
        self.metadata: list[dict[str, Any]] = []
        self.port = 0

    async def _export(self, request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        self.requests.append(request)
        self.metadata.append(dict(context.invocation_metadata() or ()))
        answer: bytes = await self.answer(request, context)
        return answer

    @asynccontextmanager
    async def serve(
        self, credentials: grpc.ServerCredentials | None = None, address: str = "127.0.0.1:0"
    ) -> AsyncIterator["Backend"]:
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        service = "opentelemetry.proto.collector.trace.v1.TraceService"
        handlers = {"Export": grpc.unary_unary_rpc_method_handler(self._export)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
        if credentials:
            self.port = server.add_secure_port(address, credentials)
        else:
            self.port = server.add_insecure_port(address)
        await server.start()
        try:
            yield self
        finally:
            await server.stop(None)


@pytest.fixture(params=["grpcio", "native"])
def engine(request: pytest.FixtureRequest) -> str:
    """Each is the other's judge."""
    return str(request.param)


@asynccontextmanager
async def exporter_to(engine: str, endpoint: str, **options: Any) -> AsyncIterator[OtlpGrpcExporter]:
    config = OtlpGrpcConfig(**{"endpoint": endpoint, "engine": engine, "tls": PLAIN, **options})
    exporter = OtlpGrpcExporter(config, exporter_settings("otlp"))
    await exporter.start(StubHost())
    try:
        yield exporter
    finally:
        await exporter.shutdown()


def refusing(code: grpc.StatusCode, details: str, retry_delay: float | None = None) -> Answer:
    """Answer every request with a status, with a RetryInfo if there is a delay."""

    async def answer(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        trailing: tuple[tuple[str, bytes], ...] = ()
        if retry_delay is not None:
            info = AnyMessage()
            info.Pack(RetryInfo(retry_delay=ProtobufDuration(nanos=int(retry_delay * 1e9))))
            status = Status(code=code.value[0], message=details, details=[info])
            trailing = (("grpc-status-details-bin", status.SerializeToString()),)
        await context.abort(code, details, trailing)
        return b""

    return answer


@pytest.mark.parametrize("compression", ["gzip", "none"])
async def test_sends_the_bytes_of_the_batch(compression: str, engine: str) -> None:
    """What arrives is what was held, with the headers of the configuration."""
    batch = make_spans(100)
    async with (
        Backend().serve() as backend,
        exporter_to(
            engine, f"http://127.0.0.1:{backend.port}", compression=compression, headers={"X-Tenant": "research"}
        ) as exporter,
    ):
        assert await exporter.export(batch) == Delivery()

    assert backend.requests == [batch.encode()]
    assert backend.metadata[0]["x-tenant"] == "research"
    assert backend.metadata[0]["user-agent"].startswith("spanmill")


async def test_sends_to_a_unix_socket(tmp_path: Path, engine: str) -> None:
    """`unix://` is an endpoint like any other."""
    path = tmp_path / "backend.sock"
    async with Backend().serve(address=f"unix:{path}") as backend, exporter_to(engine, f"unix://{path}") as exporter:
        await exporter.export(make_spans(1))

    assert len(backend.requests) == 1


async def test_a_message_of_any_size_is_sent(engine: str) -> None:
    """The server's limit counts, not ours, and going over it is an error of its own."""
    batch = make_spans(100, attributes={"text": "x" * 60_000})
    async with (
        Backend().serve() as backend,
        exporter_to(engine, f"127.0.0.1:{backend.port}", compression="none") as exporter,
    ):
        with pytest.raises(TooLargeError, match="larger than max"):
            await exporter.export(batch)


@pytest.mark.parametrize(
    "code",
    [
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    ],
)
async def test_what_may_be_sent_again(code: grpc.StatusCode, engine: str) -> None:
    """These six of OTLP's table."""
    async with (
        Backend(refusing(code, "not now")).serve() as backend,
        exporter_to(engine, f"127.0.0.1:{backend.port}") as exporter,
    ):
        with pytest.raises(RetryableError, match=f"{code.name}: not now") as caught:
            await exporter.export(make_spans(1))

    assert caught.value.retry_after is None


@pytest.mark.parametrize(
    "code",
    [
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.ALREADY_EXISTS,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    ],
)
async def test_what_must_not_be_sent_again(code: grpc.StatusCode, engine: str) -> None:
    """All others, and RESOURCE_EXHAUSTED as long as nothing says when it is over."""
    async with (
        Backend(refusing(code, "never")).serve() as backend,
        exporter_to(engine, f"127.0.0.1:{backend.port}") as exporter,
    ):
        with pytest.raises(PermanentError, match=f"{code.name}: never"):
            await exporter.export(make_spans(1))


@pytest.mark.parametrize("code", [grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE])
async def test_the_backend_may_say_when(code: grpc.StatusCode, engine: str) -> None:
    """A RetryInfo makes the error one for later, and carries the delay."""
    async with (
        Backend(refusing(code, "slow down", 0.25)).serve() as backend,
        exporter_to(engine, f"127.0.0.1:{backend.port}") as exporter,
    ):
        with pytest.raises(RetryableError) as caught:
            await exporter.export(make_spans(1))

    assert caught.value.retry_after == 0.25


@pytest.mark.parametrize(
    ("code", "details"),
    [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "grpc: received message larger than max (5000000 vs. 4194304)"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "gRPC message exceeds maximum size 4194304: 5000000"),
        (
            grpc.StatusCode.OUT_OF_RANGE,
            "Error, decoded message length too large: found 5000000 bytes, the limit is: 4194304 bytes",
        ),
    ],
)
async def test_knows_what_too_large_is_called(code: grpc.StatusCode, details: str, engine: str) -> None:
    """The libraries for Go, Java and Rust say it in their own ways."""
    async with (
        Backend(refusing(code, details)).serve() as backend,
        exporter_to(engine, f"127.0.0.1:{backend.port}") as exporter,
    ):
        with pytest.raises(TooLargeError):
            await exporter.export(make_spans(1))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"", Delivery()),
        (b"\n\x00", Delivery()),
        (b"\n\x02\x08\x07", Delivery(rejected=7)),
        (b"\xff\xff", Delivery(message="an answer that cannot be read")),
    ],
)
def test_reads_the_answer(answer: bytes, expected: Delivery) -> None:
    """Empty in both ways is full success, and what cannot be read is success too: the spans are there."""
    assert delivery(answer) == expected


async def test_a_partial_success_is_reported(engine: str) -> None:
    """Rejected spans and advice come back."""
    response = ExportTraceServiceResponse()
    response.partial_success.rejected_spans = 2
    response.partial_success.error_message = "too old"

    async def partly(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        return response.SerializeToString()

    async with Backend(partly).serve() as backend, exporter_to(engine, f"127.0.0.1:{backend.port}") as exporter:
        assert await exporter.export(make_spans(3)) == Delivery(rejected=2, message="too old")


async def test_a_backend_that_is_not_there_is_no_error_at_start(engine: str) -> None:
    """Sending fails for now, and works when it comes up."""
    async with Backend().serve() as backend:
        address = f"127.0.0.1:{backend.port}"
    async with exporter_to(engine, address) as exporter:
        with pytest.raises(RetryableError, match="UNAVAILABLE"):
            await exporter.export(make_spans(1))


async def test_a_slow_backend_runs_out_of_time(engine: str) -> None:
    """The timeout is the server's as well."""
    left: list[float] = []

    async def slow(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        left.append(context.time_remaining())
        await asyncio.sleep(10)
        return b""

    async with (
        Backend(slow).serve() as backend,
        exporter_to(engine, f"127.0.0.1:{backend.port}", timeout=Duration(0.2)) as exporter,
    ):
        with pytest.raises(RetryableError, match="DEADLINE_EXCEEDED"):
            await exporter.export(make_spans(1))

    assert 0 < left[0] <= 0.21


# --- TLS


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return Identity(tmp_path_factory.mktemp("server"), "backend.test")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return Identity(tmp_path_factory.mktemp("client"), "client.test")


async def test_speaks_tls_unless_told_otherwise(server: Identity, engine: str) -> None:
    """The certificate is checked against `ca_file`, whatever the scheme says and `insecure` too."""
    credentials = grpc.ssl_server_credentials([(server.key, server.certificate)])
    tls = ClientTlsConfig(ca_file=str(server.cert_file), insecure=True)
    async with (
        Backend().serve(credentials) as backend,
        exporter_to(engine, f"http://127.0.0.1:{backend.port}", tls=tls) as exporter,
    ):
        await exporter.export(make_spans(1))

    assert len(backend.requests) == 1


async def test_a_certificate_of_somebody_else_is_refused(server: Identity, client: Identity, engine: str) -> None:
    """The batch is kept: an operator may put that right."""
    credentials = grpc.ssl_server_credentials([(server.key, server.certificate)])
    tls = ClientTlsConfig(ca_file=str(client.cert_file))
    async with (
        Backend().serve(credentials) as backend,
        exporter_to(engine, f"127.0.0.1:{backend.port}", tls=tls) as exporter,
    ):
        with pytest.raises(RetryableError, match=r"CERTIFICATE_VERIFY_FAILED|certificate is not valid"):
            await exporter.export(make_spans(1))


async def test_shows_a_certificate_of_its_own(server: Identity, client: Identity, engine: str) -> None:
    """A server that asks for one gets it, under the name it is asked for."""
    credentials = grpc.ssl_server_credentials(
        [(server.key, server.certificate)], root_certificates=client.certificate, require_client_auth=True
    )
    tls = ClientTlsConfig(
        ca_pem=server.certificate.decode(),
        cert_file=str(client.cert_file),
        key_file=str(client.key_file),
        server_name_override="backend.test",
    )
    async with (
        Backend().serve(credentials) as backend,
        exporter_to(engine, f"127.0.0.1:{backend.port}", tls=tls) as exporter,
    ):
        await exporter.export(make_spans(1))

    assert len(backend.requests) == 1


async def test_names_the_option_that_speaks_plaintext(engine: str) -> None:
    """`http://` does not switch TLS off, which is what most people meant by it."""
    async with (
        Backend().serve() as backend,
        exporter_to(engine, f"http://127.0.0.1:{backend.port}", tls=ClientTlsConfig()) as exporter,
    ):
        with pytest.raises(
            RetryableError, match=r"set tls\.insecure to true .*\(http:// in endpoint does not do that\)"
        ):
            await exporter.export(make_spans(1))


async def test_a_missing_file_is_an_error_at_start(engine: str) -> None:
    """The option is named."""
    with pytest.raises(StartError, match=r"tls::ca_file: cannot read /nowhere/ca\.pem: No such file or directory"):
        async with exporter_to(engine, "127.0.0.1:1", tls=ClientTlsConfig(ca_file="/nowhere/ca.pem")):
            pass


# --- configuration


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("backend:4317", "backend:4317"),
        ("http://backend:4317", "backend:4317"),
        ("https://backend:4317/", "backend:4317"),
        ("dns:///backend:4317", "dns:///backend:4317"),
        ("dns://8.8.8.8/backend:4317", "dns://8.8.8.8/backend:4317"),
        ("passthrough:///backend:4317", "backend:4317"),
        ("unix:///run/backend.sock", "unix:/run/backend.sock"),
        ("unix:run/backend.sock", "unix:run/backend.sock"),
        ("ipv4:10.0.0.1:4317,10.0.0.2:4317", "ipv4:10.0.0.1:4317,10.0.0.2:4317"),
        ("[::1]:4317", "[::1]:4317"),
        (":4317", "localhost:4317"),
    ],
)
def test_endpoints(endpoint: str, expected: str) -> None:
    """All forms that the Go collector takes."""
    assert target(endpoint) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"endpoint": ""}, "endpoint: is required, such as backend:4317"),
        ({"endpoint": "backend"}, "endpoint: must be host:port, such as backend:4317, got 'backend'"),
        ({"endpoint": "http://backend"}, "endpoint: must be host:port, such as backend:4317, got 'http://backend'"),
        ({"endpoint": "backend:otlp"}, "endpoint: must be host:port, such as backend:4317, got 'backend:otlp'"),
        ({"endpoint": "backend:65536"}, "endpoint: must be host:port, such as backend:4317, got 'backend:65536'"),
        (
            {"endpoint": "unix://"},
            "endpoint: the path of the unix socket is missing, such as unix:///run/backend.sock",
        ),
        (
            {"compression": "zstd", "engine": "grpcio"},
            "compression: zstd is not supported by the grpcio engine; use gzip or none",
        ),
        (
            {"auth": {"authenticator": "x"}, "tls": PLAIN},
            "auth: credentials are sent over TLS only: remove tls::insecure",
        ),
        ({"headers": {"x tenant": "a"}}, "headers: 'x tenant' cannot be the name of a gRPC header"),
        (
            {"headers": [Header(name="a", value="1"), Header(name="A", value="2")]},
            "headers: 'A' is there twice",
        ),
        ({"headers": {"a": "ü"}}, "headers: the value of 'a' must be printable ASCII"),
        ({"timeout": Duration(-1)}, "timeout: must be 0 or more, got -1s"),
    ],
)
def test_refuses(options: dict[str, Any], message: str) -> None:
    """Each of these is a mistake, and the message names the field."""
    with pytest.raises(FieldError) as caught:
        OtlpGrpcConfig(**{"endpoint": "backend:4317", **options})

    assert str(caught.value) == message


async def test_keepalive_and_authority_are_taken(engine: str) -> None:
    """They reach the library, which takes them."""
    async with (
        Backend().serve() as backend,
        exporter_to(
            engine,
            f"127.0.0.1:{backend.port}",
            keepalive=KeepaliveClientConfig(),
            authority="tenant.test",
            wait_for_ready=True,
        ) as exporter,
    ):
        await exporter.export(make_spans(1))

    assert len(backend.requests) == 1


@pytest.mark.parametrize(
    ("endpoint", "engine"),
    [
        ("backend:4317", "native"),
        ("https://backend:4317", "native"),
        ("dns:///backend:4317", "native"),
        ("unix:///run/backend.sock", "native"),
        ("ipv4:10.0.0.1:4317,10.0.0.2:4317", "native"),
        ("dns://8.8.8.8/backend:4317", "grpcio"),
        ("xds:///backend", "grpcio"),
        ("vsock:1:4317", "grpcio"),
    ],
)
def test_the_engine_is_the_one_that_knows_the_endpoint(endpoint: str, engine: str) -> None:
    """The kernel sends wherever it can, unless something else is asked for."""
    assert OtlpGrpcConfig(endpoint=endpoint).chosen_engine == engine
    assert OtlpGrpcConfig(endpoint=endpoint, engine="grpcio").chosen_engine == "grpcio"
