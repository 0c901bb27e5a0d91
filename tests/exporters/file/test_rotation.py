"""When a file is set aside, its name, and what is deleted: times and names go in, decisions come out."""

from datetime import UTC, datetime
from pathlib import PurePath

import pytest

from exporters.file.config import RotationConfig
from exporters.file.rotation import Rotation

MIB = 1 << 20
NOW = datetime(2026, 1, 2, 15, 4, 5, 7_999, tzinfo=UTC).timestamp()
DAY = 86_400


def rotation(path: str = "out/spans.jsonl", **options: int | bool) -> Rotation:
    return Rotation(RotationConfig(**options), PurePath(path))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("size", "record", "due"),
    [
        (0, MIB, False),
        (0, 9 * MIB, False),  # it gets a file of its own
        (MIB - 1, 1, False),
        (MIB, 1, True),
        (9 * MIB, 1, True),
        (1, MIB, True),
    ],
)
def test_is_due_before_a_record_that_does_not_fit(size: int, record: int, due: bool) -> None:
    """A file never exceeds the bound, unless a single record does."""
    assert rotation(max_megabytes=1).due(size, record) is due


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("out/spans.jsonl", "spans-2026-01-02T15-04-05.007.jsonl"),
        ("spans", "spans-2026-01-02T15-04-05.007"),
        ("spans.v1.jsonl", "spans.v1-2026-01-02T15-04-05.007.jsonl"),
        (".spans", "-2026-01-02T15-04-05.007.spans"),
    ],
)
def test_names_as_lumberjack_does(path: str, name: str) -> None:
    """The time stands before the last extension, in UTC and milliseconds."""
    assert rotation(path).backup_name(NOW, []) == name


def test_gives_no_name_twice() -> None:
    """Two rotations in a millisecond leave two files."""
    names = ["spans-2026-01-02T15-04-05.007.jsonl", "spans-2026-01-02T15-04-05.008-size.jsonl", "spans.jsonl"]

    assert rotation().backup_name(NOW, names) == "spans-2026-01-02T15-04-05.009.jsonl"


def test_local_time_is_read_as_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file set aside just now is not old, wherever the clock stands."""
    for zone in ("UTC", "XXX-12", "XXX+12"):
        with monkeypatch.context() as patch:
            patch.setenv("TZ", zone)
            _tzset()
            local = rotation(max_days=1, localtime=True)
            name = local.backup_name(NOW, [])
            kept, dropped = local.expired(NOW + DAY - 1, [name]), local.expired(NOW + DAY + 1, [name])
        _tzset()
        assert (name == "spans-2026-01-02T15-04-05.007.jsonl") is (zone == "UTC")
        assert (kept, dropped) == ([], [name])


def _tzset() -> None:
    import time  # noqa: PLC0415  beside the one call that needs it

    time.tzset()


BACKUPS = [f"spans-2026-01-0{day}T00-00-00.000.jsonl" for day in range(1, 6)]


@pytest.mark.parametrize(
    ("options", "expired"),
    [
        ({"max_backups": 2}, BACKUPS[:3]),
        ({"max_backups": 5}, []),
        ({"max_backups": 0}, []),
        ({"max_backups": 0, "max_days": 2}, BACKUPS[:3]),
        ({"max_backups": 1, "max_days": 2}, BACKUPS[:4]),
        ({"max_backups": 4, "max_days": 2}, BACKUPS[:3]),
    ],
)
def test_what_is_too_old_or_too_many_expires(options: dict[str, int], expired: list[str]) -> None:
    """The newest are kept, by the time in their names."""
    now = datetime(2026, 1, 5, 12, tzinfo=UTC).timestamp()

    assert sorted(rotation(**options).expired(now, BACKUPS[::-1])) == expired


def test_leaves_the_files_of_others_alone() -> None:
    """Nothing is deleted that was not set aside here, or by the Go collector."""
    foreign = [
        "spans.jsonl",
        "spans-old.jsonl",
        "spans-2026-01-01T00-00-00.jsonl",
        "spans-2026-13-01T00-00-00.000.jsonl",
        "spans-2026-01-01T00-00-00.000.jsonl.gz",
        "other-2026-01-01T00-00-00.000.jsonl",
        "spans-2026-01-01T00-00-00.000-size.txt",
        "spans-٢٠٢٦-01-01T00-00-00.000.jsonl",
    ]
    ours = ["spans-2026-01-01T00-00-00.000.jsonl", "spans-2026-01-01T00-00-00.001-size.jsonl"]

    assert sorted(rotation(max_days=1).expired(NOW + 9 * DAY, [*foreign, *ours])) == sorted(ours)
