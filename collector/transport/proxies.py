"""Proxies that clients go through: from a configuration, or from the environment, by the rules of Go.

`HTTPS_PROXY` and `HTTP_PROXY` name a proxy, for endpoints with TLS and without; over gRPC it is always the former.
`NO_PROXY` lists hosts that are reached without: names with all below them (`example.com`), only those below
(`.example.com`), addresses and ranges of addresses (`10.0.0.0/8`), each with a port if it likes, or `*` for all. This
machine is always reached without. Names may be in lower case, too.
"""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from collector.errors import StartError
from collector.transport.settings import join_endpoint

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Proxy:
    """Where a proxy is, and what it wants to hear."""

    host: str
    port: int
    authorization: str | None = None

    def for_tunnel(self, host: str, port: int) -> dict[str, object]:
        """Settings of the kernel's client for a way through it to a server."""
        tunnel = {"authority": join_endpoint(host, port), "authorization": self.authorization}
        return {"target": {"hosts": [(self.host, self.port)]}, "tunnel": tunnel}

    def for_requests(self, headers: Any) -> dict[str, object]:
        """Settings of the kernel's client for requests that the proxy hands on."""
        extra = [("proxy-authorization", self.authorization)] if self.authorization else []
        return {"target": {"hosts": [(self.host, self.port)]}, "absolute_form": True, "headers": [*headers, *extra]}


def parse_proxy(text: str) -> Proxy:
    """Read the URL of a proxy. The scheme may be left out. Raises `ValueError`."""
    url = urlsplit(text if "://" in text else f"http://{text}")
    if url.scheme != "http" or not url.hostname:
        msg = "must be a URL such as http://proxy:3128; other kinds of proxies are not supported"
        raise ValueError(msg)
    credentials = None
    if url.username is not None:
        pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
        credentials = f"Basic {base64.b64encode(pair.encode()).decode()}"
    return Proxy(url.hostname, url.port or 80, credentials)


def proxy_from(environment: Mapping[str, str], scheme: str, host: str, port: int) -> Proxy | None:
    """Find the proxy for a server. Raises `StartError` for one that cannot be used."""
    name = f"{scheme}_PROXY".upper()
    text = environment.get(name) or environment.get(name.lower())
    if not text or _goes_without(environment.get("NO_PROXY") or environment.get("no_proxy") or "", host, port):
        return None
    try:
        return parse_proxy(text)
    except ValueError as error:
        raise StartError(f"the proxy in {name} of the environment {error}") from error


def _goes_without(exceptions: str, host: str, port: int) -> bool:
    host = host.lower().rstrip(".")
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    return any(_matches(entry.strip().lower(), host, address, port) for entry in exceptions.split(","))


def _matches(entry: str, host: str, address: _Address | None, port: int) -> bool:
    if entry in {"", "*"}:
        return entry == "*"
    if "/" in entry:
        try:
            return address is not None and address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    name, colon, number = entry.rpartition(":")
    if colon and number.isdigit() and (":" not in name or name.endswith("]")):
        if int(number) != port:
            return False
        entry = name
    entry = entry.removeprefix("[").removesuffix("]")
    if address is not None:
        return _address(entry) == address
    entry = entry.removeprefix("*")
    return host.endswith(entry) if entry.startswith(".") else host == entry or host.endswith(f".{entry}")


def _address(text: str) -> _Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
