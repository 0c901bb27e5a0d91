"""When traces are decided about, and what becomes of spans that nobody takes."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Status
from yaml_sections import section

from collector._kernel import OptionError
from collector.component import Consumer
from collector.errors import ConfigError, PermanentError, RetryableError
from collector.ledger import Reason
from collector.ops import option_errors
from collector.spans import SpanBatch
from collector.telemetry.exposition import exposition
from collector.telemetry.metrics import Metrics
from collector.testing import Blocking, Failing, Sink, StubHost, configure, running, settings, spans_in, until
from processors.tail_sampling import TailSamplingConfig, TailSamplingProcessor

ERRORS = "{name: errors, type: status_code, status_code: {status_codes: [ERROR]}}"
ALL = "{name: all, type: always_sample}"
BAD_PATTERN = """{name: a, type: string_attribute, string_attribute: {
    key: k, values: ['('], enabled_regex_matching: true}}"""
BAD_SHARE = """{name: a, type: composite, composite: {
    max_total_spans_per_second: 5,
    composite_sub_policy: [{name: x, type: always_sample}],
    rate_allocation: [{policy: y, percent: 5}]}}"""


def config(text: str = "", policies: str = ERRORS) -> TailSamplingConfig:
    return section(TailSamplingConfig, f"{{policies: [{policies}], {text}}}")


def spans(*described: str) -> SpanBatch:
    """Spans as `trace/name`, with `!` for one that failed and `-` for one with a parent: `1/b!-`."""
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for text in described:
        trace, _, name = text.partition("/")
        span = scope.spans.add(trace_id=int(trace).to_bytes(16, "big"), span_id=b"spanspan", name=name.rstrip("!-"))
        if "-" in name:
            span.parent_span_id = b"parentid"
        if "!" in name:
            span.status.code = Status.STATUS_CODE_ERROR
    return SpanBatch.decode(request.SerializeToString())


def names(sink: Sink) -> list[str]:
    return sorted(span.name for span in sink.spans)


async def started(config: TailSamplingConfig, sink: Consumer, metrics: Metrics | None = None) -> TailSamplingProcessor:
    processor = TailSamplingProcessor(config, settings("tail_sampling/eu", metrics=metrics), sink)
    await processor.start(StubHost())
    return processor


async def test_decides_when_the_wait_is_over() -> None:
    """A trace with an error leaves as a whole, others do not, and the account says so."""
    sink = Sink()
    processor = await started(config("decision_wait: 50ms"), sink)

    await processor.consume(spans("1/a", "2/b", "1/c-"))
    await processor.consume(spans("1/d!-"))
    assert processor.settings.account.held() == 4
    await until(lambda: len(sink) == 3)
    await until(lambda: not processor.settings.account.held())

    account = processor.settings.account
    assert names(sink) == ["a", "c", "d"]
    assert (account.taken, account.sampled_out, account.passed_on) == (4, 1, 3)
    await processor.shutdown()


async def test_late_spans_follow_at_once() -> None:
    """What was decided about a trace holds for the spans that come later."""
    sink = Sink()
    processor = await started(config("decision_wait: 0"), sink)
    await processor.consume(spans("1/a!", "2/b"))
    await until(lambda: processor.settings.account.sampled_out == 1)

    await processor.consume(spans("1/c", "2/d!"))
    await until(lambda: len(sink) == 2)

    assert names(sink) == ["a", "c"]
    assert processor.settings.account.sampled_out == 2
    await processor.shutdown()


async def test_decides_about_everything_at_shutdown() -> None:
    """What waits is decided about with what is there of it."""
    sink = Sink()
    processor = await started(config("decision_wait: 1h"), sink)
    await processor.consume(spans(*(f"{n}/a{'!' if n % 3 == 0 else ''}" for n in range(3000))))

    await processor.shutdown()

    account = processor.settings.account
    assert (len(sink), account.sampled_out, account.held()) == (1000, 2000, 0)


async def test_what_waits_may_be_lost_at_shutdown_and_is_counted() -> None:
    """`drop_pending_traces_on_shutdown` loses nothing silently."""
    sink = Sink()
    processor = await started(config("drop_pending_traces_on_shutdown: true"), sink)
    await processor.consume(spans(*(f"{n}/a!" for n in range(1000))))

    await processor.shutdown()

    account = processor.settings.account
    assert (len(sink), account.failed[Reason.SHUTDOWN], account.held()) == (0, 1000, 0)
    assert account.problem() is None


@pytest.mark.parametrize("error", [RetryableError("not now"), PermanentError("never")])
async def test_what_the_next_stage_refuses_is_kept_or_counted(error: Exception) -> None:
    """A sampled trace is not lost since the next stage was busy, as it is in the Go collector."""
    sink = Failing(error, times=1)
    processor = await started(config("decision_wait: 0"), sink)
    await processor.consume(spans("1/a!"))
    await until(lambda: not processor.settings.account.held())

    lost = processor.settings.account.failed[Reason.REFUSED]
    assert (len(sink), lost) == ((1, 0) if isinstance(error, RetryableError) else (0, 1))
    await processor.shutdown()


async def test_a_next_stage_that_takes_nothing_keeps_new_spans_out() -> None:
    """What was decided and not taken is bounded: then new spans are refused, and taken again once it moves."""
    sink = Blocking()
    processor = await started(config("decision_wait: 0, max_bytes: 20000", ALL), sink)
    for offered in range(1000):
        try:
            await processor.consume(spans(f"{offered}/a"))
        except RetryableError:
            break
        await asyncio.sleep(0.001)
    assert processor.settings.account.held() == offered < 999

    sink.release()
    await until(lambda: len(sink) == offered)
    await processor.consume(spans("5000/a"))
    await processor.shutdown()

    assert len(sink) == offered + 1


async def test_another_configuration_takes_over_what_waits() -> None:
    """A reload moves pending traces to the new policies and loses none."""
    yaml = """
receivers: {{feed: }}
processors: {{tail_sampling: {{decision_wait: {wait}, policies: [{policy}]}}}}
exporters: {{sink: }}
service: {{pipelines: {{traces: {{receivers: [feed], processors: [tail_sampling], exporters: [sink]}}}}}}
"""
    async with running(yaml.format(wait="1h", policy=ERRORS)) as service:
        feed: Any = service.machine.receivers["feed"]
        sink: Any = service.machine.exporters["sink"].exporter
        await feed.send(spans("1/a", "2/b!"))
        await service.reload(configure(yaml.format(wait="0", policy=ALL)))
        await until(lambda: len(spans_in(*sink.batches)) == 2)
        assert service.ledger.problems() == []

    assert service.ledger.problems() == []


async def test_shows_what_happens_by_the_names_of_the_go_collector() -> None:
    """Dashboards find their metrics, with the policy prefixed by the component's own name."""
    metrics = Metrics()
    processor = await started(config("decision_wait: 0", f"{ERRORS}, {ALL}"), Sink(), metrics)
    await processor.consume(spans("1/a!", "2/b"))
    await until(lambda: not processor.settings.account.held())
    await processor.shutdown()

    shown = exposition(metrics).splitlines()
    common = 'processor="tail_sampling/eu",pipeline="traces"'
    for line in [
        f'count_traces_sampled{{{common},policy="eu.errors",sampled="true",decision="sampled"}} 1',
        f'count_traces_sampled{{{common},policy="eu.errors",sampled="false",decision="not_sampled"}} 1',
        f'global_count_traces_sampled{{{common},sampled="true",decision="sampled"}} 2',
        f"new_trace_id_received{{{common}}} 2",
        f"sampling_traces_on_memory{{{common}}} 2",
    ]:
        assert f"otelcol_processor_tail_sampling_{line}" in shown


async def test_a_burst_is_bounded_in_memory_and_every_span_is_accounted_for() -> None:
    """Beyond the bound the oldest are decided about before their time."""
    sink = Sink()
    processor = await started(config("decision_wait: 1h, max_bytes: 100000", ALL), sink)
    for first in range(0, 5000, 50):
        await processor.consume(spans(*(f"{n}/a" for n in range(first, first + 50))))
        # The next stage has its turns, so that nothing waits for it.
        await until(lambda: processor.settings.account.held() == processor._waiting.traces.spans)
        assert processor._waiting.traces.bytes <= 100_000

    account = processor.settings.account
    assert account.taken == 5000 == account.held() + account.passed_on
    assert processor._waiting.traces.counts().early[1] == account.passed_on
    await processor.shutdown()
    assert len(sink) == 5000


async def test_cancelled_at_shutdown_what_is_left_is_booked() -> None:
    """A deadline does not lose spans silently."""
    processor = await started(config("decision_wait: 0", ALL), Failing(RetryableError("not now")))
    await processor.consume(spans("1/a", "2/b"))

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.2):
            await processor.shutdown()

    account = processor.settings.account
    assert (account.failed[Reason.SHUTDOWN], account.held(), account.problem()) == (2, 0, None)


async def test_cancelled_while_it_decides_nothing_goes_on_afterwards() -> None:
    """What was not decided about is held to the end, for the ledger to book; what was is booked or passed on."""
    sink = Sink()
    processor = await started(config("decision_wait: 1h, num_traces: 1_000_000", ALL), sink)
    for first in range(0, 20_000, 1000):
        await processor.consume(spans(*(f"{n}/a" for n in range(first, first + 1000))))

    shutdown = asyncio.create_task(processor.shutdown())
    await until(lambda: processor._waiting.traces.traces < 20_000)
    shutdown.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await shutdown

    account = processor.settings.account
    assert account.held() == processor._waiting.traces.traces > 0
    assert account.failed[Reason.SHUTDOWN] + len(sink) + account.held() == 20_000
    assert account.problem() is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("decision_wait: -1s", "t:1 decision_wait: must be 0 or more, got -1s"),
        ("decision_wait_after_last_span: 1s, max_decision_wait: 1s", "must be at least decision_wait 30s, got 1s"),
        ("num_traces: 0", "t:1 num_traces: must be"),
        ("sampling_strategy: span", "t:1 sampling_strategy: must be one of trace-complete, span-ingest"),
        ("num_shards: 300", "t:1 num_shards: must be"),
        ("tail_storage: redis", "t:1 tail_storage: not supported"),
        ("decision_cache: {sampled_cache_size: -1}", "t:1 decision_cache::sampled_cache_size: must be"),
    ],
)
def test_refuses_what_cannot_be(text: str, message: str) -> None:
    """The report says where, what, and what would be right."""
    with pytest.raises(ConfigError) as caught:
        config(text)

    assert message in str(caught.value)


def test_refuses_to_decide_without_policies() -> None:
    """The Go collector drops every span then."""
    with pytest.raises(ConfigError, match="policies: needs at least one policy"):
        section(TailSamplingConfig, "{policies: []}")


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ("{name: a, type: bogus}", "policies[0]::type: must be one of always_sample"),
        ("{name: a}", "policies[0]::type: is required"),
        ("{name: a, type: latency, latencies: {}}", "policies[0]::latencies: unknown key; did you mean 'latency'?"),
        ("{type: always_sample}", "policies[0]::name: must not be empty"),
        (f"{ALL}, {ALL}", 'policies[1]::name: another policy is called "all" already'),
        ("{name: a, type: numeric_attribute, numeric_attribute: {key: k}}", "this or max_value must be given"),
        (
            "{name: a, type: numeric_attribute, numeric_attribute: {key: k, min_value: 5, max_value: 4}}",
            "policies[0]::numeric_attribute::max_value: must be at least min_value 5, got 4",
        ),
        ("{name: a, type: status_code, status_code: {status_codes: [error]}}", "must be OK, ERROR or UNSET"),
        ("{name: a, type: status_code}", "policies[0]::status_code::status_codes: needs at least one"),
        (
            BAD_PATTERN,
            "policies[0]::string_attribute::values[0]: must be a regular expression",
        ),
        ("{name: a, type: string_attribute, string_attribute: {key: k}}", "needs at least one value"),
        ("{name: a, type: probabilistic, probabilistic: {sampling_percentage: -5}}", "must be 0 or more, got -5"),
        ("{name: a, type: rate_limiting}", "policies[0]::rate_limiting::spans_per_second: must be more than 0"),
        ("{name: a, type: span_count, span_count: {min_spans: 5, max_spans: 2}}", "must be at least min_spans 5"),
        ("{name: a, type: ottl_condition}", "this or spanevent needs at least one condition"),
        ("{name: a, type: ottl_condition, ottl_condition: {span: ['name ==']}}", "ottl_condition::span[0]: "),
        ("{name: a, type: and}", "policies[0]::and::and_sub_policy: needs at least one policy"),
        ("{name: a, type: drop, drop: {drop_sub_policy: []}}", "policies[0]::drop::drop_sub_policy: needs at least"),
        ("{name: a, type: not}", "policies[0]::not::not_sub_policy: is required"),
        (
            "{name: a, type: and, and: {and_sub_policy: [{type: drop}]}}",
            "policies[0]::and::and_sub_policy[0]::type: must be one of",
        ),
        ("{name: a, type: composite}", "composite::max_total_spans_per_second: must be more than 0"),
        (
            BAD_SHARE,
            'composite::rate_allocation[0]::policy: there is no policy "y"',
        ),
        ("{name: a, type: trace_sum, trace_sum: {key: k}}", "this or max_value must be given"),
        (
            "{name: a, type: trace_max, trace_max: {key: k, min_value: 2, max_value: 1}}",
            "policies[0]::trace_max::max_value: must be at least min_value 2, got 1",
        ),
    ],
)
def test_refuses_policies_that_cannot_be_satisfied(policy: str, message: str) -> None:
    """What the Go collector finds at start, at the first decision or never is an error before the start."""
    with pytest.raises((ConfigError, OptionError, ExceptionGroup)) as caught:
        TailSamplingProcessor(config(policies=policy), settings(), Sink())

    error = caught.value
    texts = (
        [str(error)]
        if isinstance(error, ConfigError)
        else [
            "{}: {}".format(*each.args)
            for each in option_errors(error)  # type: ignore[arg-type]
        ]
    )
    assert any(message in text for text in texts), texts


def test_span_ingest_wants_policies_that_depend_on_nothing_else() -> None:
    """A rate, or a bound that a later span may pass, cannot be decided about one arrival."""
    policy = "{name: few, type: span_count, span_count: {max_spans: 3}}"
    with pytest.raises(OptionError, match="span-ingest"):
        TailSamplingProcessor(config("sampling_strategy: span-ingest", policy), settings(), Sink())


async def test_span_ingest_decides_about_each_arrival() -> None:
    """What was sampled is so for good, with what waited; the rest is not sampled when the wait is over."""
    sink = Sink()
    processor = await started(config("sampling_strategy: span-ingest, decision_wait: 100ms"), sink)
    await processor.consume(spans("1/a", "2/b"))
    await processor.consume(spans("1/c!"))
    await until(lambda: len(sink) == 2)
    await until(lambda: processor.settings.account.sampled_out == 1)

    assert names(sink) == ["a", "c"]
    assert spans_in(*sink.batches)[0].status.code == 0
    await processor.shutdown()
