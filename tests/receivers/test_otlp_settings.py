"""The settings of `otlp`: YAML in, message out."""

from __future__ import annotations

import pytest

from collector.errors import ConfigError
from collector.pipeline import build
from collector.receivers.otlp import OtlpReceiver
from collector.receivers.otlp.http_config import OtlpHttpConfig
from collector.testing import StubHost, configure
from collector.transport.settings import GrpcServerConfig


def settings_of(protocols: str) -> tuple[OtlpReceiver, list[str]]:
    """A receiver with these protocols, and what the service says about its options at start."""
    config = configure(
        f"receivers: {{otlp: {{protocols: {protocols}}}}}\n"
        "exporters: {sink: }\n"
        "service: {pipelines: {traces: {receivers: [otlp], exporters: [sink]}}}\n"
    )
    receiver = build(config).receivers["otlp"]
    assert isinstance(receiver, OtlpReceiver)
    return receiver, list(config.notices)


def http(options: str) -> OtlpHttpConfig:
    receiver, _ = settings_of(f"{{http: {options}}}")
    assert receiver.config.protocols.http
    return receiver.config.protocols.http


AT = "receivers::otlp::protocols"


@pytest.mark.parametrize(
    ("protocols", "message"),
    [
        ("", f"{AT}: must have at least one protocol: grpc or http"),
        ("{grpc: {enabled: false}, http: {enabled: false}}", f"{AT}: must have at least one protocol: grpc or http"),
        ("{htp: }", f"{AT}::htp: unknown key; did you mean 'http'?"),
        (
            "{http: {auth: {}}}",
            f"{AT}::http::auth::authenticator: is required: the id of an extension such as bearertokenauth",
        ),
        ("{http: {transport: unix, endpoint: '@otlp'}}", f"{AT}::http::endpoint: abstract sockets are not supported"),
        ("{grpc: {transport: unix, endpoint: '@otlp'}}", f"{AT}::grpc::endpoint: abstract sockets are not supported"),
        (
            "{http: {response_headers: {x-a: b}}}",
            f"{AT}::http::response_headers: not supported yet; remove this section",
        ),
        (
            "{http: {compression_algorithms: [gzip, snappy]}}",
            f"{AT}::http::compression_algorithms: snappy is not supported yet; remove it",
        ),
        (
            "{http: {compression_algorithms: [gzpi]}}",
            f"{AT}::http::compression_algorithms: must be some of \"\", gzip, zstd, zlib, deflate, got 'gzpi'",
        ),
        (
            "{http: {traces_url_path: 'a b'}}",
            f"{AT}::http::traces_url_path: must be a path such as /v1/traces, got 'a b'",
        ),
        (
            "{http: {cors: {allowed_origins: ['http://*.*']}}}",
            f"{AT}::http::cors::allowed_origins: may have one * in an origin, got 'http://*.*'",
        ),
        ("{http: {read_timeout: 5}}", f"{AT}::http::read_timeout: must be a duration such as 200ms or 5s, got 5"),
    ],
)
def test_a_wrong_configuration_is_refused(protocols: str, message: str) -> None:
    """With the option, what is wrong, and what would be right."""
    with pytest.raises(ConfigError) as caught:
        settings_of(protocols)

    assert message in str(caught.value)


def test_what_has_no_effect_is_said_once_at_start() -> None:
    """Options of the Go collector that tune what is not here are taken."""
    _, notices = settings_of(
        "{http: {write_timeout: 1s, dialer: {timeout: 1s}, middlewares: [], metrics_url_path: /m, logs_url_path: /l}}"
    )

    said = "\n".join(notices)
    for option in ("write_timeout", "dialer::timeout", "middlewares", "metrics_url_path", "logs_url_path"):
        assert f"http::{option}" in said


def test_authorities_for_servers_are_not_those_of_clients() -> None:
    """Who writes `ca_file` for `client_ca_file` checks nobody, and hears of it."""
    _, notices = settings_of("{http: {tls: {cert_file: a, key_file: b, ca_file: c}}}")

    [said] = notices
    assert "http::tls::ca_file: has no effect on a server: clients are checked against client_ca_file alone" in said


def test_defaults_are_the_go_collectors_but_for_slow_clients() -> None:
    """A client may not hold a connection and memory for ever by being slow."""
    config = http("")

    assert (config.endpoint, config.traces_path, config.max_body_bytes) == ("localhost:4318", "/v1/traces", 20 << 20)
    assert (config.read_header_timeout, config.read_timeout, config.idle_timeout) == (60, 60, 0)


@pytest.mark.parametrize("size", [0, -1])
def test_no_limit_is_the_usual_limit(size: int) -> None:
    """0 does not stand for unlimited, as in the Go collector."""
    assert http(f"{{max_request_body_size: {size}}}").max_body_bytes == 20 << 20


async def test_cors_without_origins_is_off_and_that_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """As in the Go collector, which takes it too."""
    receiver, _ = settings_of("{http: {endpoint: 'localhost:0', cors: {allowed_headers: [x-a]}}}")
    await receiver.start(StubHost())
    await receiver.shutdown()

    assert "protocols::http::cors has no effect without allowed_origins" in caplog.text


def test_the_kernel_serves_unless_clients_of_a_unix_socket_would_not_like_that() -> None:
    """What is asked for holds in any case."""
    assert GrpcServerConfig().chosen_engine == "native"
    assert GrpcServerConfig(endpoint="/run/otlp.sock", transport="unix").chosen_engine == "grpcio"
    assert GrpcServerConfig(endpoint="/run/otlp.sock", transport="unix", engine="native").chosen_engine == "native"
    assert GrpcServerConfig(engine="grpcio").chosen_engine == "grpcio"
