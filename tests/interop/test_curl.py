"""curl speaks HTTP/1.1 and HTTP/2 to both ports."""

from collections.abc import Callable
from pathlib import Path

import pytest
from certificates import Authority
from interop.running import Running

from collector.testing import make_request
from testbed.process import HTTP_RECEIVER, CollectorProcess

PATH = "/v1/traces"
VERSIONS = {"HTTP/1.1": ("--http1.1", "1.1"), "HTTP/2": ("--http2-prior-knowledge", "2")}
REPORT = "%{http_version} %{http_code} %{content_type}"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_request_over_http(collector: Running, curl: Callable[..., str], tmp_path: Path, version: str) -> None:
    """It is answered in the version that it came in, and its spans arrive."""
    option, number = VERSIONS[version]
    body = tmp_path / "request"
    body.write_bytes(make_request(3).SerializeToString())

    answer = curl(
        option, "--data-binary", f"@{body}", "-H", "Content-Type: application/x-protobuf",
        "-w", REPORT, f"http://{collector.http}{PATH}",
    )  # fmt: skip

    assert answer == f"{number} 200 application/x-protobuf"
    assert len(collector.backend.wait(lambda spans: len(spans) >= 3)) == 3


def test_an_upgrade_to_http2_is_declined(collector: Running, curl: Callable[..., str], tmp_path: Path) -> None:
    """The obsolete way to HTTP/2 without TLS (RFC 9113, section 3.1) is answered in HTTP/1.1, and the spans arrive."""
    body = tmp_path / "request"
    body.write_bytes(make_request(2).SerializeToString())

    answer = curl(
        "--http2", "--data-binary", f"@{body}", "-H", "Content-Type: application/x-protobuf",
        "-w", REPORT, f"http://{collector.http}{PATH}",
    )  # fmt: skip

    assert answer == "1.1 200 application/x-protobuf"
    assert len(collector.backend.wait(lambda spans: len(spans) >= 2)) == 2


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["-X", "GET", PATH], 405),
        (["-d", "x", "-H", "Content-Type: text/plain", PATH], 415),
        (["-d", "x", "-H", "Content-Type: application/x-protobuf", "/other"], 404),
        (["-d", "x", "-H", "Content-Type: application/x-protobuf", PATH], 400),
        (["-d", "x", "-H", "Content-Type: application/x-protobuf", "-H", "Content-Encoding: gzip", PATH], 400),
    ],
)
def test_what_is_wrong_is_told(
    collector: Running, curl: Callable[..., str], version: str, arguments: list[str], status: int
) -> None:
    """Each mistake has its status, in both versions."""
    *options, path = arguments

    answer = curl(
        VERSIONS[version][0], *options, "-o", "/dev/null", "-w", "%{http_code}", f"http://{collector.http}{path}"
    )

    assert answer == str(status)


def test_a_grpc_request_by_hand(collector: Running, curl: Callable[..., str], tmp_path: Path) -> None:
    """GRPC is HTTP/2 with five bytes before the message: curl gets its status in the trailers."""
    message = make_request(4).SerializeToString()
    body = tmp_path / "request"
    body.write_bytes(b"\0" + len(message).to_bytes(4, "big") + message)

    answer = curl(
        "--http2-prior-knowledge", "--data-binary", f"@{body}", "-H", "Content-Type: application/grpc",
        "-H", "TE: trailers", "-D", "-", "-o", "/dev/null",
        f"http://{collector.grpc}/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    )  # fmt: skip

    assert "grpc-status: 0" in answer
    assert len(collector.backend.wait(lambda spans: len(spans) >= 4)) == 4


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_tls(curl: Callable[..., str], tmp_path: Path, version: str) -> None:
    """The version of HTTP is agreed on by ALPN, and a client without a certificate is not heard."""
    authority = Authority(tmp_path)
    server, client = authority.issue("server"), authority.issue("client")
    body, path = tmp_path / "request", tmp_path / "tls.yaml"
    body.write_bytes(make_request(3).SerializeToString())
    path.write_text(f"""
receivers:
  otlp:
    protocols:
      http:
        endpoint: 127.0.0.1:0
        tls: {{cert_file: "{server.cert}", key_file: "{server.key}", client_ca_file: "{authority.ca}"}}
exporters: {{nop: }}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [nop]}}}}
""")
    with CollectorProcess(["--config", str(path)]) as process:
        url = f"https://{process.address(HTTP_RECEIVER)}{PATH}"
        request = [
            "--cacert",
            str(authority.ca),
            "--data-binary",
            f"@{body}",
            "-H",
            "Content-Type: application/x-protobuf",
        ]
        answer = curl(
            f"--http{version}", *request, "--cert", str(client.cert), "--key", str(client.key), "-w", REPORT, url
        )
        with pytest.raises(AssertionError, match="ended with status"):
            curl(f"--http{version}", *request, url)

    assert answer == f"{version} 200 application/x-protobuf"
    assert any("accepted 3" in line for line in process.log)
