"""The running collector: start back to front, wait, stop front to back.

    extensions → exporters → connectors → processors → receivers → ready
    not ready → receivers → processors → connectors → exporters → extensions

What cannot start ends the start: all that has started is shut down, and the process exits with 1. SIGINT and SIGTERM
drain: no new requests, and what is held is handed on, within one deadline for everything. A second signal ends the
drain. What is held even then is booked as lost, and the log says how much it was.

SIGHUP has the configuration read again and put in the place of the running one: see `reload.py`.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from collector import memory
from collector.component import Extension, Host, Leavings
from collector.config.model import CollectorConfig
from collector.drain import Drain, report
from collector.errors import ConfigError, StartError
from collector.parts import Named, chain, stages
from collector.pipeline import Machine, build
from collector.reload import Replacement, Startable
from collector.telemetry import logs
from collector.telemetry.logs import log
from collector.telemetry.pages import MetricsPage
from collector.telemetry.pipeline_metrics import register_ledger, register_process, register_reloads

SHUTDOWN_TIMEOUT = 30.0
"""Seconds that a drain may take unless told otherwise."""

PAGE = "service::telemetry::metrics"
"""How the metrics page is called in messages."""

Read = Callable[[], CollectorConfig]
"""Reads the configuration again. Raises `ConfigError`."""

_IDLE = 1.0
_SWITCH_INTERVAL = 0.0005


class Service:
    """One configuration after another, running."""

    def __init__(self, config: CollectorConfig, *, shutdown_timeout: float = SHUTDOWN_TIMEOUT) -> None:
        self.machine: Machine = build(config)
        self.ledger = self.machine.ledger
        self.metrics = self.machine.metrics
        self.metrics_page: MetricsPage | None = None
        """The page with the collector's own metrics, if the configuration wants one."""
        if page := config.telemetry.metrics.page:
            self.metrics_page = MetricsPage(self.metrics, self.ledger, page)
        self.failed = False
        """Whether a component reported that it cannot go on."""
        self.reloads: Counter[str] = Counter(applied=0, refused=0)
        """What became of configurations that were to follow."""
        self.is_stopping = False
        """Whether it shuts down."""
        self._shutdown_timeout = shutdown_timeout
        self._started: set[Startable] = set()
        self._ready = False
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._asked = asyncio.Event()
        """Set when the configuration is to be read again."""
        self._reloading = asyncio.Lock()
        self._ending: asyncio.Task[None] | None = None
        """Shuts down what is left of an older configuration."""
        self._hurry_ending = asyncio.Event()
        register_ledger(self.metrics, self.ledger)
        register_process(self.metrics, lambda: self.machine.config.telemetry.resource)
        register_reloads(self.metrics, self.reloads)

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
            self._hurry_ending.set()
        else:
            log.info("Received signal from OS", extra={"signal": signal})
            self._stop.set()

    def ask_for_reload(self, signal: str) -> None:
        """Have the configuration read again because of a signal."""
        log.info("Received signal from OS", extra={"signal": signal})
        self._asked.set()

    async def run(self, read: Read | None = None) -> None:
        """Start, wait until somebody asks to stop, and shut down. Raises `StartError` when something cannot start."""
        await self.start()
        tasks = {asyncio.create_task(self._trim_when_idle())}
        if read:
            tasks.add(asyncio.create_task(self._reload_when_asked(read)))
        try:
            await self._stop.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await self.shutdown()

    async def start(self) -> None:
        """Start everything, back to front. Raises `StartError`, and leaves nothing running then."""
        machine = self.machine
        host = _MachineHost(self, machine, {})
        try:
            if self.metrics_page:
                await self._start(host, self.metrics_page, PAGE)
            for each in stages(machine).in_order():
                await self._start(host, each.part, each.path)
        except BaseException:
            await self.shutdown()
            raise
        for extension in machine.extensions.values():
            extension.ready()
        self._ready = True
        log.info("Everything is ready. Begin running and processing data.")

    async def _start(self, host: Host, part: Startable, path: str) -> None:
        # What fails half-way has perhaps acquired something, and `shutdown` may be called without `start`.
        self._started.add(part)
        try:
            await part.start(host)
        except StartError as error:
            raise error.below(path) from error
        except Exception as error:
            log.debug(f"what {path} raised", exc_info=error)
            raise StartError(f"cannot start: {type(error).__name__}: {error}", path=path) from error

    # --- another configuration

    async def _reload_when_asked(self, read: Read) -> None:
        while True:
            await self._asked.wait()
            self._asked.clear()
            explain: Callable[[str], str] = str
            try:
                config = await asyncio.to_thread(read)
                explain = config.explain
                await self.reload(config)
            except (ConfigError, StartError) as error:
                self.reloads["refused"] += 1
                log.error(f"the new configuration is refused, the old one goes on\n{explain(str(error))}")
            except Exception:
                self.reloads["refused"] += 1
                log.exception("a bug: the new configuration could not be put in its place")

    async def reload(self, config: CollectorConfig) -> None:
        """Put another configuration in the place of the running one, and return when nothing is left of that.

        Raises `ConfigError` or `StartError` for one that cannot be: then nothing has changed.
        """
        async with self._reloading:
            await self._replace(config)
            # What is gone refers to itself, and some of it has descriptors.
            gc.collect()

    async def _replace(self, config: CollectorConfig) -> None:
        replacement = Replacement(self.machine, build(config, self.machine))
        page, leavings = self._next_page(config), replacement.leavings
        if (before := self.metrics_page) and before is not page:
            leavings = {**leavings, **before.leaves()}
        host = _MachineHost(self, replacement.new, leavings)
        old_parts = set(self._started)
        try:
            if page and page is not before:
                await self._start(host, page, PAGE)
            await replacement.start(lambda part, path: self._start(host, part, path))
            self._configure_logs(config)
        except BaseException:
            await replacement.undo(self._drain(self._hurry))
            if page and page is not before:
                await page.shutdown()
            self._started.intersection_update(old_parts)
            raise
        replacement.swap(self.ledger, self.metrics, host)
        self.machine, self.metrics_page = replacement.new, page
        self._started = {each.part for each in stages(self.machine).in_order()}
        self.reloads["applied"] += 1
        for notice in (*config.notices, *self.machine.notices):
            log.warning(notice)
        log.info("The new configuration is in place")
        self._ending = asyncio.create_task(self._end(replacement, before if before is not page else None))
        # A shutdown that begins now waits for this, within its own deadline.
        await asyncio.shield(self._ending)
        self._ending = None

    def _next_page(self, config: CollectorConfig) -> MetricsPage | None:
        """Give the page that a configuration wants: the one there is, if it can stay."""
        page = config.telemetry.metrics.page
        if page and self.metrics_page and self.metrics_page.config == page:
            return self.metrics_page
        return MetricsPage(self.metrics, self.ledger, page) if page else None

    def _configure_logs(self, config: CollectorConfig) -> None:
        """Have the logs go where another configuration wants them. Raises `StartError`: then nothing has changed."""
        old = self.machine.config.telemetry.logs
        if config.telemetry.logs == old:
            return
        try:
            logs.configure(config.telemetry.logs)
        except OSError as error:
            logs.configure(old)
            raise StartError(str(error), path="service::telemetry::logs::output_paths") from error

    async def _end(self, replacement: Replacement, page: MetricsPage | None) -> None:
        await replacement.end(self._drain(self._hurry_ending))
        if page:
            await page.shutdown()
        log.info("Nothing is left of the old configuration")

    # --- the end

    async def shutdown(self) -> None:
        """Stop everything that was started, front to back, within the deadline. Books what is left as lost."""
        log.info("Starting shutdown...")
        self.is_stopping = True
        parts, drain = stages(self.machine), self._drain(self._hurry)
        for extension in self.machine.extensions.values():
            extension.not_ready()
        if ending := self._ending:
            await drain.stage([[("the old configuration", _Waiting(ending, self._hurry_ending))]], share=0.3)
            await asyncio.wait([ending])
        await drain.stage([self._stopping([each]) for each in parts.receivers], share=0.5)
        await drain.stage([self._stopping(processors) for processors in parts.chains], share=0.5)
        await drain.stage([self._stopping([each]) for each in parts.connectors], share=0.5)
        await drain.stage([self._stopping([each]) for each in parts.exporters])
        pages = [(PAGE, self.metrics_page)] if self.metrics_page else []
        await drain.stage([[*self._stopping(reversed(parts.extensions)), *pages]])
        if self._ready:
            report(self.ledger)
        log.info("Shutdown complete.")

    def _stopping(self, parts: Iterable[Named]) -> list[tuple[str, Startable]]:
        """Those that were started."""
        return [*chain(each for each in parts if each.part in self._started)]

    def _drain(self, hurry: asyncio.Event) -> Drain:
        return Drain(asyncio.get_running_loop().time() + self._shutdown_timeout, hurry)

    async def _trim_when_idle(self) -> None:
        """Give memory back after each second without requests that follows one with requests."""
        ledger = self.ledger
        before = trimmed = 0
        while True:
            await asyncio.sleep(_IDLE)
            ledger.refresh()
            accounts = ledger.receivers.values()
            now = sum(account.requests_received for by in accounts for account in by.transports.values())
            if now == before != trimmed:
                await asyncio.to_thread(memory.trim)
                trimmed = now
            before = now


class _MachineHost:
    """The service as the components of one machine see it."""

    def __init__(self, service: Service, machine: Machine, leavings: Leavings) -> None:
        self._service = service
        self._machine = machine
        self._leavings = leavings

    def extension(self, id: str) -> Extension | None:
        return self._machine.extensions.get(id)

    def fail(self, component: str, error: BaseException) -> None:
        self._service.fail(component, error)

    def left(self, key: str) -> Any:
        left = self._leavings.get(key)
        return left() if left else None

    @property
    def is_stopping(self) -> bool:
        return self._service.is_stopping


class _Waiting:
    """Waits for a task, and has it hurry when there is no more time."""

    def __init__(self, task: asyncio.Task[None], hurry: asyncio.Event) -> None:
        self._task = task
        self._hurry = hurry

    async def shutdown(self) -> None:
        try:
            await asyncio.wait([self._task])
        finally:
            self._hurry.set()


def run(config: CollectorConfig, read: Read | None = None, *, shutdown_timeout: float = SHUTDOWN_TIMEOUT) -> int:
    """Run the collector until a signal ends it, and give the exit status. Raises `ConfigError`.

    SIGHUP has it `read` its configuration again.
    """
    memory.tune()
    # Kernel work and grpcio release the interpreter: who comes back should not wait for 5 ms.
    sys.setswitchinterval(_SWITCH_INTERVAL)
    service = Service(config, shutdown_timeout=shutdown_timeout)
    try:
        logs.configure(config.telemetry.logs)
        for notice in (*config.notices, *service.machine.notices):
            log.warning(notice)
        asyncio.run(_until_signal(service, read))
    except StartError as error:
        log.error(config.explain(str(error)))
        return 1
    return 1 if service.failed else 0


async def _until_signal(service: Service, read: Read | None) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, service.stop, number.name)
    if read:
        loop.add_signal_handler(signal.SIGHUP, service.ask_for_reload, "SIGHUP")
    await service.run(read)
