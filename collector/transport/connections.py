"""How many connections a server may have, and what is said when clients misuse theirs."""

from __future__ import annotations

import resource

MOST = 10_000
"""Connections at a time. Each costs little, but a file descriptor, and memory while a request is under way."""
_OURS = 128
"""File descriptors for everything else: exporters, files, pages."""
_PAUSE = 60.0
"""Seconds between two reports."""


def most_connections() -> int:
    """Say how many connections one of two listeners may have, after asking for as many descriptors as we may get."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * MOST + _OURS
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        soft = allowed
    if soft == resource.RLIM_INFINITY:
        return MOST
    return max(min(MOST, (soft - _OURS) // 2), 16)


_TROUBLES = {
    "slow": "cut because a request took too long to arrive",
    "broken": "broken off because of what was sent",
    "strangers": "came to no TLS",
    "crowded": "kept waiting because there are too many",
}


class Troubles:
    """Gathers what clients did to their connections, and says so now and then. It is told the time, in seconds."""

    def __init__(self) -> None:
        self._counts = dict.fromkeys(_TROUBLES, 0)
        self._due = float("-inf")

    def note(self, *, slow: int, broken: int, strangers: int, crowded: int, now: float) -> str | None:
        """Add to what there is. Gives a line for the log when there is something to say and it is time."""
        for kind, count in zip(_TROUBLES, (slow, broken, strangers, crowded), strict=True):
            self._counts[kind] += count
        if now < self._due or not any(self._counts.values()):
            return None
        parts = [f"{count} {_TROUBLES[kind]}" for kind, count in self._counts.items() if count]
        self._counts = dict.fromkeys(_TROUBLES, 0)
        self._due = now + _PAUSE
        return "connections of clients: " + ", ".join(parts)
