"""What the process knows of its memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector import memory


def test_figures_are_plausible() -> None:
    """A Python process has some megabytes, and may have more than it has."""
    assert 1 << 20 < memory.rss() < memory.total()


def test_tuning_and_trimming_may_be_called_at_any_time() -> None:
    """They are hints to the C library."""
    memory.tune()
    memory.trim()


@pytest.mark.parametrize(
    ("membership", "files", "limits"),
    [
        ("0::/", {"memory.max": "1000"}, [1000]),
        ("0::/a/b", {"a/memory.max": "500", "a/b/memory.max": "max", "memory.max": "900"}, [500, 900]),
        ("3:cpu,memory:/a", {"memory/a/memory.limit_in_bytes": "700"}, [700]),
        ("3:cpu:/a", {"memory/a/memory.limit_in_bytes": "700"}, []),
        ("0::/not/mounted/here", {"memory.max": "800"}, [800]),
    ],
)
def test_finds_the_limits_of_the_group_and_of_all_that_enclose_it(
    tmp_path: Path, membership: str, files: dict[str, str], limits: list[int]
) -> None:
    """Version 1 and 2; in a container the own path may not be visible, and the root of the mount counts."""
    root = tmp_path / "cgroup"
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"{text}\n")
    (tmp_path / "self").write_text(f"{membership}\n")

    assert sorted(memory._cgroup_limits(root, tmp_path / "self")) == limits
