"""`make dist-check`: install the wheel into an environment of its own, as a user does, and pass a span through it.

What is on the path of this user is that environment alone: no cargo, no compiler, no checkout. Dependencies come from
the package index, so this needs the network.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

from collector.testing import make_request
from testbed.process import HTTP_RECEIVER, CollectorProcess

DIST = Path(__file__).parents[1] / "dist"

# A folder that was left out of the wheel, or a dependency that is not declared, shows here.
IMPORT_ALL = """
import importlib, pkgutil
for name in ("collector", "processors", "exporters"):
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, f"{name}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
"""

CONFIGURATION = """
receivers: {otlp: {protocols: {http: {endpoint: "127.0.0.1:0"}}}}
processors: {memory_limiter: {check_interval: 1s, limit_mib: 512}, batch: {timeout: 10ms}}
exporters: {file: {path: spans.jsonl}}
service:
  telemetry: {metrics: {level: none}}
  pipelines: {traces: {receivers: [otlp], processors: [memory_limiter, batch], exporters: [file]}}
"""


def check(wheel: Path, directory: Path) -> list[str]:
    """Install a wheel below `directory`, run it, and give the names of the spans it wrote.

    Raises `subprocess.CalledProcessError` and `RuntimeError`.
    """
    bin = directory / "environment" / "bin"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    environment["PATH"] = str(bin)

    def run(*command: str | Path) -> None:
        subprocess.run(command, cwd=directory, env=environment, check=True)

    run(sys.executable, "-m", "venv", bin.parent)
    run(bin / "pip", "install", "--quiet", wheel)
    run(bin / "pip", "check")
    run(bin / "python", "-c", IMPORT_ALL)
    (directory / "collector.yaml").write_text(CONFIGURATION, encoding="utf-8")
    program = CollectorProcess(
        ["--config", "collector.yaml"],
        directory=directory,
        program=[str(bin / "spanmill")],
        environment=environment,
    )
    with program as collector:
        url = f"http://{collector.address(HTTP_RECEIVER)}/v1/traces"
        request = urllib.request.Request(
            url, make_request(1).SerializeToString(), {"content-type": "application/x-protobuf"}
        )
        urllib.request.urlopen(request, timeout=10).close()  # noqa: S310
    lines = (directory / "spans.jsonl").read_text(encoding="utf-8").splitlines()
    groups = [group for line in lines for group in json.loads(line)["resourceSpans"]]
    return [span["name"] for group in groups for scope in group["scopeSpans"] for span in scope["spans"]]


def main() -> int:
    """Check the newest wheel in `dist/`."""
    wheels = sorted(DIST.glob("spanmill-*.whl"), key=lambda path: path.stat().st_mtime)
    if not wheels:
        print("there is no wheel in dist/: run `make dist`", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="spanmill-wheel-") as directory:
        spans = check(wheels[-1], Path(directory))
    if spans != ["span 0"]:
        print(f"{wheels[-1].name} runs, but one span was sent and {spans} came out", file=sys.stderr)
        return 1
    print(f"{wheels[-1].name} installs, runs, and passes a span")
    return 0


if __name__ == "__main__":
    sys.exit(main())
