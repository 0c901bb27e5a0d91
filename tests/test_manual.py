"""The reference manual in `docs/components.md`."""

from testbed.manual import PATH, manual


def test_the_manual_is_up_to_date() -> None:
    """What stands in the document is what `make docs` writes."""
    assert PATH.read_text(encoding="utf-8") == manual(), "run `make docs`"
