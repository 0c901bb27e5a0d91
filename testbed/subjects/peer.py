"""Building peers: once for each version of their recipe, into the cache, with the reason kept where it fails."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from testbed.measuring.errors import AbsentError
from testbed.subjects.base import cache

PEERS = Path(__file__).parents[1] / "peers"


@dataclass(frozen=True, slots=True)
class Peer:
    """A program that is built from a recipe in `testbed/peers`."""

    name: str
    recipe: Path
    program: str
    """Where the program is in the folder it is built in."""
    build: Callable[[Path, Path], None]
    """Of the recipe and the folder. Raises `subprocess.CalledProcessError` and `OSError`."""

    @property
    def folder(self) -> Path:
        """Where it is built: another recipe, another folder."""
        digest = hashlib.sha256(self.recipe.read_bytes()).hexdigest()[:16]
        return cache() / f"{self.name}-{digest}"

    @property
    def _reason(self) -> Path:
        return self.folder.with_suffix(".failed")

    def path(self) -> Path:
        """The program. Raises `AbsentError`."""
        path = self.folder / self.program
        if path.exists():
            return path
        if self._reason.exists():
            raise AbsentError(f"it could not be built: {self._reason.read_text(encoding='utf-8')}")
        raise AbsentError("it is not built: run make testbed-peers")

    def ensure(self) -> Path:
        """Build it unless it is there, and give the program. Raises `AbsentError`."""
        path = self.folder / self.program
        if path.exists():
            return path
        draft = self.folder.with_suffix(".draft")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        try:
            self.build(self.recipe, draft)
        except FileNotFoundError as error:
            reason = f"{error.filename} is not on the PATH"
        except subprocess.CalledProcessError as error:
            last = (error.stderr or error.stdout or "").strip().splitlines()[-3:]
            reason = f"{Path(error.cmd[0]).name} ended with status {error.returncode}: {' '.join(last)}"
        except OSError as error:
            reason = str(error)
        else:
            draft.replace(self.folder)
            self._reason.unlink(missing_ok=True)
            return path
        shutil.rmtree(draft, ignore_errors=True)
        self._reason.write_text(reason, encoding="utf-8")
        raise AbsentError(f"it could not be built: {reason}")


def run(*command: str | Path, directory: Path, environment: dict[str, str] | None = None) -> str:
    """Run a step of a build and give what it printed. Raises as `Peer.build` says."""
    result = subprocess.run(
        command, cwd=directory, env=environment, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    return result.stdout
