"""OTLP clients without grpcio: the kernel sends on a thread of its own, and Python hears how calls ended.

A call is a number. The outcomes of all calls that have ended since the last look come with one wake-up.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from collector._kernel import ClientCounts, OptionError, OtlpClient, Outcome
from collector.auth import ClientAuthenticator
from collector.errors import RetryableError, StartError
from collector.spans import SpanBatch
from collector.transport.client import GrpcClientConfig, addresses, agent, plaintext_hint
from collector.transport.client_tls import client_tls
from collector.transport.kernel_tls import blame
from collector.transport.proxies import Proxy, proxy_from
from collector.transport.renewal import Renewal
from collector.transport.settings import join_endpoint
from collector.transport.statuses import OK, refusal
from collector.transport.tls import ClientTlsConfig

CONNECT_TIMEOUT = 20.0
"""Seconds for one address, as with gRPC."""
BACKOFF = (0.5, 5.0)
"""Seconds in which a failed connection is not tried again, at first and at most."""
MOST_CONNECTIONS = 8
"""To one address. There is one, unless more requests are under way than the server takes on it."""

NO_LIMIT = 1 << 20
"""More connections than there are files."""

_NO_TLS_THERE = "the server answers without TLS"
_CLOSED = "the client is closed"


@dataclass(frozen=True)
class Tls:
    """How to be safe. `alpn` are names of protocols, the preferred one first."""

    config: ClientTlsConfig
    host: str
    alpn: tuple[str, ...]

    def read(self) -> dict[str, object]:
        """Read the files, and give what the kernel wants to know. Raises `StartError`."""
        return client_tls(self.config, self.host, self.alpn)


class NativeClient:
    """Sends batches and gives outcomes, of whichever protocol the settings say: `kernel/src/net/client/settings.rs`."""

    def __init__(
        self, settings: Callable[[], Mapping[str, object]], logger: logging.Logger, tls: Tls | None = None
    ) -> None:
        self._settings = settings
        self._logger = logger
        self._tls = tls
        self._renewal: Renewal[dict[str, object]] | None = None
        self._credentials: ClientAuthenticator | None = None
        self._shown: tuple[str, str] | None = None
        """The header of the credentials that is sent now."""
        self._client: OtlpClient | None = None
        self._numbers = itertools.count()
        self._calls: dict[int, asyncio.Future[Outcome]] = {}

    def open(self, credentials: ClientAuthenticator | None = None) -> None:
        """Start the thread. It connects when there is something to send.

        Raises `StartError` for files and proxies that cannot be used.
        """
        self._credentials, self._shown = credentials, None
        tls = self._tls
        files = tls and tls.read()
        settings = {**self._settings(), "tls": files}
        try:
            client = self._client = OtlpClient(settings)
        except OptionError as error:
            raise blame(tls.config, error) if tls else error from None
        except OSError as error:
            raise StartError(f"the client cannot start: {error}") from error
        asyncio.get_running_loop().add_reader(client.fileno(), self._hear, client)
        if tls and files and tls.config.reload_interval:
            self._renewal = Renewal(files, tls.read, self._renew, self._logger)
            self._renewal.start(float(tls.config.reload_interval))

    async def call(self, request: SpanBatch | bytes) -> Outcome:
        """Send spans, or a request of another signal. Cancelling breaks the call off.

        Raises `RetryableError` if the client is closed meanwhile.
        """
        if self._client is None:
            raise RetryableError(_CLOSED)
        header = self._credentials and self._credentials.header
        if header and header != self._shown:
            self._client.set_header(*header)
            self._shown = header
        number = next(self._numbers)
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._calls[number] = outcome
        if isinstance(request, bytes):
            self._client.send_request(request, number)
        else:
            self._client.send(request, number)
        try:
            return await outcome
        except asyncio.CancelledError:
            if self._client:
                self._client.cancel(number)
            raise
        finally:
            del self._calls[number]

    def counts(self) -> ClientCounts:
        """What became of connections, while the client is open."""
        if self._client is None:
            raise RetryableError(_CLOSED)
        return self._client.counts()

    async def close(self) -> None:
        """Break calls off and close the connections. May be called twice, and without `open`."""
        client, self._client = self._client, None
        if client is None:
            return
        if self._renewal:
            self._renewal.stop()
        asyncio.get_running_loop().remove_reader(client.fileno())
        for outcome in self._calls.values():
            if not outcome.done():
                outcome.set_exception(RetryableError(_CLOSED))
        await asyncio.to_thread(client.join)

    def _renew(self, files: dict[str, object]) -> None:
        """Use files that have changed for new connections. Raises `StartError`."""
        if self._client and self._tls:
            try:
                self._client.set_tls(files)
            except OptionError as error:
                raise blame(self._tls.config, error) from error

    def _hear(self, client: OtlpClient) -> None:
        """Take the outcomes that there are: the kernel has rung."""
        client.clear()
        for number, outcome in client.take():
            call = self._calls.get(number)
            # Who has gone away does not want to know.
            if call is not None and not call.done():
                call.set_result(outcome)


def through_proxy(settings: dict[str, Any], scheme: str, proxy: Proxy | None = None) -> dict[str, Any]:
    """Lead a client through a proxy: the one that is given, or that of the environment, if it has one for the server.

    Raises `StartError` for a proxy that cannot be used.
    """
    hosts = settings["target"].get("hosts", [])
    if len(hosts) != 1:
        return settings
    host, port = hosts[0]
    proxy = proxy or proxy_from(os.environ, scheme, host, port)
    if proxy is None:
        return settings
    asks = scheme == "https"
    return settings | (proxy.for_tunnel(host, port) if asks else proxy.for_requests(settings["headers"]))


class NativeGrpcClient:
    """A client for one method. `timeout` is told to the server with every request; 0 is none."""

    def __init__(self, config: GrpcClientConfig, method: str, timeout: float, logger: logging.Logger) -> None:
        tls = None
        if config.tls and not config.plaintext:
            tls = Tls(config.tls, _host(addresses(config.endpoint)), ("h2",))
        self._client = NativeClient(lambda: through_proxy(_settings(config, method, timeout), "https"), logger, tls)
        self._endpoint = config.endpoint

    def open(self, credentials: ClientAuthenticator | None = None) -> None:
        """Start the client."""
        self._client.open(credentials)

    async def call(self, request: SpanBatch | bytes) -> bytes:
        """Send spans, or a request of another signal, and give the answer. Raises `ConsumeError`."""
        outcome = await self._client.call(request)
        if outcome.status == OK:
            return outcome.body
        message = outcome.message
        if _NO_TLS_THERE in message:
            message += f": {plaintext_hint(self._endpoint)}"
        raise refusal(outcome.status, message, outcome.details)

    def counts(self) -> ClientCounts:
        """What became of connections, while the client is open."""
        return self._client.counts()

    async def close(self) -> None:
        """Close the client. May be called twice, and without `open`."""
        await self._client.close()


def _settings(config: GrpcClientConfig, method: str, timeout: float) -> dict[str, object]:
    target = addresses(config.endpoint)
    keepalive = config.keepalive
    headers = [(name, _text(value)) for name, value in config.metadata if name != "user-agent"]
    return {
        "target": target,
        "tunnel": None,
        "absolute_form": False,
        "protocol": "grpc",
        "authority": config.authority or _authority(target),
        "path": method,
        "headers": [("user-agent", config.user_agent or agent()), *headers],
        "encoding": "identity" if config.compression in {"", "none"} else config.compression,
        "level": None,
        "timeout": timeout,
        "connect_timeout": CONNECT_TIMEOUT,
        "backoff": BACKOFF,
        "spread": config.balancer_name != "pick_first",
        "wait_for_ready": config.wait_for_ready,
        "max_connections": MOST_CONNECTIONS,
        "max_idle_connections": NO_LIMIT,
        "idle_timeout": 0.0,
        "keepalive_time": float(keepalive.time) if keepalive else 0.0,
        "keepalive_timeout": float(keepalive.timeout) if keepalive else 0.0,
        "keepalive_idle": bool(keepalive and keepalive.permit_without_stream),
    }


def _host(target: Mapping[str, Any]) -> str:
    return target["hosts"][0][0] if "hosts" in target else "localhost"


def _authority(target: Mapping[str, Any]) -> str:
    """What the server is called in requests."""
    if "unix" in target:
        return "localhost"
    host, port = target["hosts"][0]
    # The zone of an IPv6 address is this machine's business.
    return join_endpoint(host.partition("%")[0], port)


def _text(value: str | bytes) -> str:
    """A header as it goes over the wire: binary ones in base64."""
    return value if isinstance(value, str) else base64.b64encode(value).decode().rstrip("=")
