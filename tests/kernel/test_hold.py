"""The hold of `batch` against a model that counts: when a batch is due, how large it is, and what stays."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp_strategies import requests

from collector._kernel import Bell, Hold, SpanBatch
from collector.testing import decode, make_spans, spans_in

MUCH = 1 << 30


def a_hold(size: int = 1000, most: int = 0, most_bytes: int = 0, timeout: float = 1.0, held: int = MUCH) -> Hold:
    """A hold that nobody listens to."""
    return Hold(
        Bell(),
        send_batch_size=size,
        send_batch_max_size=most,
        send_batch_max_bytes=most_bytes,
        timeout=timeout,
        max_held_bytes=held,
    )


EVENTS = st.lists(st.tuples(st.integers(0, 30), st.sampled_from([0.0, 0.01, 0.2, 1.0])), max_size=20)


@given(EVENTS, st.integers(0, 20), st.integers(0, 20), st.sampled_from([0.0, 0.2]))
def test_batches_as_the_model_does(arrivals: list[tuple[int, float]], size: int, more: int, timeout: float) -> None:
    """Batches leave when the spans or the age say so, as full as allowed, and nothing is lost or reordered."""
    most = size + more if more else 0
    held = a_hold(size, most, timeout=timeout)
    ages: list[float] = []
    names: list[str] = []
    now, arrived = 0.0, 0
    for spans, pause in arrivals:
        now += pause
        held.cut(now)
        assert held.offer(make_spans(spans, first=arrived), now) is None
        ages += [now] * spans
        arrived += spans
        while batch := held.next():
            assert len(ages) >= size or now >= ages[0] + timeout
            assert len(batch) <= (most or len(ages))
            names += [span.name for span in spans_in(batch)]
            del ages[: len(batch)]
            held.leaving(-batch.pinned)
        assert held.spans == len(ages)
        assert len(ages) < size or not ages
        assert held.watch() == (ages[0] + timeout if ages else None)

    held.close()
    while batch := held.next():
        names += [span.name for span in spans_in(batch)]
        held.leaving(-batch.pinned)
    assert names == [span.name for span in spans_in(make_spans(arrived))]
    assert (held.spans, held.pinned, held.watch()) == (0, 0, None)


def test_is_due_by_bytes_and_stays_within_them() -> None:
    """As soon as there are enough bytes for an export, one leaves, and no larger."""
    bound = make_spans(10).size
    held = a_hold(most_bytes=bound)

    held.offer(make_spans(6), 0.0)
    early = held.next()
    held.offer(make_spans(6), 0.0)
    batch = held.next()

    assert early is None
    assert batch is not None
    assert 6 < len(batch) < 12
    assert batch.size <= bound
    assert held.next() is None
    assert held.spans == 12 - len(batch)


def test_a_span_larger_than_the_bound_goes_alone() -> None:
    """What cannot be cut further is left to whoever sends it."""
    held = a_hold(most_bytes=100)
    held.offer(make_spans(3), 0.0)

    batches = []
    while batch := held.next():
        batches.append(len(batch))

    assert batches == [1, 1, 1]


def test_accounts_the_memory_that_batches_keep_alive() -> None:
    """What is held is counted in bytes of memory, until the batch has really left."""
    held = a_hold()
    batches = [make_spans(3), make_spans(4)]
    size = sum(batch.pinned for batch in batches)

    for batch in batches:
        held.offer(batch, 0.0)
    before = held.pinned
    held.close()
    left = held.next()
    assert left is not None
    leaving = held.pinned
    held.leaving(-left.pinned)

    assert (before, leaving, held.pinned) == (size, left.pinned, 0)


def test_takes_no_batch_without_spans() -> None:
    """An empty batch does not start the clock."""
    held = a_hold(size=0)

    held.offer(SpanBatch.decode(b""), 5.0)

    assert (held.spans, held.watch(), held.cut(9.0)) == (0, None, 0)


def test_refuses_beyond_its_bound_and_once_closed() -> None:
    """Whoever is refused hears why, and nothing of the batch is held."""
    held = a_hold(held=1)

    first = held.offer(make_spans(1), 0.0)
    second = held.offer(make_spans(2), 0.0)
    held.close()
    third = held.offer(make_spans(4), 0.0)

    assert first is None
    assert second is not None
    assert "max_held_bytes" in second
    assert third is not None
    assert "shutting down" in third
    assert held.spans == 1


def by_scope(*batches: SpanBatch) -> dict[tuple[bytes, bytes], list[bytes]]:
    """The spans of each resource and scope, in order."""
    groups: dict[tuple[bytes, bytes], list[bytes]] = {}
    for resource in decode(*batches).resource_spans:
        scopes = list(resource.scope_spans)
        del resource.scope_spans[:]
        for scope in scopes:
            spans = [span.SerializeToString() for span in scope.spans]
            del scope.spans[:]
            key = (resource.SerializeToString(), scope.SerializeToString())
            if spans:
                groups.setdefault(key, []).extend(spans)
    return groups


@given(st.lists(requests(max_spans=2), min_size=1, max_size=2), st.integers(1, 3))
def test_merges_equal_resources_without_moving_a_span_elsewhere(
    parts: list[ExportTraceServiceRequest], times: int
) -> None:
    """Whether resources are merged or not, every scope has its spans, in their order."""
    held = a_hold()
    batches = [SpanBatch.decode(part.SerializeToString()) for part in parts] * times
    for batch in batches:
        held.offer(batch, 0.0)

    held.close()
    merged = held.next() or SpanBatch.decode(b"")

    assert by_scope(merged) == by_scope(*batches)
    assert merged.size == len(merged.encode()) <= sum(batch.size for batch in batches)


def test_small_requests_of_one_service_leave_as_one_resource() -> None:
    """Many small requests of one resource and scope do not repeat it."""
    held = a_hold()
    for index in range(50):
        held.offer(make_spans(2, first=index * 2, resource={"service.name": "checkout"}), 0.0)

    held.close()
    batch = held.next()

    assert batch is not None
    assert batch.resource_spans == 1
    assert [span.name for span in spans_in(batch)] == [span.name for span in spans_in(make_spans(100))]
