"""What `docs/durability.md` shows works as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

from collector.testing import make_spans, running

PAGE = Path(__file__).parents[2] / "docs" / "durability.md"


async def test_the_durable_configuration_starts_and_is_not_warned_about(tmp_path: Path) -> None:
    """Who copies it has a queue on disk, and nothing in memory before it."""
    [text] = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    text = text.replace("/var/lib/spanmill", str(tmp_path / "made"))
    text = text.replace("      grpc:\n", "      grpc: {endpoint: '127.0.0.1:0'}\n")
    text = text.replace("service:\n", "service:\n  telemetry: {metrics: {level: none}}\n")

    async with running(text) as service:
        assert service.machine.notices == []
        await service.machine.heads["traces"].consume(make_spans(3))
        assert service.machine.ledger.exporters["otlp"].held() == 3
