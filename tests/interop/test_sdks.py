"""The SDKs for Go and for Java send over both protocols, and every span arrives, by its id."""

from collections.abc import Callable

import pytest
from interop.running import Running

COUNT = 500


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("protocol", ["grpc", "http"])
@pytest.mark.parametrize("language", ["go", "java"])
def test_what_an_sdk_sends_arrives(
    request: pytest.FixtureRequest, collector: Running, language: str, protocol: str, compression: str
) -> None:
    """Nothing is missing, nothing is there twice."""
    sdk: Callable[..., str] = request.getfixturevalue(f"{language}_sdk")
    address = collector.grpc if protocol == "grpc" else collector.http

    sent = sdk(protocol, address, compression, str(COUNT)).split()
    arrived = [span.id for span in collector.backend.wait(lambda spans: len(spans) >= COUNT)]

    assert len(sent) == COUNT
    assert sorted(arrived) == sorted(sent)
