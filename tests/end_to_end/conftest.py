"""What the tests of the real process share: how to start it as shipped, on ports that the system chooses."""

from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

Arguments = Callable[..., list[str]]


@pytest.fixture(scope="session")
def shipped() -> Arguments:
    """Arguments that run `collector.yaml` in `directory`, with a third exporter that sends to `address`."""

    def arguments(directory: Path, address: str, **settings: str) -> list[str]:
        overrides = {
            "receivers.otlp.protocols.grpc.endpoint": "127.0.0.1:0",
            "receivers.otlp.protocols.http.endpoint": "127.0.0.1:0",
            "extensions.health_check.endpoint": "127.0.0.1:0",
            "exporters.file.path": str(directory / "spans.jsonl"),
            "exporters.otlp_grpc.endpoint": address,
            "exporters.otlp_grpc.tls.insecure": "true",
            "service.pipelines.traces.exporters": "[debug, file, otlp_grpc]",
            "service.telemetry.metrics.readers": ("[{pull: {exporter: {prometheus: {host: 127.0.0.1, port: 0}}}}]"),
            **{key.replace("__", "."): value for key, value in settings.items()},
        }
        return [
            "--config",
            str(ROOT / "collector.yaml"),
            *(part for key, value in overrides.items() for part in ("--set", f"{key}={value}")),
        ]

    return arguments
