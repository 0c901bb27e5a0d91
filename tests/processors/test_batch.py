"""When batches leave, and what becomes of those that nobody takes."""

import asyncio
import contextlib

import pytest

from collector.component import Consumer
from collector.config.types import Duration, FieldError
from collector.errors import PermanentError, RetryableError, TooLargeError
from collector.ledger import Reason
from collector.spans import SpanBatch
from collector.telemetry.metrics import Histogram, Metrics, Sample
from collector.testing import Blocking, Failing, Sink, StubHost, make_spans, settings, spans_in, until
from processors.batch import BatchConfig, BatchProcessor

LATER = Duration(3600)


async def started(config: BatchConfig, sink: Consumer, metrics: Metrics | None = None) -> BatchProcessor:
    batch = BatchProcessor(config, settings(metrics=metrics), sink)
    await batch.start(StubHost())
    return batch


class Picky(Sink):
    """Refuses batches of more than `most` spans, and those with the span `large`."""

    def __init__(self, most: int, large: str = "") -> None:
        super().__init__()
        self.most = most
        self.large = large

    async def consume(self, batch: SpanBatch) -> None:
        if len(batch) > self.most or self.large in {span.name for span in spans_in(batch)}:
            raise TooLargeError("received message larger than max")
        await super().consume(batch)


async def test_gathers_until_the_size_is_reached() -> None:
    """A batch leaves with the arrival that fills it."""
    sink = Sink()
    batch = await started(BatchConfig(send_batch_size=10, timeout=LATER), sink)

    for n in range(3):
        await batch.consume(make_spans(4, first=4 * n))
    await until(lambda: len(sink) == 12)
    await batch.consume(make_spans(1, first=12))
    await batch.shutdown()

    assert [len(b) for b in sink.batches] == [12, 1]
    assert [span.name for span in sink.spans] == [f"span {n}" for n in range(13)]


async def test_splits_what_is_larger_than_the_maximum() -> None:
    """No batch that leaves is larger than send_batch_max_size."""
    sink = Sink()
    batch = await started(BatchConfig(send_batch_size=4, send_batch_max_size=4), sink)

    await batch.consume(make_spans(10))
    await batch.shutdown()

    assert [len(b) for b in sink.batches] == [4, 4, 2]


async def test_bytes_are_a_maximum_too() -> None:
    """A batch leaves when it would not fit into a message, although it has few spans."""
    sink = Sink()
    size = make_spans(15).size
    batch = await started(BatchConfig(send_batch_max_bytes=size, timeout=LATER), sink)

    for n in range(3):
        await batch.consume(make_spans(10, first=10 * n))
    await until(lambda: len(sink) >= 14)
    await batch.shutdown()

    assert len(sink) == 30
    assert max(b.size for b in sink.batches) <= size


async def test_spans_leave_when_they_are_old_enough() -> None:
    """The timeout counts from the first span of a batch."""
    sink = Sink()
    batch = await started(BatchConfig(timeout=Duration(0.01)), sink)

    await batch.consume(make_spans(1))
    await until(lambda: len(sink) == 1)
    await batch.consume(make_spans(2))
    await until(lambda: len(sink) == 3)

    await batch.shutdown()
    assert [len(b) for b in sink.batches] == [1, 2]


@pytest.mark.parametrize("option", ["timeout", "send_batch_size"])
async def test_zero_sends_every_arrival(option: str) -> None:
    """Nothing waits for company, and the maximum holds."""
    sink = Sink()
    config = BatchConfig(
        timeout=Duration(0) if option == "timeout" else LATER,
        send_batch_size=0 if option == "send_batch_size" else 5,
        send_batch_max_size=5,
    )
    batch = await started(config, sink)

    await batch.consume(make_spans(2))
    await batch.consume(make_spans(7))
    await until(lambda: len(sink) == 9)

    assert [len(b) for b in sink.batches] == [2, 5, 2]
    await batch.shutdown()


async def test_an_arrival_without_spans_is_nothing() -> None:
    """It neither leaves nor counts."""
    sink = Sink()
    batch = await started(BatchConfig(timeout=Duration(0)), sink)

    await batch.consume(SpanBatch.decode(b""))
    await batch.shutdown()

    assert sink.batches == []


async def test_keeps_what_is_refused_for_now(caplog: pytest.LogCaptureFixture) -> None:
    """It is offered again until it is taken, and that is said once."""
    sink = Failing(RetryableError("full", retry_after=0.001), times=3)
    batch = await started(BatchConfig(timeout=Duration(0)), sink)

    await batch.consume(make_spans(5))
    await until(lambda: len(sink) == 5)
    await batch.shutdown()

    account = batch.settings.account
    assert (account.taken, account.passed_on, account.failed.total()) == (5, 5, 0)
    assert [r.message for r in caplog.records] == ["the next stage refuses, the batch is kept: full"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [(PermanentError("never"), Reason.REFUSED), (ZeroDivisionError("oops"), Reason.COMPONENT_ERROR)],
)
async def test_what_is_refused_for_good_is_counted(error: Exception, reason: Reason) -> None:
    """It is dropped under its reason, and the next batch goes on."""
    sink = Failing(error, times=1)
    batch = await started(BatchConfig(send_batch_size=2), sink)

    await batch.consume(make_spans(2))
    await batch.consume(make_spans(3))
    await batch.shutdown()

    account = batch.settings.account
    assert dict(account.failed) == {reason: 2}
    assert account.passed_on == 3
    assert account.problem() is None


async def test_halves_what_the_next_stage_calls_too_large() -> None:
    """The halves keep their order, and go before what came later."""
    sink = Picky(most=3)
    batch = await started(BatchConfig(send_batch_size=10), sink)

    await batch.consume(make_spans(10))
    await batch.consume(make_spans(2, first=10))
    await batch.shutdown()

    assert [span.name for span in sink.spans] == [f"span {n}" for n in range(12)]
    assert batch.settings.account.problem() is None


async def test_sets_a_single_span_aside_that_is_too_large(caplog: pytest.LogCaptureFixture) -> None:
    """Its companions go on, and the log names it."""
    sink = Picky(most=10, large="span 2")
    batch = await started(BatchConfig(send_batch_size=5), sink)

    await batch.consume(make_spans(5))
    await batch.shutdown()

    assert [span.name for span in sink.spans] == ["span 0", "span 1", "span 3", "span 4"]
    assert dict(batch.settings.account.failed) == {Reason.TOO_LARGE: 1}
    assert f"span {3:016x} of trace {3:032x}" in caplog.records[-1].message


async def test_refuses_when_it_holds_enough() -> None:
    """While the next stage does not take, memory stays within max_held_bytes."""
    sink = Blocking()
    one = make_spans(10)
    batch = await started(BatchConfig(send_batch_size=10, max_held_bytes=3 * one.pinned), sink)

    for _ in range(3):
        await batch.consume(make_spans(10))
    with pytest.raises(RetryableError, match="max_held_bytes"):
        await batch.consume(make_spans(10))
    assert batch.settings.account.held() == 30

    sink.release()
    await until(lambda: len(sink) == 30)
    await batch.consume(make_spans(10))
    await batch.shutdown()
    assert batch.settings.account.passed_on == 40


async def test_takes_what_is_larger_than_everything_when_nothing_is_held() -> None:
    """It would never find room otherwise."""
    sink = Sink()
    batch = await started(BatchConfig(max_held_bytes=10, timeout=LATER), sink)

    await batch.consume(make_spans(5))
    with pytest.raises(RetryableError, match="max_held_bytes"):
        await batch.consume(make_spans(1))
    await batch.shutdown()

    assert len(sink) == 5


async def test_shutdown_hands_on_everything() -> None:
    """What is held leaves, within the maximum."""
    sink = Sink()
    batch = await started(BatchConfig(timeout=LATER, send_batch_size=8, send_batch_max_size=8), sink)

    await batch.consume(make_spans(7))
    await batch.shutdown()
    await batch.shutdown()

    assert [len(b) for b in sink.batches] == [7]
    with pytest.raises(RetryableError, match="shutting down"):
        await batch.consume(make_spans(1))


async def test_a_cancelled_shutdown_books_what_is_held() -> None:
    """At the deadline what nobody takes is lost, for that reason."""
    sink = Blocking()
    batch = await started(BatchConfig(send_batch_size=2, timeout=LATER), sink)
    await batch.consume(make_spans(2))
    await batch.consume(make_spans(1))

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(batch.shutdown(), 0.02)

    account = batch.settings.account
    assert (dict(account.failed), account.held(), sink.waiting) == ({Reason.SHUTDOWN: 3}, 0, 0)
    assert account.problem() is None


async def test_shutdown_without_start_books_what_is_held() -> None:
    """Nobody was there to hand on."""
    batch = BatchProcessor(BatchConfig(timeout=LATER), settings(), Sink())
    await batch.consume(make_spans(3))

    await batch.shutdown()

    assert batch.settings.account.problem() is None


async def test_counts_sizes_and_triggers() -> None:
    """The metrics have the Go collector's names."""
    sink, metrics = Sink(), Metrics()
    batch = await started(BatchConfig(send_batch_size=5, timeout=LATER), sink, metrics)

    await batch.consume(make_spans(5))
    await batch.consume(make_spans(2))
    await batch.shutdown()

    found: dict[str, float] = {}
    for metric in metrics:
        for read in metric.reads:
            for series in read():
                if isinstance(series, Sample):
                    found[metric.name] = series.value
                else:
                    assert isinstance(series[1], Histogram)
                    found[metric.name] = series[1].sum
    assert found == {
        "otelcol_processor_batch_batch_send_size": 7,
        "otelcol_processor_batch_batch_send_size_bytes": sum(b.size for b in sink.batches),
        "otelcol_processor_batch_batch_size_trigger_send": 1,
        "otelcol_processor_batch_timeout_trigger_send": 1,
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timeout": Duration(-1)}, "timeout: must be 0 or more, got -1s"),
        (
            {"send_batch_max_size": 10},
            "send_batch_max_size: must be at least send_batch_size 8192, or 0, got 10",
        ),
        (
            {"metadata_keys": ["x-tenant"]},
            "metadata_keys: not supported yet: remove this line to batch all requests together",
        ),
    ],
)
def test_refuses(options: dict[str, object], message: str) -> None:
    """Each of these is a mistake, and the message names the field."""
    with pytest.raises(FieldError) as caught:
        BatchConfig(**options)  # type: ignore[arg-type]

    assert str(caught.value) == message


async def test_a_next_stage_that_takes_a_batch_all_the_same_gets_no_other() -> None:
    """When time is over it is cancelled once. What it has taken by then counts as handed on, and the rest as lost."""

    class Late(Blocking):
        async def consume(self, batch: SpanBatch) -> None:
            with contextlib.suppress(asyncio.CancelledError):
                await super().consume(batch)
                return
            self.batches.append(batch)

    sink = Late()
    batch = await started(BatchConfig(send_batch_size=2), sink)
    await batch.consume(make_spans(2))
    await batch.consume(make_spans(2, first=2))
    await sink.entered.wait()

    stopping = asyncio.create_task(batch.shutdown())
    await asyncio.sleep(0)
    stopping.cancel()
    await asyncio.wait([stopping])
    sink.release()
    for _ in range(5):
        await asyncio.sleep(0)

    account = batch.settings.account
    assert (account.passed_on, dict(account.failed), len(sink)) == (2, {Reason.SHUTDOWN: 2}, 2)
    assert account.problem() is None
