"""The front of a pipeline in the kernel means the same as in Python: every pipeline here is run both ways."""

from __future__ import annotations

import asyncio
import http.client
import tempfile
from typing import Any

import grpc
import grpc.aio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp_strategies import requests

from collector.component import Delivery, Kind, Processor
from collector.errors import ConsumeError, PermanentError, RetryableError
from collector.pipeline import build
from collector.sending.config import SendingConfig
from collector.service import Service
from collector.spans import SpanBatch
from collector.telemetry.exposition import exposition
from collector.testing import Feed, SinkExporter, configure, decode, known, make_request, make_spans, running, until

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

BATCH = "batch: {timeout: 1h, send_batch_size: 20}"

FRONTS = {
    "hold": ("[batch]", BATCH),
    "limited": ("[memory_limiter, batch]", f"memory_limiter: {{check_interval: 1h, limit_mib: 1000000}}, {BATCH}"),
    "out of memory": ("[memory_limiter, batch]", f"memory_limiter: {{check_interval: 1h, limit_mib: 1}}, {BATCH}"),
    "chain": (
        "[memory_limiter, filter, attributes, resource, probabilistic_sampler, batch]",
        """
        memory_limiter: {check_interval: 1h, limit_mib: 1000000},
        filter: {trace_conditions: ['span.kind == SPAN_KIND_CLIENT']},
        attributes: {actions: [{key: a, action: upsert, value: b}, {key: k, action: hash}]},
        resource: {attributes: [{key: deployment, value: test, action: insert}]},
        probabilistic_sampler: {sampling_percentage: 60},
        """
        + BATCH,
    ),
    "fails": (
        "[filter, filter/2, batch]",
        """
        filter: {error_mode: propagate, trace_conditions: ['Substring(span.name, 0, 6) == "x"']},
        filter/2: {trace_conditions: ['span.status.code == STATUS_CODE_ERROR']},
        """
        + BATCH,
    ),
    "ignores": (
        "[filter, batch]",
        """filter: {trace_conditions: ['Int(span.attributes["k"]) > 3', 'span.name == "span 2"']}, """ + BATCH,
    ),
    "nothing left": ("[filter, batch]", "filter: {trace_conditions: ['span.kind != 99']}, " + BATCH),
    "full": ("[filter, batch]", "filter: {trace_conditions: ['span.name == \"span 1\"']}, batch: {max_held_bytes: 1}"),
    "small batches": ("[batch]", "batch: {timeout: 1h, send_batch_size: 3, send_batch_max_size: 4}"),
    "every arrival": ("[batch]", "batch: {timeout: 0s}"),
    "whole traces": (
        "[filter, groupbytrace]",
        "filter: {trace_conditions: ['span.name == \"span 1\"']}, groupbytrace: {wait_duration: 1h}",
    ),
    "sampled traces": (
        "[memory_limiter, tail_sampling, batch]",
        """
        memory_limiter: {check_interval: 1h, limit_mib: 1000000},
        tail_sampling: {decision_wait: 1h, policies: [
            {name: errors, type: status_code, status_code: {status_codes: [ERROR]}},
            {name: half, type: probabilistic, probabilistic: {sampling_percentage: 50}}]},
        """
        + BATCH,
    ),
}


def a_pipeline(front: str, receiver: str = "feed", section: str = "") -> str:
    names, sections = FRONTS[front]
    return f"""
receivers: {{{receiver}: {section}}}
processors: {{{sections}}}
exporters: {{sink: }}
service: {{pipelines: {{traces: {{receivers: [{receiver}], processors: {names}, exporters: [sink]}}}}}}
"""


async def _in_python(service: Service, batch: SpanBatch) -> tuple[str, float | None, bool] | None:
    feed = service.machine.receivers["feed"]
    assert isinstance(feed, Feed)
    try:
        await feed.next.consume(batch)
    except ConsumeError as error:
        return str(error), getattr(error, "retry_after", None), isinstance(error, PermanentError)
    return None


async def _in_kernel(service: Service, batch: SpanBatch) -> tuple[str, float | None, bool] | None:
    offload = service.machine.receivers["feed"].offload
    assert offload
    return offload.plan.consume(batch, asyncio.get_running_loop().time())


async def _run(front: str, sent: list[SpanBatch], *, offload: bool) -> tuple[Any, ...]:
    """Send batches, and say all that could be different: answers, spans, accounts, metrics."""
    async with running(a_pipeline(front)) as service:
        answers = [await (_in_kernel if offload else _in_python)(service, batch) for batch in sent]
    sink = service.machine.exporters["sink"].exporter
    assert isinstance(sink, SinkExporter)
    ledger = service.machine.ledger
    page = exposition(service.machine.metrics).splitlines()
    return (
        answers,
        decode(*sink.batches),
        [len(batch) for batch in sink.batches],
        {key: (account.taken, account.filtered, account.passed_on) for key, account in ledger.processors.items()},
        (ledger.pipelines["traces"].taken, ledger.pipelines["traces"].passed_on),
        [line for line in page if "process_" not in line and "target_info" not in line],
    )


@pytest.mark.parametrize("front", FRONTS)
def test_both_ways_mean_the_same(front: str) -> None:
    """The same answers, spans, batches, accounts and metrics, whoever runs the front of the pipeline."""

    @settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(requests(max_spans=2), max_size=2))
    def compare(generated: list[ExportTraceServiceRequest]) -> None:
        batches = [SpanBatch.decode(request.SerializeToString()) for request in generated]
        sent = [make_spans(5), *batches, make_spans(3, name="x")]
        sent = [batch for batch in sent if len(batch)]

        assert asyncio.run(_run(front, sent, offload=True)) == asyncio.run(_run(front, sent, offload=False))

    compare()


class Through(Processor):
    """Only Python knows what it does."""

    async def consume(self, batch: SpanBatch) -> None:
        await self.next.consume(batch)


QUEUED_FRONTS = {
    "nothing": ("[]", "", "queue_size: 100000"),
    "chain": ("[memory_limiter, filter, attributes]", FRONTS["chain"][1], "queue_size: 100000"),
    "fails": ("[filter, filter/2]", FRONTS["fails"][1], "queue_size: 100000"),
    "nothing left": ("[filter]", FRONTS["nothing left"][1], "queue_size: 100000"),
    "full": ("[filter]", FRONTS["full"][1], "sizer: items, queue_size: 6"),
    "too small": ("[]", "", "sizer: items, queue_size: 2"),
}


class Silent(SinkExporter):
    """Its backend is away."""

    config_type = SendingConfig

    async def export(self, batch: SpanBatch) -> Delivery:
        raise RetryableError("away")


async def _run_queued(front: str, storage: str, sent: list[SpanBatch], *, offload: bool) -> tuple[Any, ...]:
    """Send batches to a queue before a dead backend, and say all that could be different."""
    names, sections, queue = QUEUED_FRONTS[front]
    with tempfile.TemporaryDirectory() as directory, known(Kind.EXPORTER, silent=Silent):
        text = f"""
        extensions: {{file_storage: {{directory: {directory}}}}}
        receivers: {{feed: }}
        processors: {{{sections}}}
        exporters: {{silent: {{sending_queue: {{{storage}{queue}}}}}}}
        service:
          extensions: [file_storage]
          pipelines: {{traces: {{receivers: [feed], processors: {names}, exporters: [silent]}}}}
        """
        async with running(text) as service:
            answers = [await (_in_kernel if offload else _in_python)(service, batch) for batch in sent]
        ledger = service.machine.ledger
        ledger.refresh()
        account = ledger.exporters["silent"]
        counts = (account.offered, account.refused, account.held(), account.failed)
        assert account.problem() is None
        return (
            # A batch that will never fit is known as such in both, in other words.
            [answer and answer[2] for answer in answers],
            counts,
            {key: (account.taken, account.filtered, account.passed_on) for key, account in ledger.processors.items()},
            (ledger.pipelines["traces"].taken, ledger.pipelines["traces"].passed_on),
        )


@pytest.mark.parametrize("storage", ["", "storage: file_storage, "], ids=["in memory", "on disk"])
@pytest.mark.parametrize("front", QUEUED_FRONTS)
def test_both_ways_mean_the_same_before_a_queue(front: str, storage: str) -> None:
    """The kernel acknowledges once the queue has the spans, in memory or on disk, as Python would."""

    @settings(max_examples=5, suppress_health_check=[HealthCheck.too_slow], deadline=None)
    @given(st.lists(requests(max_spans=2), max_size=2))
    def compare(generated: list[ExportTraceServiceRequest]) -> None:
        batches = [SpanBatch.decode(request.SerializeToString()) for request in generated]
        sent = [make_spans(5), *batches, make_spans(3, name="x")]
        sent = [batch for batch in sent if len(batch)]

        ways = [asyncio.run(_run_queued(front, storage, sent, offload=offload)) for offload in (True, False)]
        assert ways[0] == ways[1]

    compare()


@pytest.mark.parametrize(
    "pipelines",
    [
        "traces: {receivers: [feed], exporters: [sink]}",
        "traces: {receivers: [feed], processors: [through, batch], exporters: [sink]}",
        "traces: {receivers: [feed], processors: [filter], exporters: [sink]}",
        """traces: {receivers: [feed], processors: [batch], exporters: [sink]},
        traces/2: {receivers: [feed], processors: [batch], exporters: [sink]}""",
    ],
)
def test_python_runs_what_the_kernel_cannot(pipelines: str) -> None:
    """No hold, a stage of its own, or several pipelines: then requests go through Python."""
    with known(Kind.PROCESSOR, through=Through):
        machine = build(
            configure(f"""
            receivers: {{feed: }}
            processors: {{through: , batch: , filter: {{trace_conditions: ['span.kind == 99']}}}}
            exporters: {{sink: }}
            service: {{pipelines: {{{pipelines}}}}}
            """)
        )

    assert machine.receivers["feed"].offload is None


NATIVE = "{protocols: {grpc: {endpoint: 'localhost:0', engine: native, offload: %s}}}"
HTTP = "{protocols: {http: {endpoint: 'localhost:0', offload: %s}}}"


async def _send(service: Service, sent: list[ExportTraceServiceRequest]) -> list[grpc.StatusCode]:
    """Send requests over the network at the same time, and give the statuses."""
    receiver: Any = service.machine.receivers["otlp"]
    async with grpc.aio.insecure_channel(receiver.grpc.address) as channel:
        call = channel.unary_unary(EXPORT)

        async def status(request: ExportTraceServiceRequest) -> grpc.StatusCode:
            try:
                await call(request.SerializeToString(), timeout=10)
            except grpc.aio.AioRpcError as error:
                comes_back = "grpc-status-details-bin" in dict(error.trailing_metadata() or ())
                return error.code() if comes_back else grpc.StatusCode.UNKNOWN
            return grpc.StatusCode.OK

        return await asyncio.gather(*map(status, sent))


@pytest.mark.parametrize("offload", ["true", "false"])
@pytest.mark.parametrize(("front", "passed"), [("small batches", 60), ("every arrival", 60), ("fails", 40)])
async def test_requests_over_the_network(front: str, passed: int, offload: str) -> None:
    """Clients hear the same, and what they were told arrives, whichever way it went."""
    # The condition of `fails` needs names of six letters.
    sent = [make_request(2, first=2 * number, name="span" if number % 3 else "x") for number in range(30)]
    async with running(a_pipeline(front, "otlp", NATIVE % offload)) as service:
        statuses = await _send(service, sent)
        exporter: Any = service.machine.exporters["sink"].exporter

    accepted = statuses.count(grpc.StatusCode.OK)
    assert accepted == passed // 2
    assert (
        len(
            {
                span.name
                for group in decode(*exporter.batches).resource_spans
                for scope in group.scope_spans
                for span in scope.spans
            }
        )
        == passed
    )
    account = service.machine.ledger.receivers["otlp"].on("grpc")
    assert (account.requests_received, account.requests_accepted, account.accepted) == (30, accepted, passed)


@pytest.mark.parametrize("offload", ["true", "false"])
async def test_requests_over_http(offload: str) -> None:
    """OTLP/HTTP goes the same way, and is told in its own words when there is no room."""
    async with running(a_pipeline("full", "otlp", HTTP % offload)) as service:
        receiver: Any = service.machine.receivers["otlp"]
        statuses = []
        for number in range(3):
            body = make_request(2, first=2 * number).SerializeToString()
            statuses.append(await asyncio.to_thread(_post, receiver.http.address, body))
        exporter: Any = service.machine.exporters["sink"].exporter

    assert statuses == [(200, None), (503, "1"), (503, "1")]
    # One of the two is what the filter drops.
    assert [len(batch) for batch in exporter.batches] == [1]
    account = service.machine.ledger.receivers["otlp"].on("http")
    assert (account.accepted, account.refused, account.requests_refused) == (2, 4, 2)


def _post(address: str, body: bytes) -> tuple[int, str | None]:
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.headers["Retry-After"]
    finally:
        connection.close()


async def test_a_full_hold_tells_clients_to_come_back() -> None:
    """Nobody hears of a request that was refused but its client, and the accounts."""
    async with running(a_pipeline("full", "otlp", NATIVE % "true")) as service:
        first = await _send(service, [make_request(2, first=10)])
        rest = await _send(service, [make_request(3, first=20)] * 5)
        service.machine.ledger.refresh()
        account = service.machine.ledger.receivers["otlp"].on("grpc")
        accounted = (account.accepted, account.refused, account.requests_refused)

    assert first == [grpc.StatusCode.OK]
    assert set(rest) == {grpc.StatusCode.UNAVAILABLE}
    assert accounted == (2, 15, 5)


async def test_a_batch_leaves_when_it_is_old_although_nobody_was_woken_by_its_arrival() -> None:
    """The hold rings for the timer, once, and the timer does the rest."""
    yaml = a_pipeline("hold", "otlp", NATIVE % "true")
    async with running(yaml, "processors.batch.timeout=50ms") as service:
        exporter: Any = service.machine.exporters["sink"].exporter
        for number in range(3):
            await _send(service, [make_request(1, first=number)])
            await until(lambda: len(exporter.batches) > number)  # noqa: B023  it is awaited in this turn

    assert [len(batch) for batch in exporter.batches] == [1, 1, 1]


async def test_malformed_and_empty_requests_do_not_reach_the_plan() -> None:
    """They are answered and counted as ever."""
    async with running(a_pipeline("hold", "otlp", NATIVE % "true")) as service:
        receiver: Any = service.machine.receivers["otlp"]
        async with grpc.aio.insecure_channel(receiver.grpc.address) as channel:
            call = channel.unary_unary(EXPORT)
            empty = await call(b"", timeout=10)
            with pytest.raises(grpc.aio.AioRpcError) as malformed:
                await call(b"\x0a\x05oops", timeout=10)

    account = service.machine.ledger.receivers["otlp"].on("grpc")
    assert empty == b""
    assert malformed.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert (account.requests_received, account.requests_malformed, account.received) == (2, 1, 0)
