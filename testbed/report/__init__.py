"""What people read of a run: `report.md`, and `report.html` with its plots, which needs no other file."""

from __future__ import annotations

from pathlib import Path

from testbed.report.content import content, title
from testbed.report.html import html
from testbed.report.markdown import markdown
from testbed.results import Result


def write(result: Result, directory: Path) -> None:
    """Write both reports into a directory. Raises `OSError`."""
    blocks = content(result)
    (directory / "report.md").write_text(markdown(blocks), encoding="utf-8")
    (directory / "report.html").write_text(html(title(result), blocks), encoding="utf-8")
