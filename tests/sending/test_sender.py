"""What becomes of batches between a pipeline and a backend."""

import asyncio
import logging

import pytest

from collector.component import Delivery
from collector.config.types import Duration
from collector.errors import PermanentError, RetryableError, TooLargeError
from collector.ledger import Reason
from collector.sending.config import QueueConfig, RetryConfig, SendingConfig
from collector.sending.sender import Sender
from collector.spans import SpanBatch
from collector.testing import SinkExporter, StubHost, cancel_after, exporter_settings, make_spans, spans_in, until

SOON = RetryConfig(initial_interval=Duration(0.001), max_interval=Duration(0.001), max_elapsed_time=Duration(5))
LATE = RetryConfig(initial_interval=Duration(1000), max_interval=Duration(1000), max_elapsed_time=Duration(0))
NEVER = RetryConfig(enabled=False)
AWAY = RetryableError("away")


class Gate(SinkExporter):
    """Keeps every call until it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.opened = asyncio.Event()
        self.entered = asyncio.Event()

    async def export(self, batch: SpanBatch) -> Delivery:
        self.entered.set()
        await self.opened.wait()
        return await super().export(batch)


class Limited(SinkExporter):
    """Refuses messages of more than `most` spans, and those with a span called `span {large}`."""

    def __init__(self, most: int, large: int = -1) -> None:
        super().__init__()
        self.most = most
        self.large = large

    async def export(self, batch: SpanBatch) -> Delivery:
        names = {span.name for span in spans_in(batch)}
        if len(batch) > self.most or f"span {self.large}" in names:
            raise TooLargeError("received message larger than max")
        return await super().export(batch)


def sender_for(
    exporter: SinkExporter,
    queue: QueueConfig | None = None,
    retry: RetryConfig = SOON,
    timeout: float = 5,
) -> Sender:
    config = SendingConfig(timeout=Duration(timeout), retry_on_failure=retry, sending_queue=queue)
    return Sender(exporter, config, exporter.settings)


async def started(sender: Sender) -> Sender:
    await sender.start(StubHost())
    return sender


def names(exporter: SinkExporter) -> list[str]:
    return [span.name for span in spans_in(*exporter.batches)]


async def test_queues_and_delivers() -> None:
    """What was taken arrives, and the account says so."""
    exporter = SinkExporter()
    sender = await started(sender_for(exporter, QueueConfig()))

    for n in (3, 4):
        await sender.consume(make_spans(n))
    account = exporter.settings.account
    assert (account.offered, account.held()) == (7, 7)
    await sender.shutdown()

    assert [len(batch) for batch in exporter.batches] == [3, 4]
    assert (account.offered, account.delivered, account.held()) == (7, 7, 0)


async def test_a_batch_without_spans_is_no_work() -> None:
    """It is taken and goes nowhere."""
    exporter = SinkExporter()
    sender = await started(sender_for(exporter, QueueConfig()))

    await sender.consume(SpanBatch.decode(b""))
    await sender.shutdown()

    assert exporter.calls == 0


async def test_sends_again_what_the_backend_did_not_take() -> None:
    """Two failures cost two retries and no span."""
    exporter = SinkExporter(outcomes=[AWAY, AWAY])
    sender = await started(sender_for(exporter, QueueConfig()))

    await sender.consume(make_spans(3))
    await until(lambda: exporter.batches)
    await sender.shutdown()

    account = exporter.settings.account
    assert (account.delivered, account.retries, account.failed.total()) == (3, 2, 0)


async def test_waiting_for_a_retry_occupies_no_consumer() -> None:
    """One consumer delivers the second batch while the first waits for its hour."""
    exporter = SinkExporter(outcomes=[AWAY])
    sender = await started(sender_for(exporter, QueueConfig(num_consumers=2), LATE))

    await sender.consume(make_spans(1, name="first"))
    await until(lambda: exporter.calls == 1)
    await sender.consume(make_spans(1, name="second"))
    await until(lambda: exporter.batches)

    assert names(exporter) == ["second 0"]
    await sender.shutdown()
    assert names(exporter) == ["second 0", "first 0"]


async def test_an_outage_uses_up_the_patience_of_few() -> None:
    """While nothing gets through, only as many batches as there are consumers, and a probe, are tried."""
    exporter = SinkExporter(outcomes=[AWAY] * 100)
    sender = await started(sender_for(exporter, QueueConfig(num_consumers=2), LATE))

    for _ in range(50):
        await sender.consume(make_spans(1))
    await until(lambda: exporter.calls == 3)
    await asyncio.sleep(0.01)
    assert exporter.calls == 3

    exporter.outcomes.clear()
    await sender.shutdown()
    assert len(exporter.batches) == 50


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (PermanentError("never"), Reason.REFUSED),
        (AWAY, Reason.RETRIES_EXHAUSTED),
        (ZeroDivisionError("oops"), Reason.COMPONENT_ERROR),
        (TimeoutError("of the exporter's own"), Reason.COMPONENT_ERROR),
    ],
)
async def test_names_the_reason_of_a_loss(outcome: Exception, reason: Reason, caplog: pytest.LogCaptureFixture) -> None:
    """What is lost is booked by reason and said once."""
    exporter = SinkExporter(outcomes=[outcome, outcome])
    sender = await started(sender_for(exporter, QueueConfig(), NEVER))

    for _ in range(3):
        await sender.consume(make_spans(2))
    await sender.shutdown()

    account = exporter.settings.account
    assert dict(account.failed) == {reason: 4}
    assert account.delivered == 2
    assert account.problem() is None
    losses = [record.message for record in caplog.records if record.message.startswith("2 spans lost")]
    assert len(losses) == 1
    assert str(outcome) in losses[0]


async def test_gives_up_when_the_time_is_over() -> None:
    """`max_elapsed_time` ends the retries."""
    exporter = SinkExporter(outcomes=[AWAY] * 10_000)
    retry = RetryConfig(initial_interval=Duration(0.01), max_interval=Duration(0.01), max_elapsed_time=Duration(0.05))
    sender = await started(sender_for(exporter, QueueConfig(), retry))

    await sender.consume(make_spans(2))
    await until(lambda: exporter.settings.account.failed)
    await sender.shutdown()

    account = exporter.settings.account
    assert dict(account.failed) == {Reason.RETRIES_EXHAUSTED: 2}
    assert account.retries >= 1


async def test_an_attempt_has_a_time_limit() -> None:
    """A backend that does not answer within `timeout` is tried again."""
    exporter = Gate()
    sender = await started(sender_for(exporter, QueueConfig(), timeout=0.01))

    await sender.consume(make_spans(1))
    await until(lambda: exporter.settings.account.retries)
    exporter.opened.set()
    await until(lambda: exporter.batches)
    await sender.shutdown()

    assert exporter.settings.account.problem() is None


async def test_rejected_spans_are_counted_apart(caplog: pytest.LogCaptureFixture) -> None:
    """A partial success is a success, and what was rejected is not sent again."""
    exporter = SinkExporter(outcomes=[Delivery(rejected=2, message="too old"), Delivery(message="please upgrade")])
    sender = await started(sender_for(exporter, QueueConfig(num_consumers=1)))

    await sender.consume(make_spans(5))
    await sender.consume(make_spans(1))
    await sender.shutdown()

    account = exporter.settings.account
    assert (account.delivered, dict(account.failed)) == (4, {Reason.REJECTED: 2})
    assert [record.message for record in caplog.records] == [
        "2 spans lost (rejected in success): too old",
        "the backend took the spans and says: please upgrade",
    ]


async def test_cuts_what_the_backend_calls_too_large() -> None:
    """Halves are sent in order until they fit, and the next batch is not disturbed."""
    exporter = Limited(most=3)
    sender = await started(sender_for(exporter, QueueConfig(num_consumers=1)))

    await sender.consume(make_spans(10))
    await sender.consume(make_spans(1, first=10))
    await sender.shutdown()

    assert names(exporter) == [f"span {n}" for n in range(11)]
    assert max(len(batch) for batch in exporter.batches) <= 3
    assert exporter.settings.account.problem() is None


async def test_sets_a_span_aside_that_is_too_large_alone(caplog: pytest.LogCaptureFixture) -> None:
    """Its companions arrive. The log names the span."""
    exporter = Limited(most=10, large=2)
    sender = await started(sender_for(exporter, QueueConfig(num_consumers=1)))

    await sender.consume(make_spans(5))
    await sender.shutdown()

    assert names(exporter) == ["span 0", "span 1", "span 3", "span 4"]
    assert dict(exporter.settings.account.failed) == {Reason.TOO_LARGE: 1}
    [record] = caplog.records
    assert f"span {3:016x} of trace {3:032x}" in record.message


async def test_a_full_queue_refuses() -> None:
    """The caller keeps the batch, and the account has not been offered it."""
    exporter = Gate()
    sender = await started(sender_for(exporter, QueueConfig(queue_size=1)))
    await sender.consume(make_spans(2))

    with pytest.raises(RetryableError, match="sending queue is full"):
        await sender.consume(make_spans(3))

    account = exporter.settings.account
    assert (account.offered, account.refused, sender.queue_size, sender.queue_capacity) == (2, 3, 1, 1)
    exporter.opened.set()
    await sender.shutdown()
    assert account.problem() is None


async def test_a_full_queue_may_let_callers_wait() -> None:
    """With `block_on_overflow` backpressure replaces refusal."""
    exporter = Gate()
    sender = await started(sender_for(exporter, QueueConfig(queue_size=1, block_on_overflow=True)))
    await sender.consume(make_spans(1))
    waiting = asyncio.ensure_future(sender.consume(make_spans(1, first=1)))
    await exporter.entered.wait()
    assert not waiting.done()

    exporter.opened.set()
    await waiting
    await sender.shutdown()

    assert names(exporter) == ["span 0", "span 1"]


async def test_says_once_that_the_backend_is_away(caplog: pytest.LogCaptureFixture) -> None:
    """A hundred failures are one warning, and their end one line with figures."""
    caplog.set_level(logging.INFO)
    exporter = SinkExporter(outcomes=[AWAY] * 100)
    sender = await started(sender_for(exporter, QueueConfig()))

    for _ in range(20):
        await sender.consume(make_spans(1))
    await until(lambda: len(exporter.batches) == 20)
    await sender.shutdown()

    first, last = caplog.records
    assert (first.levelname, first.message) == ("WARNING", "cannot deliver, will keep trying: away")
    assert last.message.startswith("delivers again, after 100 failed attempts in ")


# --- callers who wait


@pytest.mark.parametrize("queue", [None, QueueConfig(wait_for_result=True)], ids=["no queue", "wait_for_result"])
class TestWaitingCallers:
    """Without a queue, and with `wait_for_result`, the caller hears what the backend said."""

    async def test_hears_of_the_delivery(self, queue: QueueConfig | None) -> None:
        """Returning means delivered, after retries too."""
        exporter = SinkExporter(outcomes=[AWAY])
        sender = await started(sender_for(exporter, queue))

        await sender.consume(make_spans(2))

        account = exporter.settings.account
        assert (account.offered, account.delivered, account.held()) == (2, 2, 0)
        await sender.shutdown()

    @pytest.mark.parametrize("error", [PermanentError("never"), AWAY])
    async def test_hears_of_the_failure(self, queue: QueueConfig | None, error: Exception) -> None:
        """The batch stays the caller's, so nothing is booked here."""
        exporter = SinkExporter(outcomes=[error])
        sender = await started(sender_for(exporter, queue, NEVER))

        with pytest.raises(type(error), match=str(error)):
            await sender.consume(make_spans(2))

        account = exporter.settings.account
        assert (account.offered, account.failed.total(), account.held()) == (0, 0, 0)
        await sender.shutdown()

    async def test_half_a_batch_is_taken_wholly(self, queue: QueueConfig | None) -> None:
        """When the backend has one half, the loss of the other is booked, and the caller need not send again."""
        exporter = SinkExporter(outcomes=[TooLargeError("too large"), Delivery(), PermanentError("never")])
        sender = await started(sender_for(exporter, queue))

        await sender.consume(make_spans(4))

        account = exporter.settings.account
        assert (account.offered, account.delivered, dict(account.failed)) == (4, 2, {Reason.REFUSED: 2})
        await sender.shutdown()

    async def test_cancelled_anywhere_nothing_is_half_taken(self, queue: QueueConfig | None) -> None:
        """Whoever is cancelled was served wholly or not at all, wherever it happens."""
        for steps in range(12):
            exporter = Limited(most=3)
            sender = await started(sender_for(exporter, queue))

            await cancel_after(steps, lambda: sender.consume(make_spans(8)))  # noqa: B023
            await asyncio.wait_for(sender.shutdown(), 10)

            account = exporter.settings.account
            assert account.problem() is None
            assert account.offered in {0, 8}
            assert set(names(exporter)) in (set(), {f"span {n}" for n in range(8)})

    async def test_cancelled_while_the_backend_thinks(self, queue: QueueConfig | None) -> None:
        """The attempt ends, and nothing of it stays."""
        exporter = Gate()
        sender = await started(sender_for(exporter, queue))
        call = asyncio.ensure_future(sender.consume(make_spans(2)))
        await exporter.entered.wait()

        call.cancel()
        await until(lambda: sender.in_flight == 0)
        exporter.opened.set()
        await sender.shutdown()

        assert call.cancelled()
        assert (exporter.batches, exporter.settings.account.offered) == ([], 0)

    async def test_shutdown_cuts_a_wait_short(self, queue: QueueConfig | None) -> None:
        """A caller whose batch waits for a retry hears of one last attempt."""
        exporter = SinkExporter(outcomes=[AWAY])
        sender = await started(sender_for(exporter, queue, LATE))
        call = asyncio.ensure_future(sender.consume(make_spans(2)))
        await until(lambda: exporter.calls)

        await sender.shutdown()
        await call

        assert exporter.settings.account.delivered == 2


async def test_a_cancelled_caller_takes_its_place_in_the_queue_along() -> None:
    """What no consumer has taken yet is taken back."""
    exporter = Gate()
    sender = await started(sender_for(exporter, QueueConfig(num_consumers=1, wait_for_result=True)))
    first = asyncio.ensure_future(sender.consume(make_spans(1)))
    second = asyncio.ensure_future(sender.consume(make_spans(1, first=1)))
    await exporter.entered.wait()

    second.cancel()
    await asyncio.wait([second])
    assert sender.queue_size == 1
    exporter.opened.set()
    await first
    await sender.shutdown()

    assert names(exporter) == ["span 0"]


# --- the end


async def test_shutdown_gives_everything_one_last_attempt() -> None:
    """What fails then is lost for that reason."""
    exporter = SinkExporter(outcomes=[AWAY] * 3)
    sender = await started(sender_for(exporter, QueueConfig(num_consumers=1), LATE))
    for n in range(4):
        await sender.consume(make_spans(1, first=n))
    await until(lambda: exporter.calls == 2)

    await sender.shutdown()

    account = exporter.settings.account
    assert account.delivered + account.failed[Reason.SHUTDOWN] == 4
    assert account.failed.total() == 1
    assert account.problem() is None


async def test_a_cancelled_shutdown_books_what_is_held() -> None:
    """At the service's deadline every span that is left gets its reason."""
    exporter = Gate()
    sender = await started(sender_for(exporter, QueueConfig(num_consumers=2), timeout=0))
    for _ in range(5):
        await sender.consume(make_spans(2))
    await exporter.entered.wait()

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(sender.shutdown(), 0.02)

    account = exporter.settings.account
    assert (account.offered, account.held(), dict(account.failed)) == (10, 0, {Reason.SHUTDOWN: 10})
    assert sender.in_flight == 0


@pytest.mark.parametrize("queue", [None, QueueConfig()])
async def test_shutdown_twice_and_without_start(queue: QueueConfig | None) -> None:
    """Nothing is there to be stopped, and nobody minds."""
    sender = sender_for(SinkExporter(), queue)

    await sender.shutdown()
    await sender.shutdown()

    if queue:
        with pytest.raises(RetryableError, match="shutting down"):
            await sender.consume(make_spans(1))


async def test_an_exporter_without_such_settings_is_called_directly() -> None:
    """It is counted all the same, and its errors reach the caller."""
    exporter = SinkExporter(settings=exporter_settings(), outcomes=[AWAY])
    sender = await started(Sender(exporter, exporter.config, exporter.settings))

    with pytest.raises(RetryableError, match="away"):
        await sender.consume(make_spans(2))
    await sender.consume(make_spans(2))

    assert (exporter.settings.account.offered, exporter.settings.account.delivered) == (2, 2)
    await sender.shutdown()
