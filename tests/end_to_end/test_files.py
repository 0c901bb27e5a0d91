"""The real process writes files, is killed in the middle of it, and is started again."""

import http.client
import itertools
import threading
import urllib.request
from collections import Counter
from pathlib import Path

from record_files import span_names

from collector.testing import make_request
from testbed.process import HTTP_RECEIVER, CollectorProcess

SPANS = 50


def send(address: str, first: int) -> bool:
    """Send 50 spans of some 2 KB, and tell whether they were taken."""
    body = make_request(SPANS, first=first, attributes={"text": "x" * 2000}).SerializeToString()
    headers = {"content-type": "application/x-protobuf"}
    request = urllib.request.Request(f"http://{address}/v1/traces", body, headers)
    try:
        urllib.request.urlopen(request, timeout=10).close()  # noqa: S310  it is the collector
    except (OSError, http.client.HTTPException):
        return False
    return True


def test_what_was_acknowledged_is_in_one_file_whatever_happens(tmp_path: Path) -> None:
    """Over rotations, a kill under load and a restart: each span once, and all files can be read."""
    config = tmp_path / "collector.yaml"
    config.write_text("""
receivers: {otlp: {protocols: {http: {endpoint: "127.0.0.1:0"}}}}
exporters: {file: {path: out/spans.bin, format: proto, create_directory: true, rotation: {max_megabytes: 1}}}
service:
  telemetry: {metrics: {level: none}}
  pipelines: {traces: {receivers: [otlp], exporters: [file]}}
""")
    taken: list[int] = []
    numbers = itertools.count(0, SPANS)

    def load(address: str, requests: int) -> None:
        for first in itertools.islice(numbers, requests):
            if not send(address, first):
                return
            taken.append(first)

    collector = CollectorProcess(["--config", str(config)], directory=tmp_path)
    with collector:
        address = collector.address(HTTP_RECEIVER)
        load(address, 30)
        sender = threading.Thread(target=load, args=(address, 10_000))
        sender.start()
        while len(taken) < 40 and sender.is_alive():
            sender.join(0.001)
        collector.kill()
        sender.join()
    with CollectorProcess(["--config", str(config)], directory=tmp_path) as again:
        load(again.address(HTTP_RECEIVER), 20)

    files = list((tmp_path / "out").iterdir())
    found = Counter(name for file in files for name in span_names(file, "proto"))
    assert len(taken) >= 60
    assert len(files) > 4
    assert set(found.values()) == {1}
    assert {f"span {n}" for first in taken for n in range(first, first + SPANS)} <= found.keys()
