"""A gRPC client for one method, on grpcio, with raw bytes: no message is built for what is sent.

An answer is bytes. Everything else is one of our errors, by the table in `statuses`.
"""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import Any

from collector.auth import ClientAuthenticator
from collector.errors import ConsumeError, StartError
from collector.spans import SpanBatch
from collector.transport.client import GrpcClientConfig, agent, plaintext_hint, target
from collector.transport.grpcio import grpc
from collector.transport.statuses import refusal
from collector.transport.tls import ClientTlsConfig

_NO_TLS_THERE = re.compile(r"WRONG_VERSION_NUMBER|first record does not look like a TLS handshake")

_STATUS_DETAILS = "grpc-status-details-bin"


class GrpcioClient:
    """One channel, one method. `timeout` is told to the server with every request; 0 is none."""

    def __init__(self, config: GrpcClientConfig, method: str, timeout: float) -> None:
        self._config = config
        self._timeout = timeout or None
        self._method = method
        self._metadata = config.metadata
        self._credentials: ClientAuthenticator | None = None
        self._channel: grpc.aio.Channel | None = None
        self._call: Any = None

    def open(self, credentials: ClientAuthenticator | None = None) -> None:
        """Make the channel. It connects by itself when it is used first. Raises `StartError` for unusable files."""
        self._credentials = credentials
        config = self._config
        compression = grpc.Compression.Gzip if config.compression == "gzip" else grpc.Compression.NoCompression
        address, options = target(config.endpoint), _options(config)
        if config.plaintext or config.tls is None:
            self._channel = grpc.aio.insecure_channel(address, options, compression)
        else:
            self._channel = grpc.aio.secure_channel(address, _credentials(config.tls), options, compression)
        self._call = self._channel.unary_unary(self._method)

    async def call(self, request: SpanBatch | bytes) -> bytes:
        """Send spans, or a request of another signal, and give the answer. Raises `ConsumeError`."""
        header = self._credentials and self._credentials.header
        try:
            answer: bytes = await self._call(
                request if isinstance(request, bytes) else request.encode(),
                timeout=self._timeout,
                metadata=(*self._metadata, header) if header else self._metadata,
                wait_for_ready=self._config.wait_for_ready,
            )
        except grpc.aio.AioRpcError as error:
            details = error.details() or ""
            if _NO_TLS_THERE.search(details):
                details += f"; the server answers without TLS: {plaintext_hint(self._config.endpoint)}"
            raise _refusal(error, details) from error
        return answer

    async def close(self) -> None:
        """Close the channel. May be called twice, and without `open`."""
        if self._channel is not None:
            await self._channel.close()
            self._channel = None


def _refusal(error: grpc.aio.AioRpcError, details: str) -> ConsumeError:
    packed = next((value for key, value in error.trailing_metadata() or () if key == _STATUS_DETAILS), b"")
    return refusal(error.code().value[0], details, packed if isinstance(packed, bytes) else packed.encode("latin-1"))


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
            config.user_agent or agent(),
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
