"""Dependencies are pinned, each with the checksum of what was looked at."""

from __future__ import annotations

from pathlib import Path

from testbed.audit import LOCKS, REQUIREMENTS, python_pins, rust_pins, unpinned


def test_every_dependency_is_pinned_with_a_checksum() -> None:
    """Of Python and of Rust, for running and for working on it."""
    assert unpinned() == []
    assert all(list(python_pins(path)) for path in REQUIREMENTS)
    assert all(list(rust_pins(path)) for path in LOCKS)


def test_sees_what_is_not_pinned(tmp_path: Path) -> None:
    """A range, a name alone, a version without a checksum."""
    requirements = tmp_path / "run.txt"
    requirements.write_text("a==1 \\\n    --hash=sha256:00\nb==2\nc>=3\nd\n# no\n", encoding="utf-8")
    lock = tmp_path / "Cargo.lock"
    lock.write_text(
        '[[package]]\nname = "ours"\nversion = "1"\n[[package]]\nname = "a"\nversion = "2"\nsource = "somewhere"\n',
        encoding="utf-8",
    )

    assert [pin[2] for pin in python_pins(requirements)] == [True, False, False, False]
    assert list(rust_pins(lock)) == [("a", "2", False)]
