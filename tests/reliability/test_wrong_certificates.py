"""Two collectors that do not trust each other: nothing goes over or is lost, and all arrives once that is cured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority, Identity

from collector.config.model import CollectorConfig
from collector.service import Service
from collector.testing import configure, make_spans, running, until

BACK = """
receivers: {{otlp: {{protocols: {{{protocol}: {{endpoint: "localhost:{port}", tls: {{{tls}}}}}}}}}}}
exporters: {{sink: }}
service: {{pipelines: {{traces: {{receivers: [otlp], exporters: [sink]}}}}}}
"""
FRONT = """
extensions: {{file_storage: {{directory: "{directory}"}}}}
receivers: {{feed: }}
exporters:
  {exporter}:
    endpoint: {endpoint}
    {engine}
    tls: {{{tls}}}
    sending_queue: {{storage: file_storage}}
    retry_on_failure: {{initial_interval: 20ms, max_interval: 50ms, max_elapsed_time: 0}}
service: {{extensions: [file_storage], pipelines: {{traces: {{receivers: [feed], exporters: [{exporter}]}}}}}}
"""


@dataclass
class Trust:
    """Who issues certificates, and for whom."""

    authority: Authority
    stranger: Authority
    server: Identity
    expired: Identity
    foreign: Identity
    """The server's, issued by a stranger."""
    client: Identity


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    authority = Authority(tmp_path_factory.mktemp("authority"))
    stranger = Authority(tmp_path_factory.mktemp("stranger"))
    return Trust(
        authority,
        stranger,
        authority.issue("server"),
        authority.issue("expired", expired=True),
        stranger.issue("server"),
        authority.issue("client"),
    )


def shows(identity: Identity) -> str:
    return f"cert_file: {identity.cert}, key_file: {identity.key}"


def cases(trust: Trust) -> dict[str, tuple[str, str, str, str]]:
    """What server and client say about TLS, first wrong and then right."""
    good, believes = shows(trust.server), f"ca_file: {trust.authority.ca}"
    asks = f"{good}, client_ca_file: {trust.authority.ca}"
    known, unknown = shows(trust.client), shows(trust.stranger.issue("client"))
    return {
        "an authority that is not known": (shows(trust.foreign), believes, good, believes),
        "a certificate that has expired": (shows(trust.expired), believes, good, believes),
        "another host": (good, f"{believes}, server_name_override: other.test", good, believes),
        "no certificate of the client": (asks, believes, asks, f"{believes}, {known}"),
        "a client of a stranger": (asks, f"{believes}, {unknown}", asks, f"{believes}, {known}"),
    }


WAYS = {
    "native": ("otlp_grpc", "grpc", "engine: native"),
    "grpcio": ("otlp_grpc", "grpc", "engine: grpcio"),
    "http": ("otlp_http", "http", "compression: none"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "case",
    [
        "an authority that is not known",
        "a certificate that has expired",
        "another host",
        "no certificate of the client",
        "a client of a stranger",
    ],
)
async def test_what_is_wrong_is_cured_by_another_configuration(
    trust: Trust, tmp_path: Path, way: str, case: str
) -> None:
    """Both sides are reloaded, and the queue on disk has what was acknowledged meanwhile."""
    exporter, protocol, engine = WAYS[way]
    wrong_server, wrong_client, server, client = cases(trust)[case]

    def front(tls: str) -> str:
        address = port(back)
        endpoint = f"https://localhost:{address}" if protocol == "http" else f"localhost:{address}"
        settings = {"exporter": exporter, "engine": engine, "endpoint": endpoint, "tls": tls}
        return FRONT.format(directory=tmp_path, **settings)

    def port(service: Service) -> str:
        receiver: Any = service.machine.receivers["otlp"]
        return str(getattr(receiver, protocol).address.rpartition(":")[2])

    def behind(tls: str, at: str) -> CollectorConfig:
        return configure(BACK.format(protocol=protocol, port=at, tls=tls))

    async with running(BACK.format(protocol=protocol, port=0, tls=wrong_server)) as back:
        async with running(front(wrong_client)) as service:
            feed: Any = service.machine.receivers["feed"]
            account = service.ledger.exporters[exporter]
            await feed.send(make_spans(3))
            await until(lambda: account.retries >= 2)
            assert (account.held(), account.failed.total()) == (3, 0)
            assert back.ledger.receivers["otlp"].on(protocol).received == 0

            await back.reload(behind(server, "0"))
            await service.reload(configure(front(client)))

            await until(lambda: account.delivered == 3)
            assert account.held() == 0
        sink: Any = back.machine.exporters["sink"].exporter
        assert sum(len(batch) for batch in sink.batches) == 3
