"""The reference manual: `docs/components.md`, and a page for each processor in `docs/processors`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from collector.testing import make_spans, running
from testbed.manual import PROCESSORS, manual

PAGES = sorted(PROCESSORS.glob("*.md"))


def test_the_manual_is_up_to_date() -> None:
    """What stands in the documents is what `make docs` writes, and there is no page of something else."""
    written = manual()
    assert {path: path.read_text(encoding="utf-8") for path in written} == written, "run `make docs`"
    assert set(PAGES) <= set(written)


def examples(page: Path) -> list[str]:
    """Give the configurations on a page."""
    return re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
async def test_every_example_runs_as_written(page: Path) -> None:
    """A collector with each of them starts, and takes spans."""
    found = examples(page)
    assert found
    for example in found:
        processors = yaml.safe_load(example)["processors"]
        sections = {
            "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": "127.0.0.1:0"}}}},
            "processors": processors,
            "exporters": {"nop": None},
            "service": {
                "telemetry": {"metrics": {"level": "none"}},
                "pipelines": {
                    "traces": {"receivers": ["otlp"], "processors": list(processors), "exporters": ["nop"]},
                },
            },
        }
        async with running(yaml.safe_dump(sections, sort_keys=False)) as service:
            await service.machine.heads["traces"].consume(make_spans(3))
