"""Who knows the backends: a list that stays, or a name that is looked up again and again."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from exporters.load_balancing.config import DnsConfig, ResolverConfig, StaticConfig

Take = Callable[[list[str]], Awaitable[None]]
"""Goes on with this list of names. Raises `StartError` if that cannot be, and then goes on with the one before."""

Lookup = Callable[[str], Sequence[str]]
"""Gives the addresses of a name. Blocks. Raises `OSError`."""


class Resolver(Protocol):
    """Knows the names of the backends, sorted."""

    kind: str
    resolutions: Counter[bool]
    """Look-ups by their success."""
    updates: int
    """How often the list changed."""
    names: list[str]
    """The list that `take` went on with last."""

    async def start(self, take: Take) -> None:
        """Tell the list, and each other one there is from now on. Raises `StartError` if the first cannot be used."""

    async def stop(self) -> None:
        """Tell nothing more. May be called twice, and without `start`."""


class StaticResolver:
    """Knows a list."""

    kind = "static"

    def __init__(self, config: StaticConfig) -> None:
        self._hostnames = sorted(config.hostnames)
        self.resolutions: Counter[bool] = Counter()
        self.updates = 0
        self.names: list[str] = []

    async def start(self, take: Take) -> None:
        """Tell the list."""
        self.resolutions[True] += 1
        await take(self._hostnames)
        self.names = self._hostnames
        self.updates += 1

    async def stop(self) -> None:
        """Tell nothing more."""


class DnsResolver:
    """Looks a name up, and tells when its addresses are others. A look-up that fails changes nothing."""

    kind = "dns"

    def __init__(self, config: DnsConfig, logger: logging.Logger, lookup: Lookup | None = None) -> None:
        self._config = config
        self._logger = logger
        self._lookup = lookup or addresses_of
        self._pending: asyncio.Future[Sequence[str]] | None = None
        self._task: asyncio.Task[None] | None = None
        self._failing = False
        self.resolutions: Counter[bool] = Counter()
        self.updates = 0
        self.names: list[str] = []

    async def start(self, take: Take) -> None:
        """Look the name up, tell what was found, and go on in the background."""
        await self._resolve(take)
        self._task = asyncio.get_running_loop().create_task(self._watch(take))

    async def stop(self) -> None:
        """Tell nothing more."""
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _watch(self, take: Take) -> None:
        while True:
            await asyncio.sleep(self._config.interval)
            try:
                await self._resolve(take)
            except Exception as error:
                # Whatever it was, it is tried again: the list is still another one.
                self._logger.error(f"the backends of {self._config.hostname} have changed, but cannot be used: {error}")

    async def _resolve(self, take: Take) -> None:
        try:
            names = await self._look_up()
        except OSError as error:
            self.resolutions[False] += 1
            if not self._failing:
                known = f"going on with {len(self.names)} backends" if self.names else "there are no backends"
                self._logger.warning(f"cannot look up {self._config.hostname}, {known}: {error}")
            self._failing = True
            return
        self.resolutions[True] += 1
        if self._failing:
            self._logger.info(f"{self._config.hostname} can be looked up again")
        self._failing = False
        if names == self.names:
            return
        await take(names)
        self.names = names
        self.updates += 1

    async def _look_up(self) -> list[str]:
        """Give the names of the backends. Raises `OSError`, of which `TimeoutError` is one."""
        if self._pending is None:
            self._pending = _in_thread(self._lookup, self._config.hostname)
        pending = self._pending
        try:
            async with asyncio.timeout(self._config.timeout):
                # One that takes longer is waited for next time: there is never more than one thread.
                addresses = await asyncio.shield(pending)
        except TimeoutError:
            if not pending.done():
                raise TimeoutError(f"no answer within {self._config.timeout}") from None
            raise
        finally:
            if pending.done():
                self._pending = None
        if not addresses:
            raise OSError("the name has no addresses")
        port = f":{self._config.port}" if self._config.port else ""
        return sorted({_in_brackets(address) + port for address in addresses})


def resolver(config: ResolverConfig, logger: logging.Logger) -> Resolver:
    """Make the resolver that is asked for."""
    if config.static:
        return StaticResolver(config.static)
    if config.dns:
        return DnsResolver(config.dns, logger)
    raise ValueError("settings without a resolver were not to come this far")


def addresses_of(name: str) -> list[str]:
    """Ask the system for the addresses of a name. Raises `OSError`."""
    return [str(found[4][0]) for found in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)]


def _in_brackets(address: str) -> str:
    """Write an address as the Go collector does, for the ring is made of such texts."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        return str(ip.ipv4_mapped) if ip.ipv4_mapped else f"[{ip}]"
    return str(ip)


def _in_thread(lookup: Lookup, name: str) -> asyncio.Future[Sequence[str]]:
    """Look up in a thread that nobody waits for at the end: nothing breaks off the system's resolver."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[Sequence[str]] = loop.create_future()

    def tell(addresses: Sequence[str], error: OSError | None) -> None:
        if found.done():
            return
        if error:
            found.set_exception(error)
            found.exception()  # perhaps nobody waits for it any more
        else:
            found.set_result(addresses)

    def run() -> None:
        addresses: Sequence[str] = ()
        error: OSError | None = None
        try:
            addresses = lookup(name)
        except OSError as caught:
            error = caught
        except Exception as caught:
            error = OSError(f"{type(caught).__name__}: {caught}")
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(tell, addresses, error)

    threading.Thread(target=run, name=f"look up {name}", daemon=True).start()
    return found
