"""`bearertokenauth` and `basicauth`: who may send, as whom we send, and what is wrong with settings."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import http.client
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from otlp_grpc import refusal, send
from otlp_http import PATH, PROTOBUF, exchange
from yaml_sections import section

from collector.component import Settings
from collector.config.types import Config
from collector.errors import ConfigError, PermanentError, StartError
from collector.extensions import credentials
from collector.extensions.basicauth import BasicAuthConfig, BasicAuthExtension
from collector.extensions.bearertokenauth import BearerTokenAuthConfig, BearerTokenAuthExtension
from collector.ledger import Account
from collector.pipeline import build
from collector.receivers.otlp import OtlpReceiver
from collector.service import Service
from collector.telemetry.exposition import exposition
from collector.telemetry.metrics import Metrics
from collector.testing import SinkExporter, configure, make_request, make_spans, running, until

REQUEST = make_request(1).SerializeToString()

TOKENS = "bearertokenauth: {token: open-sesame}"
USERS = "basicauth: {htpasswd: {inline: 'jo:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M='}}"


def basic(name: str, password: str) -> str:
    """Write a header as RFC 7617 says."""
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def receiving(extension: str, more: str = "") -> str:
    """Configure a collector that asks who sends, on both ports."""
    name = extension.partition(":")[0]
    auth = f"auth: {{authenticator: {name}}}"
    return f"""
extensions: {{{extension}}}
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: "127.0.0.1:0", {auth}}}
      http: {{endpoint: "127.0.0.1:0", {auth}, cors: {{allowed_origins: ["*"]}}}}
exporters: {{sink: }}
service:
  extensions: [{name}]
  pipelines: {{traces: {{receivers: [otlp], exporters: [sink]}}}}
{more}"""


@contextlib.asynccontextmanager
async def collector(text: str) -> AsyncIterator[tuple[Service, OtlpReceiver, SinkExporter]]:
    """Run it, and give what tests look at."""
    async with running(text) as service:
        receiver = service.machine.receivers["otlp"]
        sink = service.machine.exporters["sink"].exporter
        assert isinstance(receiver, OtlpReceiver)
        assert isinstance(sink, SinkExporter)
        yield service, receiver, sink


def spans(sink: SinkExporter) -> int:
    """Count what has arrived."""
    return sum(map(len, sink.batches))


async def post(receiver: OtlpReceiver, headers: dict[str, str], method: str = "POST") -> Any:
    """Send a request over HTTP."""
    assert receiver.http
    host, _, port = receiver.http.address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=20)
    with contextlib.closing(connection):
        return await asyncio.to_thread(
            exchange, connection, REQUEST, {"content-type": PROTOBUF, **headers}, method, PATH
        )


@pytest.mark.parametrize(
    ("extension", "right", "wrong", "challenge"),
    [
        (TOKENS, "Bearer open-sesame", "Bearer open-barley", "Bearer"),
        (USERS, basic("jo", "test"), basic("jo", "guess"), 'Basic realm="spanmill", charset="UTF-8"'),
    ],
    ids=["token", "password"],
)
async def test_only_who_is_known_is_heard(extension: str, right: str, wrong: str, challenge: str) -> None:
    """Over gRPC and over HTTP; what is refused is told so, counted, and not read."""
    async with collector(receiving(extension)) as (service, receiver, sink):
        assert receiver.grpc
        where = receiver.grpc.address
        await send(where, REQUEST, metadata=[("authorization", right)])
        assert (await post(receiver, {"authorization": right})).status == 200
        stranger = await refusal(where, REQUEST)
        guesser = await refusal(where, REQUEST, metadata=[("authorization", wrong)])
        answers = [await post(receiver, {}), await post(receiver, {"authorization": wrong})]
        preflight = {"origin": "https://a.b", "access-control-request-method": "POST"}
        allowed = await post(receiver, preflight, "OPTIONS")
        service.machine.ledger.refresh()
        page = exposition(service.machine.metrics)

    assert stranger.code() == guesser.code() == grpc.StatusCode.UNAUTHENTICATED
    assert [answer.status for answer in answers] == [401, 401]
    assert {answer.headers["www-authenticate"] for answer in answers} == {challenge}
    assert answers[0].problem.code == grpc.StatusCode.UNAUTHENTICATED.value[0]
    assert allowed.status == 204, "a browser asks before it knows a password"
    assert spans(sink) == 2
    for transport in ("grpc", "http"):
        account = receiver.settings.account.on(transport)
        assert (account.unauthenticated, account.requests_refused, account.requests_accepted) == (2, 2, 1)
    assert "spanmill_receiver_unauthenticated_requests" in page


def extension(kind: type[Any], config_type: type[Config], text: str) -> Any:
    """Make an extension of a section."""
    settings = Settings("auth", Account(), Metrics(), logging.getLogger("test"))
    return kind(section(config_type, text), settings)


async def test_a_file_with_tokens_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An empty one leaves what was there, and says so."""
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(credentials, "INTERVAL", 0.02)
    file = tmp_path / "tokens"
    file.write_text("one\n\ntwo\n")
    async with collector(receiving(f"bearertokenauth: {{filename: '{file}', scheme: ''}}")) as (_, receiver, _):
        status = [(await post(receiver, {"authorization": token})).status for token in ("one", "two", "three")]
        file.write_text("\n")
        await until(lambda: "cannot be used" in caplog.text)
        status.append((await post(receiver, {"authorization": "one"})).status)
        file.write_text("three")
        await until(lambda: "Credentials have changed" in caplog.text)
        status += [(await post(receiver, {"authorization": token})).status for token in ("one", "three")]

    assert status == [200, 200, 401, 200, 401, 200]


async def test_exporters_send_their_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A password that changes is sent with the next request."""
    monkeypatch.setattr(credentials, "INTERVAL", 0.02)
    password = tmp_path / "password"
    password.write_text("guess\n")
    async with collector(receiving(USERS)) as (_, receiver, sink):
        assert receiver.http
        sender = f"""
extensions:
  basicauth: {{client_auth: {{username: jo, password_file: '{password}'}}}}
receivers: {{feed: }}
exporters:
  otlp_http:
    endpoint: http://{receiver.http.address}
    auth: {{authenticator: basicauth}}
    sending_queue: {{enabled: false}}
    retry_on_failure: {{enabled: false}}
service: {{extensions: [basicauth], pipelines: {{traces: {{receivers: [feed], exporters: [otlp_http]}}}}}}
"""
        async with running(sender) as service:
            head = service.machine.heads["traces"]
            with pytest.raises(PermanentError, match="401"):
                await head.consume(make_spans(1))
            assert spans(sink) == 0
            password.write_text("test\n")
            known = service.machine.extensions["basicauth"]
            assert isinstance(known, BasicAuthExtension)
            await until(lambda: known.header == ("authorization", basic("jo", "test")))
            await head.consume(make_spans(3))

        assert spans(sink) == 3


def test_one_extension_asks_for_a_token_and_sends_it() -> None:
    """The first of several, behind the scheme."""
    known = extension(BearerTokenAuthExtension, BearerTokenAuthConfig, "{tokens: [a, b], header: X-Key, scheme: Key}")
    assert known.header == ("x-key", "Key a")


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (BearerTokenAuthConfig, "{}", "token: is required, or tokens, or filename"),
        (BearerTokenAuthConfig, "{token: a, tokens: [b]}", "tokens: give either tokens or token, not both"),
        (BearerTokenAuthConfig, "{token: a, header: 'a b'}", "header: must be the name of a header, got 'a b'"),
        (BasicAuthConfig, "{}", "htpasswd: give either htpasswd, for receivers, or client_auth, for exporters"),
        (BasicAuthConfig, "{htpasswd: {}}", "htpasswd::file: is required, or inline"),
        (BasicAuthConfig, "{htpasswd: {inline: jo}}", "line 1 is not a name, a colon and a password"),
        (BasicAuthConfig, "{client_auth: {password: x}}", "client_auth::username: is required, or username_file"),
    ],
)
def test_a_wrong_section_is_reported(kind: type[Config], text: str, message: str) -> None:
    """With the path of the option."""
    with pytest.raises(ConfigError) as caught:
        section(kind, text)
    assert message in str(caught.value)


def test_a_digest_that_nobody_knows_is_refused_and_not_shown() -> None:
    """The name is said, and the secret is not."""
    with pytest.raises(ConfigError) as caught:
        build(configure(receiving("basicauth: {htpasswd: {inline: 'jo:$6$salt$s3cret'}}")))
    assert 'extensions::basicauth::htpasswd: the password of "jo"' in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("extensions: [bearertokenauth]", "service::extensions does not name 'bearertokenauth'"),
        ("authenticator: bearertokenauth", "service::extensions does not name 'other'"),
    ],
)
def test_what_is_not_there_is_missed_before_anything_starts(broken: str, message: str) -> None:
    """A typo must not leave a port open."""
    text = receiving(TOKENS)
    changed = {
        "extensions: [bearertokenauth]": "extensions: []",
        "authenticator: bearertokenauth": "authenticator: other",
    }
    with pytest.raises(ConfigError) as caught:
        build(configure(text.replace(broken, changed[broken])))
    assert f"receivers::otlp::protocols::grpc::auth::authenticator: {message}" in str(caught.value)


async def test_what_cannot_say_who_may_send_opens_no_port() -> None:
    """An extension for exporters, named in a receiver."""
    text = receiving("basicauth: {client_auth: {username: jo}}")
    with pytest.raises(
        StartError, match="protocols::grpc::auth::authenticator: 'basicauth' does not know who may send"
    ):
        async with running(text):
            pass
