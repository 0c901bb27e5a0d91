"""When traces are decided about, and what passes a limit, beside what the Go collector let go in the same time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from yaml_sections import section

from collector._kernel import OptionError
from collector.errors import ConfigError
from collector.spans import SpanBatch, receive
from collector.telemetry.metrics import Histogram, Metrics
from collector.testing import Sink, settings, spans_in
from processors.tail_sampling import TailSamplingConfig, TailSamplingProcessor
from testbed.corpus.settings import as_yaml
from testbed.corpus.tail.cases import FOLDER
from testbed.corpus.tail.timed import Story, load, request

STORIES = load()
RECORDED: dict[str, Any] = json.loads((FOLDER / "timed.json").read_text(encoding="utf-8"))["cases"]
PREFIX = "otelcol_processor_tail_sampling_"
STEP = 0.05
"""Seconds between two looks at the clock."""

REFUSED = {"room for nobody", "a negative rate"}
"""Settings that are refused here: see test_recorded.py."""

OTHERWISE: dict[str, str] = {
    "a wait of nothing is one of a second": "nothing is nothing",
    "caches know the right half of an id": "they know all of it, so that no other trace is taken for this one",
    "without room the oldest go": "they are decided about, not lost",
    "those that were decided about take room too, without caches": "they go first, before any that waits",
    "without room the newest wait for a decision, with caches": "they are refused, for the client to send them again",
    "without room the newest wait for ever, without caches": "what was decided about makes room",
    "a trace that is too large is not sampled, and neither are its late spans": "schema URLs and the like count",
    "the shutdown drops what waits": "a gauge says what is, and there what was at the last tick",
    "ingest forgets what it did not sample, without caches": "a gauge says what is, and there what was",
    "a rate in two shards has two whole bursts": "limits are never divided, and never doubled",
    "bytes": "a trace is as large as it came",
    "bytes with a burst of twice their size": "a trace is as large as it came",
}
"""By the name of a story, why something else leaves here, or at another time."""


class Played:
    """A processor that is told the time, and what left it."""

    def __init__(self, story: Story) -> None:
        self.metrics = Metrics()
        config = section(TailSamplingConfig, as_yaml(story.options))
        self._processor = TailSamplingProcessor(config, settings(story.component, metrics=self.metrics), Sink())
        self._discards = config.drop_pending_traces_on_shutdown
        self._traces = self._processor._waiting.traces
        self._now = 1000.0
        self.left: list[list[str]] = []
        self.read: dict[str, float] = {}
        for step in story.steps:
            if "send" in step:
                assert self._traces.offer(receive(request(step["send"]).SerializeToString()), self._now) is None
            else:
                self._wait(step["wait"])
        self._read()
        self._shut_down()

    def _wait(self, seconds: float) -> None:
        left = self._taken()
        for _ in range(round(seconds / STEP)):
            self._now += STEP
            while self._traces.decide(self._now):
                pass
            left += self._taken()
        self.left.append(sorted(left))

    def _shut_down(self) -> None:
        while self._discards and self._traces.discard():
            pass
        while self._traces.decide_all(self._now):
            pass
        self.left.append(sorted(self._taken()))

    def _taken(self) -> list[str]:
        batches: list[SpanBatch] = []
        while (batch := self._traces.next()) is not None:
            batches.append(batch)
        return [span.name for span in spans_in(*batches)]

    def _read(self) -> None:
        """Read the metrics as the Go collector shows them, without the labels of ours."""
        for metric in self.metrics:
            for read in metric.reads:
                for entry in read():
                    labels, value = (
                        (entry[0], entry[1].count) if isinstance(entry, tuple) else (entry.labels, entry.value)
                    )
                    suffix = "_count" if isinstance(entry, tuple) and isinstance(entry[1], Histogram) else ""
                    shown = ",".join(
                        f'{key}="{text}"'
                        for key, text in sorted(labels.items())
                        if key not in {"processor", "pipeline"}
                    )
                    self.read[f"{metric.name.removeprefix(PREFIX)}{suffix}{{{shown}}}"] = value


@pytest.mark.parametrize("story", [story for story in STORIES if not story.count], ids=lambda story: story.name)
def test_lets_go_what_the_go_collector_lets_go_and_when(story: Story) -> None:
    """Between two looks the same spans have left, and the metrics say the same; or something else on purpose."""
    if story.name in REFUSED:
        with pytest.raises((ConfigError, OptionError)):
            Played(story)
        return
    recorded = RECORDED[story.name]
    try:
        played = Played(story)
    except AssertionError:
        # Refused for now, which a story cannot wait for.
        assert story.name in OTHERWISE
        return
    shown = {key: value for key, value in recorded["metrics"].items() if value is not None}
    same = played.left == recorded["left"] and {key: played.read.get(key, 0) for key in shown} == shown
    if story.name in OTHERWISE:
        assert not same, "no difference any more: strike it off"
    else:
        assert played.left == recorded["left"]
        assert {key: played.read.get(key, 0) for key in shown} == shown


def total(parts: Sequence[Any], bulk: int, unit: str) -> tuple[int, int]:
    counts = [part[bulk][unit] for part in parts]
    return sum(least for least, _ in counts), sum(most for _, most in counts)


@pytest.mark.parametrize("story", [story for story in STORIES if story.count], ids=lambda story: story.name)
def test_a_limit_lets_as_many_through_as_in_the_go_collector(story: Story) -> None:
    """Of what waits at the same time it is random which, and it is the same number."""
    if story.name in REFUSED:
        with pytest.raises((ConfigError, OptionError)):
            Played(story)
        return
    played = Played(story)
    recorded = RECORDED[story.name]["left"]
    bulks = [step["send"] for step in story.steps if "send" in step]
    found, expected = [], []
    for number, bulk in enumerate(bulks):
        numbers = range(bulk["first"], bulk["first"] + bulk["traces"])
        spans = [text for part in played.left for text in part if int(text.partition("/")[0]) in numbers]
        found.append((len({text.partition("/")[0] for text in spans}), len(spans)))
        expected.append((total(recorded, number, "traces"), total(recorded, number, "spans")))
    same = all(
        least <= count <= most
        for counts, ranges in zip(found, expected, strict=True)
        for count, (least, most) in zip(counts, ranges, strict=True)
    )
    assert same is (story.name not in OTHERWISE), (found, expected)
