"""Wiring: fusing, sharing, accounts, and what is reported when something cannot be built."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from collector._kernel import Op, OpCounts
from collector.component import Kind, Processor, SpanOp
from collector.config.types import Config
from collector.errors import ConfigError, PermanentError, RetryableError
from collector.ledger import Reason
from collector.pipeline import build
from collector.program import ProgramProcessor
from collector.spans import SpanBatch
from collector.testing import Feed, SinkExporter, configure, known, make_spans, running, spans_in


def dropping(condition: str, error_mode: str = "ignore") -> Op:
    condition_list = {"option": "condition", "context": "span", "conditions": [condition]}
    return Op("filter", {"error_mode": error_mode, "conditions": [condition_list]})


class DropConfig(Config):
    condition: str = 'name == "span 0"'
    error_mode: str = "ignore"


class Drop(SpanOp):
    """Drops spans; remembers what was committed."""

    config_type = DropConfig
    seen: ClassVar[list[tuple[str, int]]] = []

    def ops(self) -> list[Op]:
        return [dropping(self.config.condition, self.config.error_mode)]

    def committed(self, counts: list[OpCounts]) -> None:
        self.seen.append((self.settings.id, counts[0].dropped))


class DropSampled(Drop):
    drop_reason = "sampled_out"


class Idle(SpanOp):
    """Has nothing to do."""

    def ops(self) -> list[Op]:
        return []


class Pass(Processor):
    """Hands everything on."""

    async def consume(self, batch: SpanBatch) -> None:
        await self.next.consume(batch)
        self.settings.account.taken += len(batch)
        self.settings.account.passed_on += len(batch)


class Broken(Processor):
    """Has a bug."""

    async def consume(self, batch: SpanBatch) -> None:
        raise ZeroDivisionError("oh")


@pytest.fixture(autouse=True)
def _components() -> Any:
    Drop.seen.clear()
    with known(Kind.PROCESSOR, drop=Drop, drop_sampled=DropSampled, idle=Idle, through=Pass, broken=Broken):
        yield


def one_pipeline(*processors: str, sections: str = "") -> str:
    names = ", ".join(processors)
    return f"""
receivers: {{feed: }}
processors: {{{sections or ", ".join(f"{name}: " for name in processors)}}}
exporters: {{sink: }}
service:
  pipelines:
    traces: {{receivers: [feed], processors: [{names}], exporters: [sink]}}
"""


def feed(service: Any, id: str = "feed") -> Feed:
    receiver: Feed = service.machine.receivers[id]
    return receiver


def sink(service: Any, id: str = "sink") -> SinkExporter:
    exporter: SinkExporter = service.machine.exporters[id].exporter
    return exporter


@pytest.mark.parametrize(("error_mode", "apart"), [("propagate", True), ("ignore", False)])
def test_requests_stay_apart_before_what_may_refuse_them_whole(error_mode: str, apart: bool) -> None:
    """A receiver that joins requests must know when one of them could make all be refused."""
    machine = build(configure(one_pipeline("drop", sections=f"drop: {{error_mode: {error_mode}}}")))

    assert machine.receivers["feed"].one_by_one is apart


def test_neighbouring_ops_are_fused() -> None:
    """One walk over the bytes for a run of ops; what is no op stands between runs."""
    machine = build(configure(one_pipeline("drop", "drop/2", "through", "drop/3")))

    assert [name for name, _ in machine.processors["traces"]] == [
        "processors::drop+drop/2",
        "processors::through",
        "processors::drop/3",
    ]
    assert isinstance(machine.processors["traces"][0][1], ProgramProcessor)


async def test_each_op_of_a_run_keeps_an_account_of_its_own() -> None:
    """What one op drops the next one never takes."""
    sections = """drop: {condition: 'name == "span 0"'}, drop_sampled: {condition: 'name == "span 1"'}, idle: """
    async with running(one_pipeline("drop", "idle", "drop_sampled", sections=sections)) as service:
        await feed(service).send(make_spans(5))

        accounts = service.machine.ledger.processors
        pipeline = service.machine.ledger.pipelines["traces"]

    first, idle, second = (accounts["traces", id] for id in ("drop", "idle", "drop_sampled"))
    assert (first.taken, first.filtered, first.passed_on) == (5, 1, 4)
    assert (idle.taken, idle.passed_on) == (4, 4)
    assert (second.taken, second.sampled_out, second.filtered, second.passed_on) == (4, 1, 0, 3)
    assert (pipeline.taken, pipeline.passed_on) == (5, 3)
    assert [span.name for span in spans_in(*sink(service).batches)] == ["span 2", "span 3", "span 4"]


async def test_a_batch_of_which_nothing_is_left_is_a_success() -> None:
    """Exporters do not hear of empty batches, and the spans are booked."""
    sections = "drop: {condition: 'true'}"
    async with running(one_pipeline("drop", sections=sections)) as service:
        await feed(service).send(make_spans(3))

        assert sink(service).calls == 0
        assert service.machine.ledger.processors["traces", "drop"].filtered == 3


async def test_a_batch_that_comes_again_is_counted_once() -> None:
    """Counts are committed when the next stage took the batch."""
    async with running(one_pipeline("drop")) as service:
        sink(service).outcomes = [RetryableError("not now")]
        with pytest.raises(RetryableError):
            await feed(service).send(make_spans(3))
        assert Drop.seen == []
        assert service.machine.ledger.processors["traces", "drop"].taken == 0

        await feed(service).send(make_spans(3))

        assert Drop.seen == [("drop", 1)]
        assert service.machine.ledger.processors["traces", "drop"].taken == 3


async def test_an_op_that_was_told_to_propagate_refuses_the_batch() -> None:
    """`error_mode: propagate` turns a failed evaluation into a refusal, and nothing is counted."""
    sections = """drop: {condition: 'Substring(name, 0, 99) == "x"', error_mode: propagate}"""
    async with running(one_pipeline("drop", sections=sections)) as service:
        with pytest.raises(PermanentError):
            await feed(service).send(make_spans(1))

        assert sink(service).calls == 0
        assert service.machine.ledger.processors["traces", "drop"].taken == 0


async def test_a_bug_in_a_processor_costs_one_batch(caplog: pytest.LogCaptureFixture) -> None:
    """The receiver hears of a permanent refusal, whatever escaped."""
    async with running(one_pipeline("through", "broken")) as service:
        with pytest.raises(PermanentError, match="processors::broken: ZeroDivisionError"):
            await feed(service).send(make_spans(2))

    assert "a bug in processors::broken" in caplog.text


async def test_a_receiver_of_two_pipelines_is_one_instance() -> None:
    """Both pipelines get each batch, in accounts of their own."""
    yaml = """
receivers: {feed: }
exporters: {sink: , sink/2: }
service:
  pipelines:
    traces: {receivers: [feed], exporters: [sink]}
    traces/2: {receivers: [feed], exporters: [sink/2, sink]}
"""
    async with running(yaml) as service:
        await feed(service).send(make_spans(2))

        assert list(service.machine.receivers) == ["feed"]
        assert sum(len(batch) for batch in sink(service).batches) == 4
        assert sum(len(batch) for batch in sink(service, "sink/2").batches) == 2


async def test_a_pipeline_that_refuses_what_its_sibling_took_books_the_loss() -> None:
    """A receiver with two pipelines is a fan-out."""
    yaml = """
receivers: {feed: }
processors: {broken: }
exporters: {sink: }
service:
  pipelines:
    traces: {receivers: [feed], exporters: [sink]}
    traces/2: {receivers: [feed], processors: [broken], exporters: [sink]}
"""
    async with running(yaml) as service:
        await feed(service).send(make_spans(2))

        assert service.machine.ledger.pipelines["traces/2"].failed == {Reason.COMPONENT_ERROR: 2}


def test_every_setting_that_the_kernel_cannot_use_is_in_one_report() -> None:
    """Each line has the path of the component and of the option."""
    sections = "drop: {condition: 'name =='}, drop/2: {condition: 'nam == 1'}"

    with pytest.raises(ConfigError) as caught:
        build(configure(one_pipeline("drop", "drop/2", sections=sections)))

    report = str(caught.value).splitlines()
    assert sorted(line.split(": ")[0] for line in report if line.startswith("processors")) == [
        "processors::drop/2::condition[0]",
        "processors::drop::condition[0]",
    ]


def test_building_acquires_nothing() -> None:
    """`validate` builds while the same configuration is running: nothing listens yet."""
    yaml = """
receivers: {otlp: {protocols: {grpc: {endpoint: "no.such.host.invalid:99999"}}}}
extensions: {health_check: {endpoint: "localhost:1"}}
exporters: {sink: }
service:
  extensions: [health_check]
  pipelines:
    traces: {receivers: [otlp], exporters: [sink]}
"""
    machine = build(configure(yaml))

    assert list(machine.receivers) == ["otlp"]
    assert list(machine.extensions) == ["health_check"]


def test_what_is_configured_and_not_used_is_not_built() -> None:
    """A component costs nothing until a pipeline mentions it."""
    yaml = """
receivers: {feed: , feed/unused: }
exporters: {sink: , sink/unused: }
service: {pipelines: {traces: {receivers: [feed], exporters: [sink]}}}
"""
    machine = build(configure(yaml))

    assert (list(machine.receivers), list(machine.exporters)) == (["feed"], ["sink"])
