"""A gRPC client for one method, on grpcio, with raw bytes: no message is built for what is sent.

An answer is bytes. Everything else is one of our errors, by the table of the OTLP specification: what may be sent
again, after how long, what is too large, and what will never be taken.
"""

from __future__ import annotations

import platform
import re
import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from collector.errors import ConsumeError, PermanentError, RetryableError, StartError, TooLargeError
from collector.transport.client import GrpcClientConfig, target
from collector.transport.grpcio import grpc
from collector.transport.tls import ClientTlsConfig

_RETRYABLE = frozenset(
    {
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
"""https://opentelemetry.io/docs/specs/otlp/#failures; RESOURCE_EXHAUSTED belongs to them if it has a RetryInfo."""

_TOO_LARGE = re.compile(r"larger than max|message length too large|exceeds (the )?maximum", re.IGNORECASE)
"""What gRPC's libraries for C, Go, Rust, Java and .NET say of a message over the limit of the server."""

_NO_TLS_THERE = re.compile(r"WRONG_VERSION_NUMBER|first record does not look like a TLS handshake")

_STATUS_DETAILS = "grpc-status-details-bin"


class GrpcClient:
    """One channel, one method. `timeout` is told to the server with every request; 0 is none."""

    def __init__(self, config: GrpcClientConfig, method: str, timeout: float) -> None:
        self._config = config
        self._timeout = timeout or None
        self._method = method
        self._metadata = config.metadata
        self._channel: grpc.aio.Channel | None = None
        self._call: Any = None

    def open(self) -> None:
        """Make the channel. It connects by itself when it is used first. Raises `StartError` for unusable files."""
        config = self._config
        compression = grpc.Compression.Gzip if config.compression == "gzip" else grpc.Compression.NoCompression
        address, options = target(config.endpoint), _options(config)
        if config.plaintext or config.tls is None:
            self._channel = grpc.aio.insecure_channel(address, options, compression)
        else:
            self._channel = grpc.aio.secure_channel(address, _credentials(config.tls), options, compression)
        self._call = self._channel.unary_unary(self._method)

    async def call(self, message: bytes) -> bytes:
        """Send one request and give the answer. Raises `ConsumeError`."""
        try:
            answer: bytes = await self._call(
                message, timeout=self._timeout, metadata=self._metadata, wait_for_ready=self._config.wait_for_ready
            )
        except grpc.aio.AioRpcError as error:
            details = error.details() or ""
            if _NO_TLS_THERE.search(details):
                details += f"; {self._plaintext_hint()}"
            raise refusal(error.code(), details, error.trailing_metadata() or ()) from error
        return answer

    async def close(self) -> None:
        """Close the channel. May be called twice, and without `open`."""
        if self._channel is not None:
            await self._channel.close()
            self._channel = None

    def _plaintext_hint(self) -> str:
        hint = "the server answers without TLS: set tls.insecure to true to speak plaintext"
        if self._config.endpoint.startswith("http://"):
            return f"{hint} (http:// in endpoint does not do that)"
        return hint


def refusal(code: grpc.StatusCode, details: str, trailing: Iterable[tuple[str, str | bytes]]) -> ConsumeError:
    """Turn a status into an error."""
    text = f"{code.name}: {details}" if details else code.name
    wait = _retry_delay(trailing)
    if wait is None and code in {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.OUT_OF_RANGE}:
        if _TOO_LARGE.search(details):
            return TooLargeError(text)
        if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
            return PermanentError(text)
    if code in _RETRYABLE or code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return RetryableError(text, retry_after=wait)
    return PermanentError(text)


def _retry_delay(trailing: Iterable[tuple[str, str | bytes]]) -> float | None:
    """Find the delay of a `google.rpc.RetryInfo`, in seconds; `None` if the status has none."""
    packed = next((value for key, value in trailing if key == _STATUS_DETAILS), None)
    if packed is None:
        return None
    info = RetryInfo()
    try:
        status = Status.FromString(packed if isinstance(packed, bytes) else packed.encode("latin-1"))
        for detail in status.details:
            if detail.Is(RetryInfo.DESCRIPTOR) and detail.Unpack(info):
                return max(0.0, float(info.retry_delay.seconds + info.retry_delay.nanos * 1e-9))
    except DecodeError:
        pass
    return None


def _credentials(tls: ClientTlsConfig) -> grpc.ChannelCredentials:
    try:
        authorities, identity = tls.read_authorities(), tls.read_identity()
    except StartError as error:
        raise error if error.path.startswith("tls") else error.below("tls") from None
    if authorities is None or tls.include_system_ca_certs_pool:
        system = _system_authorities()
        authorities = b"\n".join(part for part in (authorities, system) if part) or None
    key, chain = identity or (None, None)
    return grpc.ssl_channel_credentials(authorities, key, chain)


def _system_authorities() -> bytes | None:
    """The operating system's authorities; `None` for those that grpcio brings along."""
    file = ssl.get_default_verify_paths().cafile
    return Path(file).read_bytes() if file and Path(file).is_file() else None


def _options(config: GrpcClientConfig) -> list[tuple[str, Any]]:
    options: list[tuple[str, Any]] = [
        ("grpc.max_send_message_length", -1),
        ("grpc.lb_policy_name", config.balancer_name or "round_robin"),
        # A connection of its own, also where another exporter has the same address.
        ("grpc.use_local_subchannel_pool", 1),
        # Up to two minutes by default, in which every attempt fails without a look whether the server is back.
        ("grpc.initial_reconnect_backoff_ms", 500),
        ("grpc.max_reconnect_backoff_ms", 5000),
        (
            "grpc.primary_user_agent",
            config.user_agent or f"spanmill ({platform.system()}/{platform.machine()})".lower(),
        ),
    ]
    if config.authority:
        options.append(("grpc.default_authority", config.authority))
    if config.tls and config.tls.server_name_override:
        options.append(("grpc.ssl_target_name_override", config.tls.server_name_override))
    if config.keepalive:
        options += [
            ("grpc.keepalive_time_ms", int(config.keepalive.time * 1000)),
            ("grpc.keepalive_timeout_ms", int(config.keepalive.timeout * 1000)),
            ("grpc.keepalive_permit_without_calls", int(config.keepalive.permit_without_stream)),
            ("grpc.http2.max_pings_without_data", 0),
        ]
    return options
