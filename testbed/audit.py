"""`make audit`: known weaknesses of all dependencies, as far as the data about them can be had.

Whatever can be had: every dependency has to be pinned, with a checksum, and is listed.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
REQUIREMENTS = (ROOT / "requirements" / "run.txt", ROOT / "requirements" / "dev.txt")
LOCKS = (
    ROOT / "kernel" / "Cargo.lock",
    ROOT / "testbed" / "engine" / "Cargo.lock",
    ROOT / "kernel" / "fuzz" / "Cargo.lock",
)

_REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)(\[[^\]]*\])?==(\S+)")
_PATIENCE = 300
"""Seconds for a tool to fetch its data."""


def python_pins(path: Path) -> Iterator[tuple[str, str, bool]]:
    """Give each requirement of a file: its name, its version, and whether it has a checksum."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        if found := _REQUIREMENT.match(line.strip()):
            yield found[1], found[3], "--hash=sha256:" in line
        elif line.strip() and not line.startswith(("#", "-")):
            yield line.strip(), "", False


def rust_pins(path: Path) -> Iterator[tuple[str, str, bool]]:
    """Give each crate of a lock file that is not ours: its name, its version, and whether it has a checksum."""
    for package in tomllib.loads(path.read_text(encoding="utf-8"))["package"]:
        if "source" in package:
            yield package["name"], package["version"], "checksum" in package


def unpinned() -> list[str]:
    """Name the dependencies that are not pinned with a checksum."""
    pins = [(path, pin) for path in REQUIREMENTS for pin in python_pins(path)]
    pins += [(path, pin) for path in LOCKS for pin in rust_pins(path)]
    return [f"{path.relative_to(ROOT)}: {name} {version}" for path, (name, version, checked) in pins if not checked]


def _python_weaknesses() -> list[str] | None:
    """Ask pip-audit. `None` where it has no data."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--format=json", "--progress-spinner=off"]
    command += [f"--requirement={path}" for path in REQUIREMENTS]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
        found = json.loads(answer.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        return None
    return [f"{it['name']} {it['version']}: {bug['id']}" for it in found for bug in it.get("vulns", ())]


def _rust_weaknesses(lock: Path) -> list[str] | None:
    """Ask cargo-audit. `None` where it is not there, or has no data."""
    if not shutil.which("cargo-audit"):
        return None
    command = ["cargo", "audit", "--json", f"--file={lock}"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
        found = json.loads(answer.stdout)["vulnerabilities"]["list"]
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        return None
    return [f"{it['package']['name']} {it['package']['version']}: {it['advisory']['id']}" for it in found]


def main() -> int:
    """Print what is known, and give the exit status: 1 for a weakness, or a dependency that is not pinned."""
    bad = [f"not pinned with a checksum: {pin}" for pin in unpinned()]
    sources = [("Python packages", _python_weaknesses())]
    sources += [(str(lock.relative_to(ROOT)), _rust_weaknesses(lock)) for lock in LOCKS]
    for what, weaknesses in sources:
        if weaknesses is None:
            print(f"{what}: nothing is known about weaknesses here (no data, or no tool)")
            continue
        print(f"{what}: {len(weaknesses)} known weaknesses")
        bad += weaknesses
    for path in (*REQUIREMENTS, *LOCKS):
        pins = list(python_pins(path) if path.suffix == ".txt" else rust_pins(path))
        print(f"{path.relative_to(ROOT)}: {len(pins)} pinned")
        print("   ", ", ".join(f"{name} {version}" for name, version, _ in pins))
    print(*bad, sep="\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
