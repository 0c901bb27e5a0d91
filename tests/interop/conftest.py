"""What the tests of `make interop` share: clients in other languages, built where they stand, and a running collector.

Nothing here runs with `make test`: it takes Go, a JDK with Maven, and curl, and some minutes.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from interop.running import BUILD, CONFIGURATION, ENGINES, HERE, Running, run

from testbed.backend import Backend
from testbed.process import HTTP_RECEIVER, CollectorProcess


def _needed(program: str, purpose: str) -> None:
    if not shutil.which(program):
        pytest.fail(f"{program} is not on the PATH: {purpose}")


@pytest.fixture(params=ENGINES)
def collector(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    """A running collector, with each engine."""
    with Backend() as backend:
        path = tmp_path / "interop.yaml"
        path.write_text(CONFIGURATION % {"engine": request.param, "backend": backend.address})
        with CollectorProcess(["--config", str(path)]) as process:
            yield Running(process.address(), process.address(HTTP_RECEIVER), backend, process)


@pytest.fixture(scope="session")
def go_sdk() -> Callable[..., str]:
    """Sends with the SDK for Go, and gives what it prints."""
    _needed("go", "it builds a client with the SDK for Go, and h2spec")
    run("go", "build", "-o", BUILD / "send", ".", directory=HERE / "go", timeout=600)
    return lambda *arguments: run(BUILD / "send", *arguments)


@pytest.fixture(scope="session")
def h2spec() -> Path:
    """The conformance test of HTTP/2."""
    _needed("go", "it builds h2spec")
    package = "github.com/summerwind/h2spec/cmd/h2spec"
    run("go", "build", "-o", BUILD / "h2spec", package, directory=HERE / "go", timeout=600)
    return BUILD / "h2spec"


@pytest.fixture(scope="session")
def java_sdk() -> Callable[..., str]:
    """Sends with the SDK for Java, and gives what it prints."""
    _needed("mvn", "it builds a client with the SDK for Java")
    libraries = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
    run("mvn", "-q", "-B", "compile", libraries, "-DincludeScope=runtime", directory=HERE / "java", timeout=600)
    target = HERE / "java" / "target"
    return lambda *arguments: run("java", "-cp", f"{target / 'classes'}:{target / 'dependency'}/*", "Send", *arguments)


@pytest.fixture(scope="session")
def curl() -> Callable[..., str]:
    """Run curl with the arguments, and give what it prints."""
    _needed("curl", "it sends over HTTP/1.1 and HTTP/2")
    return lambda *arguments: run("curl", "--silent", "--show-error", "--max-time", "20", *arguments)
