"""Memory of the process: how much it has, how much it may have, and giving back what it does not need.

glibc keeps what was freed, in up to eight arenas a core, and requests come and go by the megabyte. Two arenas and a low
trim threshold keep the resident size flat; what is left over is returned by `trim` in quiet moments.
"""

from __future__ import annotations

import ctypes
import functools
import os
from pathlib import Path

_M_TRIM_THRESHOLD = -1
_M_ARENA_MAX = -8
_TRIM_THRESHOLD = 1 << 20

_PAGE = os.sysconf("SC_PAGE_SIZE")

_CGROUP = Path("/sys/fs/cgroup")
_LIMITS = ("memory.max", "memory.limit_in_bytes")
"""Version 2, version 1."""


def rss() -> int:
    """Resident bytes of this process."""
    with open("/proc/self/statm", "rb") as statm:
        return int(statm.read().split()[1]) * _PAGE


def total() -> int:
    """Bytes this process may use: the limit of its control group, or the memory of the machine."""
    machine = _PAGE * os.sysconf("SC_PHYS_PAGES")
    return min([machine, *_cgroup_limits()])


def _cgroup_limits(root: Path = _CGROUP, membership: Path = Path("/proc/self/cgroup")) -> list[int]:
    """Limits of the control group and of all that enclose it, version 1 or 2."""
    directories = {root, root / "memory"}
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        # number:controllers:path, where version 2 has no controllers. In a container the path may not be mounted.
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        base = root / "memory" if controllers else root
        group = base / path.lstrip("/")
        directories.update(group.parents[: len(group.relative_to(base).parts)], [group])
    limits = []
    for directory in directories:
        for name in _LIMITS:
            try:
                text = (directory / name).read_text().strip()
            except OSError:
                continue
            if text.isdigit():
                limits.append(int(text))
    return limits


@functools.cache
def _glibc() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(None)
        _ = library.mallopt, library.malloc_trim
    except (OSError, AttributeError):
        return None
    return library


def tune() -> None:
    """Tell glibc to keep little of what is freed. Without effect on another C library."""
    if library := _glibc():
        library.mallopt(_M_ARENA_MAX, 2)
        library.mallopt(_M_TRIM_THRESHOLD, _TRIM_THRESHOLD)


def trim() -> None:
    """Give freed memory back to the system. Takes milliseconds when there is much of it."""
    if library := _glibc():
        library.malloc_trim(0)
