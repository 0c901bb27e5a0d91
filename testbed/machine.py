"""What it is measured on: the machine, and the revision of the repository."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

import psutil

from testbed.results import Machine

ROOT = Path(__file__).parents[1]


def machine(pinning: str) -> Machine:
    """Describe the machine."""
    return Machine(
        processor=processor(),
        cores=len(os.sched_getaffinity(0)),
        memory=psutil.virtual_memory().total >> 20,
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        pinning=pinning,
    )


def processor() -> str:
    """The model's name."""
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def revision() -> str:
    """The commit, with a `+` behind it if files differ from it; `unknown` outside of a checkout."""
    try:
        commit = _git("rev-parse", "--short=12", "HEAD")
        return commit + ("+" if _git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    result = subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True)
    return result.stdout.strip()
