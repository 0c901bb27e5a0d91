"""`python -m testbed.corpus.owners`: which backend the Go collector's `load_balancing` exporter sends spans to.

A real collector stands before real servers on loopback addresses. What is written down in `tests/data` are the names of
the backends, as its configuration has them, and who got what:

`rings`: with `routing_key: traceID`, one trace for each of the 131,071 positions of the ring: see `trace_ids`.
`keys`: with other keys, a request of spans with all kinds of values, and who got each span, in order of span ids.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import subprocess
import tempfile
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import click
import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from collector.testing import Attribute, key_values
from testbed.subjects import gocollector

RECORDED = Path(__file__).parents[2] / "tests/data/load_balancing_go_0_160.json"
POSITIONS = 131_071
STEP = 1000
"""Of so many positions the owner of one is written down, beside the sum of all."""

_METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_AT_ONCE = 20_000
_SEVERAL = ("span.kind", "service.name", "no", "span.name")
_VALUES: tuple[Attribute, ...] = (
    *("", "checkout", "a|b=c", "héllo <&>", True, False, 0, -7, 2**53 + 1, 1.0, -0.0, 2.5, 1e21, 1e-7),
    *(float("nan"), float("inf"), b"", b"\x00\xff\x10", [], [1, "a", 2.5, True, ["b"]], {}),
    *({"z": 1, "a": {"k": "<v&>", "e": ""}, "n": 1e300},),
)  # fmt: skip


def trace_ids() -> list[bytes]:
    """Give a trace id for each position of the ring, in order of the positions."""
    found: dict[int, bytes] = {}
    number = 0
    while len(found) < POSITIONS:
        number += 1
        id = number.to_bytes(16, "big")
        found.setdefault(zlib.crc32(id) % POSITIONS, id)
    return [found[position] for position in range(POSITIONS)]


def digest(owners: Sequence[int]) -> str:
    """Sum up who owns the positions of a ring."""
    return hashlib.sha256(bytes(owners)).hexdigest()


def _keys_request() -> ExportTraceServiceRequest:
    """Build spans whose keys stand in the resource, in the scope, in the span, or nowhere."""
    request = ExportTraceServiceRequest()
    number = 0
    for place in ("resource", "scope", "span", "all", "none"):
        for value in _VALUES if place != "none" else ("",):
            attributes = key_values({"service.name": value, "key": value}) if place != "none" else []
            group = request.resource_spans.add()
            if place in {"resource", "all"}:
                group.resource.attributes.extend(attributes)
            for kinds in (range(7), range(2)):
                scope = group.scope_spans.add()
                scope.scope.name = "owners"
                if place in {"scope", "all"}:
                    scope.scope.attributes.extend(attributes)
                for kind in kinds:
                    number += 1
                    scope.spans.append(
                        Span(
                            # Two spans of each trace: the first one speaks for both.
                            trace_id=(number // 2 + 1).to_bytes(16, "big"),
                            span_id=number.to_bytes(8, "big"),
                            name=f"span {kind % 3}",
                            kind=cast("Span.SpanKind.ValueType", kind),  # 6 is none that there is
                            attributes=attributes[: number % 2 + 1] if place in {"span", "all"} else [],
                        )
                    )
    return request


class _Backends:
    """Servers that keep the span ids they are sent, by their place in the list of addresses."""

    def __init__(self) -> None:
        self._servers: list[grpc.Server] = []
        self.owners: dict[str, int] = {}

    def listen(self, address: str) -> str:
        """Open a server. Gives its address, with a port that the system chooses where there is none."""
        place = len(self._servers)

        def take(data: bytes, context: grpc.ServicerContext) -> bytes:
            for group in ExportTraceServiceRequest.FromString(data).resource_spans:
                for scope in group.scope_spans:
                    for span in scope.spans:
                        if self.owners.setdefault(span.span_id.hex(), place) != place:
                            raise RuntimeError("a span came to two backends")
            return b""

        options = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1)]
        server = grpc.server(ThreadPoolExecutor(2), options=options)
        handlers = {"Export": grpc.unary_unary_rpc_method_handler(take)}
        service = "opentelemetry.proto.collector.trace.v1.TraceService"
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
        port = server.add_insecure_port(address if ":" in address else f"{address}:4317")
        server.start()
        self._servers.append(server)
        return address.replace(":0", f":{port}")

    def stop(self) -> None:
        """Close all servers."""
        for server in self._servers:
            server.stop(None).wait()


@contextlib.contextmanager
def _balanced(names: Sequence[str], settings: Mapping[str, Any]) -> Iterator[tuple[list[str], str, dict[str, int]]]:
    """Run the Go collector before backends. Gives their names, where it listens, and who got which span."""
    backends = _Backends()
    receiver = _Backends()
    try:
        addresses = {name: backends.listen(name) for name in dict.fromkeys(names)}
        # A port that is free now: nobody else asks for one on this address meanwhile.
        endpoint = receiver.listen("127.0.0.99:0")
        receiver.stop()
        off = {"sending_queue": {"enabled": False}, "retry_on_failure": {"enabled": False}, "timeout": "30s"}
        protocol = {"otlp": {"tls": {"insecure": True}, "compression": "none", **off}}
        resolver = {"static": {"hostnames": [addresses[name] for name in names]}}
        configuration = {
            "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": endpoint, "max_recv_msg_size_mib": 64}}}},
            "exporters": {"load_balancing": {"protocol": protocol, "resolver": resolver, **settings}},
            "service": {
                "telemetry": {"metrics": {"level": "none"}},
                "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["load_balancing"]}},
            },
        }
        with tempfile.TemporaryDirectory() as folder:
            path, log = Path(folder) / "config.yaml", Path(folder) / "log"
            path.write_text(json.dumps(configuration), encoding="utf-8")  # JSON is YAML
            with log.open("wb") as stderr:
                process = subprocess.Popen([gocollector.PEER.path(), f"--config={path}"], stderr=stderr)
            try:
                _wait_until_ready(process, log)
                yield [addresses[name] for name in names], endpoint, backends.owners
            finally:
                process.kill()
                process.wait(timeout=20)
    finally:
        backends.stop()


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 20
    while b"Everything is ready" not in log.read_bytes():
        if time.monotonic() > deadline or process.poll() is not None:
            raise RuntimeError(log.read_text(encoding="utf-8"))
        time.sleep(0.02)


def _send(endpoint: str, request: ExportTraceServiceRequest) -> None:
    with grpc.insecure_channel(endpoint) as channel:
        channel.unary_unary(_METHOD)(request.SerializeToString(), timeout=60)


def ring(names: Sequence[str]) -> dict[str, Any]:
    """Record who owns each position of the ring."""
    ids = trace_ids()
    with _balanced(names, {}) as (addresses, endpoint, owners):
        for start in range(0, POSITIONS, _AT_ONCE):
            request = ExportTraceServiceRequest()
            spans = request.resource_spans.add().scope_spans.add().spans
            spans.extend(Span(trace_id=id, span_id=id[8:]) for id in ids[start : start + _AT_ONCE])
            _send(endpoint, request)
        # A name that stands twice is one backend.
        place = [addresses.index(address) for address in dict.fromkeys(addresses)]
        in_order = [place[owners[id[8:].hex()]] for id in ids]
    return {"names": addresses, "sha256": digest(in_order), "some": in_order[::STEP]}


def keys(settings: Mapping[str, Any], request: ExportTraceServiceRequest) -> dict[str, Any]:
    """Record who gets each span by another key."""
    with _balanced([f"127.0.0.{number}:0" for number in range(2, 14)], settings) as (addresses, endpoint, owners):
        _send(endpoint, request)
        return {"names": addresses, **settings, "owners": [owners[id] for id in sorted(owners)]}


@click.command(help="Record who gets which span from the Go collector's load_balancing exporter.")
@click.option("--out", type=click.Path(path_type=Path), default=RECORDED, help="Where the recording goes.")
def main(out: Path) -> None:
    """Record and write."""
    rings = {
        "one": ["127.0.0.2:0"],
        "three": [f"127.0.0.{number}:0" for number in range(2, 5)],
        "forty": [f"127.0.0.{number}:0" for number in range(2, 42)],
        "without ports": ["127.0.0.4", "127.0.0.2", "127.0.0.3"],
        "one twice": ["127.0.0.3:0", "127.0.0.2:0", "127.0.0.3:0"],
    }
    request = _keys_request()
    others: dict[str, dict[str, Any]] = {
        "service": {"routing_key": "service"},
        "attribute": {"routing_key": "attributes", "routing_attributes": ["key"]},
        "several": {
            "routing_key": "attributes",
            "routing_attributes": ["span.kind", "service.name", "no", "span.name"],
        },
    }
    recorded = {
        "about": f"Observed by running the Go collector {gocollector.SUBJECT.version()}: testbed/corpus/owners.py.",
        "rings": {title: ring(names) for title, names in rings.items()},
        "request": base64.b64encode(request.SerializeToString()).decode(),
        "keys": {title: keys(settings, request) for title, settings in others.items()},
    }
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in recorded.items())
    out.write_text("{\n" + lines + "\n}\n", encoding="utf-8")
    click.echo(f"{out}: {len(recorded['rings'])} rings, {len(recorded['keys'])} kinds of keys")


if __name__ == "__main__":
    main()
