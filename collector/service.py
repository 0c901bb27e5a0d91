"""The running collector: start back to front, wait, stop front to back.

    extensions → exporters → processors → receivers → ready
    not ready → receivers → processors → exporters → extensions

What cannot start ends the start: all that has started is shut down, and the process exits with 1. SIGINT and SIGTERM
drain: no new requests, and what is held is handed on, within one deadline for everything. A second signal ends the
drain. What is held even then is booked as lost, and the log says how much it was.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import uuid
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any, Protocol

from collector import memory
from collector.component import Extension, Host
from collector.config.model import CollectorConfig, PrometheusConfig
from collector.drain import Drain, report
from collector.errors import StartError
from collector.pipeline import Machine, build
from collector.telemetry import logs
from collector.telemetry.logs import log
from collector.telemetry.pages import pages
from collector.telemetry.pipeline_metrics import register_ledger, register_process, register_queues
from collector.transport.http_server import HttpServer
from collector.transport.settings import join_endpoint

SHUTDOWN_TIMEOUT = 30.0
"""Seconds that a drain may take unless told otherwise."""

PAGE = "service::telemetry::metrics"
"""How the metrics page is called in messages."""

_IDLE = 1.0
_SWITCH_INTERVAL = 0.0005


class Startable(Protocol):
    """What the service starts and stops: components, senders, servers."""

    async def start(self, host: Host) -> None:
        """Acquire what is needed to work."""

    async def shutdown(self) -> None:
        """Hand over what is held and release everything."""


class Service:
    """One configuration, running. It is the `Host` of its components."""

    def __init__(self, config: CollectorConfig, *, shutdown_timeout: float = SHUTDOWN_TIMEOUT) -> None:
        self.machine: Machine = build(config)
        self.metrics_page: MetricsPage | None = None
        """The page with the collector's own metrics, if the configuration wants one."""
        if page := config.telemetry.metrics.page:
            self.metrics_page = MetricsPage(self.machine, page)
        self.failed = False
        """Whether a component reported that it cannot go on."""
        self._shutdown_timeout = shutdown_timeout
        self._started: dict[str, Startable] = {}
        self._ready = False
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        register_ledger(self.machine.metrics, self.machine.ledger)
        register_queues(self.machine.metrics, self.machine.exporters)
        register_process(self.machine.metrics, _resource(config.telemetry.resource))

    def extension(self, id: str) -> Extension | None:
        """The running extension of this id."""
        return self.machine.extensions.get(id)

    def fail(self, component: str, error: BaseException) -> None:
        """Hear that a component cannot go on: the collector drains and exits with 1."""
        log.error(f"{component} cannot go on: {error}", exc_info=error)
        self.failed = True
        self._stop.set()

    def stop(self, signal: str) -> None:
        """Begin to drain because of a signal; the second time, end the drain."""
        if self._stop.is_set():
            log.warning("Received another signal from OS, not waiting any longer", extra={"signal": signal})
            self._hurry.set()
        else:
            log.info("Received signal from OS", extra={"signal": signal})
            self._stop.set()

    async def run(self) -> None:
        """Start, wait until somebody asks to stop, and shut down. Raises `StartError` when something cannot start."""
        await self.start()
        trimming = asyncio.create_task(self._trim_when_idle())
        try:
            await self._stop.wait()
        finally:
            trimming.cancel()
            await self.shutdown()

    async def start(self) -> None:
        """Start everything, back to front. Raises `StartError`, and leaves nothing running then."""
        machine = self.machine
        try:
            if self.metrics_page:
                await self._start(PAGE, self.metrics_page)
            for id, extension in machine.extensions.items():
                await self._start(f"extensions::{id}", extension)
            for id, exporter in machine.exporters.items():
                await self._start(f"exporters::{id}", exporter)
            for pipeline, processors in machine.processors.items():
                for name, processor in reversed(processors):
                    await self._start(f"{name} in {pipeline}", processor, path=name)
            for id, receiver in machine.receivers.items():
                await self._start(f"receivers::{id}", receiver)
        except BaseException:
            await self.shutdown()
            raise
        for extension in machine.extensions.values():
            extension.ready()
        self._ready = True
        log.info("Everything is ready. Begin running and processing data.")

    async def _start(self, name: str, component: Startable, *, path: str = "") -> None:
        # What fails half-way has perhaps acquired something, and `shutdown` may be called without `start`.
        self._started[name] = component
        try:
            await component.start(self)
        except StartError as error:
            raise error.below(path or name) from error
        except Exception as error:
            log.debug(f"what {name} raised", exc_info=error)
            raise StartError(f"cannot start: {type(error).__name__}: {error}", path=path or name) from error

    async def shutdown(self) -> None:
        """Stop everything that was started, front to back, within the deadline. Books what is left as lost."""
        log.info("Starting shutdown...")
        machine = self.machine
        drain = Drain(asyncio.get_running_loop().time() + self._shutdown_timeout, self._hurry)
        for extension in machine.extensions.values():
            extension.not_ready()
        await drain.stage(self._stopping([f"receivers::{id}"] for id in machine.receivers), share=0.5)
        chains = ([f"{name} in {pipeline}" for name, _ in chain] for pipeline, chain in machine.processors.items())
        await drain.stage(self._stopping(chains), share=0.5)
        await drain.stage(self._stopping([f"exporters::{id}"] for id in machine.exporters))
        await drain.stage(self._stopping([[f"extensions::{id}" for id in reversed(machine.extensions)], [PAGE]]))
        if self._ready:
            report(machine.ledger)
        log.info("Shutdown complete.")

    def _stopping(self, chains: Iterable[list[str]]) -> list[list[tuple[str, Startable]]]:
        """Look up what was started, of chains of names that are stopped in order."""
        return [[(name, self._started[name]) for name in chain if name in self._started] for chain in chains]

    async def _trim_when_idle(self) -> None:
        """Give memory back after each second without requests that follows one with requests."""
        ledger = self.machine.ledger
        accounts = ledger.receivers
        before = trimmed = 0
        while True:
            await asyncio.sleep(_IDLE)
            ledger.refresh()
            now = sum(account.requests_received for by in accounts.values() for account in by.transports.values())
            if now == before != trimmed:
                await asyncio.to_thread(memory.trim)
                trimmed = now
            before = now


class MetricsPage:
    """The server of the collector's own figures, as a thing to start and stop."""

    def __init__(self, machine: Machine, config: PrometheusConfig) -> None:
        self.server = HttpServer(pages(machine.metrics, machine.ledger), join_endpoint(config.host, config.port))

    async def start(self, host: Host) -> None:
        """Listen. Raises `StartError`."""
        await self.server.start()
        log.info("Serving metrics", extra={"endpoint": self.server.address})

    async def shutdown(self) -> None:
        """Stop listening."""
        await self.server.shutdown()


def _resource(attributes: Mapping[str, Any]) -> dict[str, str]:
    """By which attributes the collector is known."""
    defaults = {
        "service.name": "spanmill",
        "service.version": version("spanmill"),
        "service.instance.id": str(uuid.uuid4()),
    }
    return {name: str(value) for name, value in {**defaults, **attributes}.items() if value is not None}


def run(config: CollectorConfig, *, shutdown_timeout: float = SHUTDOWN_TIMEOUT) -> int:
    """Run the collector until a signal ends it, and give the exit status. Raises `ConfigError`."""
    memory.tune()
    # Kernel work and grpcio release the interpreter: who comes back should not wait for 5 ms.
    sys.setswitchinterval(_SWITCH_INTERVAL)
    service = Service(config, shutdown_timeout=shutdown_timeout)
    try:
        logs.configure(config.telemetry.logs)
        for notice in (*config.notices, *service.machine.notices):
            log.warning(notice)
        asyncio.run(_until_signal(service))
    except StartError as error:
        log.error(config.explain(str(error)))
        return 1
    return 1 if service.failed else 0


async def _until_signal(service: Service) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, service.stop, number.name)
    await service.run()
