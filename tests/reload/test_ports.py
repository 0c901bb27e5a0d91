"""Ports, certificates and files over a reload: nobody finds a port closed, and nothing is written twice."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from certificates import Authority
from otlp_grpc import SERVICE
from record_files import span_names

from collector.errors import StartError
from collector.service import Service
from collector.testing import configure, make_request, make_spans, running, until

OTLP = """
receivers:
  otlp: {protocols: {grpc: {endpoint: "localhost:0"}, http: {endpoint: "localhost:0"}}}
processors:
  memory_limiter: {limit_mib: 10000, check_interval: 1s}
  filter: {traces: {span: ['name == "span 0"']}}
  batch: {timeout: 1ms}
exporters:
  store: {}
service:
  pipelines:
    traces: {receivers: [otlp], processors: [filter], exporters: [store]}
"""
CHANGES = {
    "a processor": ('== "span 0"', '== "span 1"'),
    "no processor": ("processors: [filter]", "processors: []"),
    "another exporter": ("store: {}", "store: {to: b}"),
    "callers wait": ("store: {}", "store: {sending_queue: {wait_for_result: true}}"),
    "a memory limit": ("processors: [filter]", "processors: [memory_limiter, filter]"),
    "a batch processor": ("processors: [filter]", "processors: [filter, batch]"),
    "larger messages": ('grpc: {endpoint: "localhost:0"', 'grpc: {endpoint: "localhost:0", max_recv_msg_size_mib: 8'),
    "no offload": ('grpc: {endpoint: "localhost:0"', 'grpc: {endpoint: "localhost:0", offload: false'),
    "headers": ('grpc: {endpoint: "localhost:0"', 'grpc: {endpoint: "localhost:0", include_metadata: true'),
}


def ports(service: Service) -> tuple[str, str]:
    receiver: Any = next(iter(service.machine.receivers.values()))
    return receiver.grpc.address, receiver.http.address


@pytest.mark.parametrize("change", CHANGES)
async def test_clients_notice_nothing(store: Any, change: str) -> None:
    """Ports stay, no request of clients that never pause is refused, and what they sent arrives once."""
    before, after = CHANGES[change]
    changed = OTLP.replace(before, after)
    assert changed != OTLP
    accepted = 0
    stop = asyncio.Event()

    async def client(first: int) -> None:
        nonlocal accepted
        async with grpc.aio.insecure_channel(ports(service)[0], [("grpc.use_local_subchannel_pool", 1)]) as channel:
            call = channel.unary_unary(SERVICE)
            while not stop.is_set():
                await call(make_request(3, first=first + 10).SerializeToString(), timeout=10)
                accepted += 3
                first += 3

    async with running(OTLP) as service:
        addresses = ports(service)
        clients = [asyncio.create_task(client(1_000_000 * number)) for number in range(4)]
        for configuration in (changed, OTLP, changed, OTLP):
            seen = accepted
            await until(lambda seen=seen: accepted > seen + 100)
            await service.reload(configure(configuration))
            assert ports(service) == addresses
        stop.set()
        await asyncio.gather(*clients)
        await until(lambda: store.arrived("a") + store.arrived("b") == accepted)
        account = service.ledger.receivers["otlp"].on("grpc")
        service.ledger.refresh()
        assert (account.accepted, account.refused) == (accepted, 0)


async def test_receivers_may_exchange_their_ports(store: Any) -> None:
    """Each is started with the socket that the other one is about to leave."""
    two = """
receivers:
  otlp/1: {protocols: {grpc: {endpoint: "127.0.0.1:FIRST"}}}
  otlp/2: {protocols: {grpc: {endpoint: "127.0.0.1:SECOND"}}}
exporters: {store: }
service: {pipelines: {traces: {receivers: [otlp/1, otlp/2], exporters: [store]}}}
"""

    def at(service: Service) -> list[str]:
        receivers: Any = service.machine.receivers
        return [receivers[id].grpc.address for id in ("otlp/1", "otlp/2")]

    async with running(two.replace("FIRST", "0").replace("SECOND", "0")) as service:
        first, second = (address.rpartition(":")[2] for address in at(service))
    swapped = [f"127.0.0.1:{second}", f"127.0.0.1:{first}"]
    async with running(two.replace("FIRST", first).replace("SECOND", second)) as service:
        await service.reload(configure(two.replace("FIRST", second).replace("SECOND", first)))
        assert at(service) == swapped
        async with grpc.aio.insecure_channel(swapped[0]) as channel:
            await channel.unary_unary(SERVICE)(make_request(2).SerializeToString(), timeout=10)
        service.ledger.refresh()
        counted = {id: accounts.on("grpc").requests_received for id, accounts in service.ledger.receivers.items()}
        assert counted == {"otlp/1": 1, "otlp/2": 0}


async def test_a_port_of_somebody_else_is_refused_and_the_old_ones_stay(store: Any) -> None:
    """The whole configuration is, and what it had started is gone again."""
    async with running(OTLP) as taken, running(OTLP) as service:
        addresses = ports(service)
        host = ports(taken)[1]
        broken = OTLP.replace('http: {endpoint: "localhost:0"}', f'http: {{endpoint: "{host}"}}')

        with pytest.raises(StartError, match=r"receivers::otlp::protocols::http::endpoint: cannot listen on .* in use"):
            await service.reload(configure(broken))

        assert ports(service) == addresses
        async with grpc.aio.insecure_channel(addresses[0]) as channel:
            await channel.unary_unary(SERVICE)(make_request(2, first=5).SerializeToString(), timeout=10)
        await until(lambda: store.arrived("a") == 2)


async def test_a_unix_socket_stays(store: Any, tmp_path: Path) -> None:
    """Its path is not removed by the server that ends, and is by the one that follows."""
    path = tmp_path / "otlp.sock"
    unix = OTLP.replace('http: {endpoint: "localhost:0"}', f'http: {{endpoint: "{path}", transport: unix}}')
    async with running(unix) as service:
        await service.reload(configure(unix.replace("transport: unix", "transport: unix, read_timeout: 7s")))
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 404")
        writer.close()
    assert not path.exists()


async def test_a_certificate_that_was_renewed_is_shown(store: Any, tmp_path: Path) -> None:
    """With nothing else changed, and on the same port."""
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    old, new = Authority(tmp_path / "old"), Authority(tmp_path / "new")
    shown = old.issue("server")
    files = f"tls: {{cert_file: {shown.cert}, key_file: {shown.key}}}"
    secure = OTLP.replace('grpc: {endpoint: "localhost:0"', f'grpc: {{endpoint: "localhost:0", {files}')

    async def send(authority: Authority) -> None:
        target = f"localhost:{ports(service)[0].rpartition(':')[2]}"
        credentials = grpc.ssl_channel_credentials(authority.ca.read_bytes())
        async with grpc.aio.secure_channel(target, credentials) as channel:
            await channel.unary_unary(SERVICE)(make_request(1, first=5).SerializeToString(), timeout=5)

    async with running(secure) as service:
        addresses = ports(service)
        await send(old)
        renewed = new.issue("server")
        shown.cert.write_bytes(renewed.cert.read_bytes())
        shown.key.write_bytes(renewed.key.read_bytes())

        await service.reload(configure(secure))

        assert ports(service) == addresses
        await send(new)
        with pytest.raises(grpc.aio.AioRpcError):
            await send(old)

        receiver = service.machine.receivers["otlp"]
        await service.reload(configure(secure))
        assert service.machine.receivers["otlp"] is receiver, "nothing has changed since"


PAGES = """
extensions: {health_check: {endpoint: "localhost:0", path: /PATH}}
receivers: {feed: }
exporters: {store: }
service:
  extensions: [health_check]
  telemetry:
    metrics: {readers: [{pull: {exporter: {prometheus: {host: localhost, port: 0, without_units: UNITS}}}}]}
  pipelines: {traces: {receivers: [feed], exporters: [store]}}
"""


def read(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  it is our own page
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""


async def test_pages_answer_as_the_new_configuration_wants_them(store: Any) -> None:
    """On their old ports; the health check is ready at once under its new path, and counts go on."""
    shown, hidden = "service.telemetry.metrics.level=normal", "service.telemetry.metrics.level=none"
    text = PAGES.replace("UNITS", "true").replace("PATH", "one")
    async with running(text, shown) as service:
        feed: Any = service.machine.receivers["feed"]
        await feed.send(make_spans(2))
        before: Any = service.metrics_page
        health: Any = service.machine.extensions["health_check"]
        address = health.server.address

        await service.reload(configure(PAGES.replace("UNITS", "false").replace("PATH", "two"), shown))

        health, page = service.machine.extensions["health_check"], service.metrics_page
        assert health.server.address == address
        assert (await asyncio.to_thread(read, f"http://{address}/two"))[0] == 200
        assert (await asyncio.to_thread(read, f"http://{address}/one"))[0] == 404
        assert page is not None
        assert page is not before
        assert page.server.address == before.server.address
        _, metrics = await asyncio.to_thread(read, f"http://{page.server.address}/metrics")
        assert 'otelcol_receiver_accepted_spans{receiver="feed",transport="test"} 2' in metrics

        await service.reload(configure(text, hidden))
        assert service.metrics_page is None
        with pytest.raises(urllib.error.URLError):
            await asyncio.to_thread(read, f"http://{page.server.address}/metrics")


FILE = """
receivers: {feed: }
exporters:
  file: {path: "PATH"}
service: {pipelines: {traces: {receivers: [feed], exporters: [file]}}}
"""


async def test_a_file_goes_on_under_other_settings(tmp_path: Path) -> None:
    """It is not emptied, no record is cut, and one of another format is refused."""
    path = tmp_path / "spans.jsonl"
    text = FILE.replace("PATH", str(path))
    async with running(text) as service:
        feed: Any = service.machine.receivers["feed"]
        await feed.send(make_spans(2))
        queued = text.replace('"}', '", sending_queue: {num_consumers: 2}}')
        await service.reload(configure(queued))
        await feed.send(make_spans(3))
        await until(lambda: service.ledger.exporters["file"].delivered == 5)

        with pytest.raises(StartError, match="exporters::file::path: is written as"):
            await service.reload(configure(text.replace('"}', '", format: proto}')))
    assert len(span_names(path)) == 5
