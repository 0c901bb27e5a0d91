"""The OTLP receiver, spoken to by a real gRPC client."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import functools
import gzip
import ipaddress
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import grpc
import grpc.aio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from collector.component import Consumer
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
from collector.testing import Blocking, Failing, Sink, StubHost, make_request, receiver_settings
from collector.transport.settings import GrpcServerConfig
from collector.transport.tls import ServerTlsConfig

SERVICE = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@contextlib.asynccontextmanager
async def running_receiver(next: Consumer, **grpc_options: Any) -> AsyncIterator[OtlpReceiver]:
    config = OtlpReceiverConfig(
        protocols=OtlpProtocols(grpc=GrpcServerConfig(**{"endpoint": "localhost:0", **grpc_options}))
    )
    running = OtlpReceiver(config, receiver_settings("otlp"), next)
    await running.start(StubHost())
    try:
        yield running
    finally:
        await running.shutdown()
        assert running.settings.account.problem() is None


Receive = Callable[..., contextlib.AbstractAsyncContextManager[OtlpReceiver]]


@pytest.fixture(params=["grpcio", "native"])
def receiver(request: pytest.FixtureRequest) -> Receive:
    """A receiver on each engine: both keep the same promises."""
    return functools.partial(running_receiver, engine=request.param)


def address(running: OtlpReceiver) -> str:
    assert running.grpc is not None
    return running.grpc.address


async def send(
    target: str, data: bytes, *, method: str = SERVICE, credentials: grpc.ChannelCredentials | None = None, **call: Any
) -> bytes:
    opened = grpc.aio.secure_channel(target, credentials) if credentials else grpc.aio.insecure_channel(target)
    async with opened as channel:
        answer: bytes = await channel.unary_unary(method)(data, timeout=10, **call)
        return answer


async def refusal(target: str, data: bytes, **call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await send(target, data, **call)
    return caught.value


def retry_delay(error: grpc.aio.AioRpcError) -> float | None:
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            info = RetryInfo()
            assert Status.FromString(value).details[0].Unpack(info)
            return info.retry_delay.ToMilliseconds() / 1000
    return None


async def test_hands_on_what_it_receives_and_answers_with_nothing(receiver: Receive) -> None:
    """A success is an empty message: partial success stays unset."""
    sink = Sink()
    async with receiver(sink) as running:
        answer = await send(address(running), make_request(3).SerializeToString())

        account = running.settings.account.on("grpc")

    assert answer == b""
    assert [span.name for span in sink.spans] == ["span 0", "span 1", "span 2"]
    assert (account.received, account.accepted, account.requests_accepted) == (3, 3, 1)


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
async def test_takes_compressed_requests(receiver: Receive, compression: grpc.Compression) -> None:
    """They are inflated before they are read."""
    sink = Sink()
    async with receiver(sink) as running:
        data = make_request(200).SerializeToString()

        await send(address(running), data, compression=compression)

    assert sink.batches[0].encode() == data


async def test_an_empty_request_succeeds_without_the_pipeline(receiver: Receive) -> None:
    """Nobody downstream hears of a request without spans."""
    downstream = Failing()
    async with receiver(downstream) as running:
        assert await send(address(running), b"") == b""

        account = running.settings.account.on("grpc")

    assert downstream.refused == 0
    assert (account.requests_accepted, account.accepted) == (1, 0)


@pytest.mark.parametrize(
    ("error", "code", "delay"),
    [
        (RetryableError("no room"), grpc.StatusCode.UNAVAILABLE, 1.0),
        (RetryableError("no room", retry_after=2.5), grpc.StatusCode.UNAVAILABLE, 2.5),
        (ThrottledError("too much"), grpc.StatusCode.RESOURCE_EXHAUSTED, 1.0),
        (PermanentError("never"), grpc.StatusCode.INTERNAL, None),
        (TooLargeError("never"), grpc.StatusCode.INTERNAL, None),
        (ComponentError("a bug"), grpc.StatusCode.INTERNAL, None),
        (MalformedError("not OTLP"), grpc.StatusCode.INVALID_ARGUMENT, None),
    ],
)
async def test_a_refusal_reads_in_grpc_as_the_table_says(
    receiver: Receive, error: ConsumeError, code: grpc.StatusCode, delay: float | None
) -> None:
    """Clients learn from the status whether, and when, to send again."""
    async with receiver(Failing(error)) as running:
        told = await refusal(address(running), make_request(2).SerializeToString())

        account = running.settings.account.on("grpc")

    assert (told.code(), told.details(), retry_delay(told)) == (code, str(error), delay)
    assert (account.received, account.refused, account.requests_refused) == (2, 2, 1)


async def test_an_exception_that_is_none_of_ours_is_internal(
    receiver: Receive, caplog: pytest.LogCaptureFixture
) -> None:
    """The client is not told what the bug is; the log is."""
    async with receiver(Failing(ZeroDivisionError("secret"))) as running:
        told = await refusal(address(running), make_request(1).SerializeToString())

    assert (told.code(), told.details()) == (grpc.StatusCode.INTERNAL, "internal error")
    assert "secret" in caplog.text


async def test_malformed_bytes_are_refused_between_good_requests(receiver: Receive) -> None:
    """What cannot be read is refused with what and where, counted, and harms nobody else."""
    sink = Sink()
    good = make_request(1).SerializeToString()
    async with receiver(sink) as running:
        await send(address(running), good)
        told = await refusal(address(running), good[:-3])
        await send(address(running), good)

        account = running.settings.account.on("grpc")

    assert told.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "byte" in (told.details() or "")
    assert len(sink) == 2
    assert (account.requests_malformed, account.requests_refused, account.refused) == (1, 1, 0)


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
async def test_a_request_over_the_limit_is_refused_for_good(receiver: Receive, compression: grpc.Compression) -> None:
    """The limit holds after decompression, and carries no RetryInfo: the same request will never pass."""
    sink = Sink()
    async with receiver(sink, max_recv_msg_size_mib=1) as running:
        large = make_request(1, attributes={"text": "x" * (2 << 20)}).SerializeToString()
        told = await refusal(address(running), large, compression=compression)
        await send(address(running), make_request(1).SerializeToString())

    assert (told.code(), retry_delay(told)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, None)
    assert len(gzip.compress(large)) < 1 << 20
    assert len(sink) == 1


async def test_a_large_request_passes_whole(receiver: Receive) -> None:
    """Beyond a megabyte the work moves to a thread, and the result is the same."""
    sink = Sink()
    data = make_request(40, attributes={"text": "x" * 50_000}).SerializeToString()
    async with receiver(sink) as running:
        await send(address(running), data)

    assert sink.batches[0].encode() == data


@pytest.mark.parametrize("signal", ["metrics", "logs"])
async def test_other_signals_are_told_that_they_are_wrong_here(receiver: Receive, signal: str) -> None:
    """An SDK that exports everything to one endpoint reads why this part does not work."""
    method = f"/opentelemetry.proto.collector.{signal}.v1.{signal.capitalize()}Service/Export"
    async with receiver(Sink()) as running:
        told = await refusal(address(running), b"", method=method)

    assert told.code() == grpc.StatusCode.UNIMPLEMENTED
    assert f"traces only: send {signal} elsewhere" in (told.details() or "")


async def test_a_client_that_cancels_takes_its_request_back(receiver: Receive) -> None:
    """The await in the pipeline is cancelled, and the spans count as refused."""
    downstream = Blocking()
    async with receiver(downstream) as running, grpc.aio.insecure_channel(address(running)) as channel:
        call = channel.unary_unary(SERVICE)(make_request(2).SerializeToString())
        sending = asyncio.ensure_future(call)
        await asyncio.wait_for(downstream.entered.wait(), 5)

        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        async with asyncio.timeout(5):
            while downstream.waiting:  # noqa: ASYNC110  the server hears of it over a socket
                await asyncio.sleep(0.01)
        account = running.settings.account.on("grpc")

    assert len(downstream) == 0
    assert (account.received, account.refused) == (2, 2)


async def test_shutdown_answers_what_is_under_way(receiver: Receive) -> None:
    """A request that has arrived is finished, and no other is accepted."""
    downstream = Blocking()
    async with receiver(downstream) as running, grpc.aio.insecure_channel(address(running)) as channel:
        answer = asyncio.ensure_future(channel.unary_unary(SERVICE)(make_request(2).SerializeToString()))
        await asyncio.wait_for(downstream.entered.wait(), 5)
        stopping = asyncio.create_task(running.shutdown())
        await asyncio.sleep(0)
        assert not stopping.done()

        downstream.release()

        assert await answer == b""
        await asyncio.wait_for(stopping, 5)
    assert len(downstream) == 2


async def test_a_shutdown_that_is_cancelled_breaks_off(receiver: Receive) -> None:
    """At the deadline nobody waits for a stuck pipeline: its clients are told, and keep their spans."""
    downstream = Blocking()
    async with receiver(downstream) as running, grpc.aio.insecure_channel(address(running)) as channel:
        answer = asyncio.ensure_future(channel.unary_unary(SERVICE)(make_request(2).SerializeToString()))
        await asyncio.wait_for(downstream.entered.wait(), 5)

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(running.shutdown(), 0.05)
        [told] = await asyncio.gather(answer, return_exceptions=True)

        account = running.settings.account.on("grpc")
    assert isinstance(told, grpc.aio.AioRpcError)
    assert told.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
    assert (account.received, account.refused) == (2, 2)


async def test_listens_on_a_unix_socket(tmp_path: Path) -> None:
    """`transport: unix` takes a path."""
    sink = Sink()
    path = tmp_path / "otlp.sock"
    async with running_receiver(sink, transport="unix", endpoint=str(path)) as running:
        await send(f"unix:{path}", make_request(1).SerializeToString())
        assert address(running) == f"unix:{path}"

    assert len(sink) == 1


async def test_a_port_in_use_is_a_clear_start_error(receiver: Receive) -> None:
    """Two collectors on one port do not share it silently."""
    async with receiver(Sink()) as first:
        taken = address(first)
        with pytest.raises(StartError) as caught:
            async with receiver(Sink(), endpoint=taken):
                pass

    assert str(caught.value) == f"protocols::grpc::endpoint: cannot listen on {taken}: address already in use"


async def test_a_unix_socket_in_use_is_a_clear_start_error(tmp_path: Path) -> None:
    """A second collector does not take the socket away."""
    path = str(tmp_path / "otlp.sock")
    async with running_receiver(Sink(), transport="unix", endpoint=path):
        with pytest.raises(StartError, match="another process listens there"):
            async with running_receiver(Sink(), transport="unix", endpoint=path):
                pass


@pytest.mark.parametrize("engine", ["grpcio", "native"])
async def test_who_sent_a_request_travels_along_when_somebody_reads_it(engine: Literal["grpcio", "native"]) -> None:
    """The peer always, the headers with `include_metadata`; without a reader neither."""
    for wanted, include in ((False, True), (True, False), (True, True)):
        sink = Sink()
        config = OtlpReceiverConfig(
            protocols=OtlpProtocols(
                grpc=GrpcServerConfig(endpoint="localhost:0", engine=engine, include_metadata=include)
            )
        )
        running = OtlpReceiver(config, receiver_settings(), sink)
        running.needs_origin = wanted
        await running.start(StubHost())
        await send(address(running), make_request(1).SerializeToString(), metadata=(("tenant", "a"), ("tenant", "b")))
        await running.shutdown()

        origin = sink.batches[0].origin
        assert (origin is not None) == wanted
        if origin:
            assert origin.peer.startswith("127.0.0.1:")
            assert origin.metadata.get("tenant") == (["a", "b"] if include else None)


# --- TLS


@dataclass
class Identity:
    key: Path
    cert: Path

    @property
    def pem(self) -> tuple[bytes, bytes]:
        return self.key.read_bytes(), self.cert.read_bytes()


class Authority:
    """Issues certificates for the length of a test."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        self.ca = directory / "ca.pem"
        self._write(self.ca, self._sign(self.name, self.key, ca=True))

    def issue(self, name: str) -> Identity:
        key = ec.generate_private_key(ec.SECP256R1())
        identity = Identity(self.directory / f"{name}.key", self.directory / f"{name}.pem")
        identity.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._write(identity.cert, self._sign(subject, key, ca=False))
        return identity

    def _sign(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, ca: bool) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        names = x509.SubjectAlternativeName(
            [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        )
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(names, critical=False)
            .sign(self.key, hashes.SHA256())
        )

    @staticmethod
    def _write(path: Path, certificate: x509.Certificate) -> None:
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def test_speaks_tls(authority: Authority) -> None:
    """A certificate and a key switch TLS on; who speaks without is not heard."""
    server = authority.issue("server")
    sink = Sink()
    tls = ServerTlsConfig(cert_file=str(server.cert), key_pem=server.key.read_text())
    async with running_receiver(sink, tls=tls) as running:
        trusting = grpc.ssl_channel_credentials(authority.ca.read_bytes())
        await send(address(running), make_request(1).SerializeToString(), credentials=trusting)
        told = await refusal(address(running), make_request(1).SerializeToString())

    assert len(sink) == 1
    assert told.code() == grpc.StatusCode.UNAVAILABLE


async def test_asks_clients_for_a_certificate(authority: Authority) -> None:
    """`client_ca_file` is mTLS: who shows no certificate is not heard."""
    server, client = authority.issue("server"), authority.issue("client")
    sink = Sink()
    tls = ServerTlsConfig(cert_file=str(server.cert), key_file=str(server.key), client_ca_file=str(authority.ca))
    async with running_receiver(sink, tls=tls) as running:
        ca = authority.ca.read_bytes()
        known = grpc.ssl_channel_credentials(ca, *client.pem)
        await send(address(running), make_request(1).SerializeToString(), credentials=known)
        anonymous = grpc.ssl_channel_credentials(ca)
        told = await refusal(address(running), make_request(1).SerializeToString(), credentials=anonymous)

    assert len(sink) == 1
    assert told.code() == grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_version": "1.3"}, "protocols::grpc::tls::min_version: grpcio speaks TLS 1.2 and 1.3"),
        ({"max_version": "1.2"}, "protocols::grpc::tls::max_version: grpcio speaks TLS 1.2 and 1.3"),
        ({"cipher_suites": ["TLS_RSA_WITH_AES_128_CBC_SHA"]}, "protocols::grpc::tls::cipher_suites: grpcio cannot"),
        ({"curve_preferences": ["P256"]}, "protocols::grpc::tls::curve_preferences: grpcio cannot"),
        ({"client_ca_file_reload": True}, "protocols::grpc::tls::client_ca_file_reload: grpcio reads"),
        (
            {"client_ca_file": "/nowhere/ca.pem"},
            "protocols::grpc::tls::client_ca_file: cannot read /nowhere/ca.pem: No",
        ),
    ],
)
async def test_what_grpcio_cannot_do_is_refused_at_start_by_name(
    authority: Authority, options: dict[str, Any], message: str
) -> None:
    """An operator who asks for a minimum TLS version must not get another."""
    server = authority.issue("server")
    with pytest.raises(StartError) as caught:
        async with running_receiver(
            Sink(), tls=ServerTlsConfig(cert_file=str(server.cert), key_file=str(server.key), **options)
        ):
            pass

    assert str(caught.value).startswith(message)
