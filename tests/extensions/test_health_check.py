"""The health check, asked over HTTP."""

from __future__ import annotations

import asyncio
import http.client
import json

import pytest

from collector.config.types import FieldError
from collector.errors import StartError
from collector.extensions.health_check import HealthCheckConfig, HealthCheckExtension, ResponseBody
from collector.testing import StubHost, extension_settings


def health_check(**options: object) -> HealthCheckExtension:
    config = HealthCheckConfig(**{"endpoint": "localhost:0", **options})  # type: ignore[arg-type]
    return HealthCheckExtension(config, extension_settings("health_check"))


async def ask(extension: HealthCheckExtension, path: str = "/") -> tuple[int, str]:
    def get() -> tuple[int, str]:
        connection = http.client.HTTPConnection(extension.server.address, timeout=5)
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return answer.status, body

    return await asyncio.to_thread(get)


async def test_answers_200_only_while_the_collector_is_ready() -> None:
    """Before all pipelines run, and from the beginning of the shutdown, the answer is 503."""
    extension = health_check()
    await extension.start(StubHost())
    before = await ask(extension)
    extension.ready()
    ready = await ask(extension)
    extension.not_ready()
    after = await ask(extension)
    await extension.shutdown()

    assert [status for status, _ in (before, ready, after)] == [503, 200, 503]
    assert json.loads(ready[1])["status"] == "Server available"
    assert json.loads(ready[1]).keys() == {"status", "upSince", "uptime"}
    assert json.loads(after[1]) == {"status": "Server not available"}


async def test_answers_at_its_path_with_the_texts_it_was_given() -> None:
    """Other pages are not found."""
    extension = health_check(path="/health", response_body=ResponseBody(healthy="fine", unhealthy="wait"))
    await extension.start(StubHost())
    unhealthy = await ask(extension, "/health")
    extension.ready()
    healthy = await ask(extension, "/health?verbose")
    elsewhere = await ask(extension, "/")
    await extension.shutdown()

    assert (unhealthy, healthy, elsewhere[0]) == ((503, "wait"), (200, "fine"), 404)


async def test_a_port_in_use_is_a_clear_start_error() -> None:
    """The message names the option."""
    first = health_check()
    await first.start(StubHost())

    with pytest.raises(StartError) as caught:
        await health_check(endpoint=first.server.address).start(StubHost())
    await first.shutdown()

    assert str(caught.value) == f"endpoint: cannot listen on {first.server.address}: address already in use"


@pytest.mark.parametrize(("option", "value"), [("path", "health"), ("endpoint", "")])
def test_wrong_settings_are_refused(option: str, value: str) -> None:
    """A path begins with a slash, and an endpoint is needed."""
    with pytest.raises(FieldError) as caught:
        HealthCheckConfig(**{option: value})

    assert caught.value.path == option
