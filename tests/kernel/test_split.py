"""Cutting batches: no span is lost, moved or left without its resource and scope, and no bound is passed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp_strategies import requests

from collector._kernel import Origin, SpanBatch
from collector.testing import make_spans

Placed = tuple[bytes, bytes, bytes]


def placed(data: bytes) -> list[Placed]:
    """Every span with what it belongs to, in order."""
    out: list[Placed] = []
    for resource in ExportTraceServiceRequest.FromString(data).resource_spans:
        scopes = list(resource.scope_spans)
        del resource.scope_spans[:]
        for scope in scopes:
            spans = list(scope.spans)
            del scope.spans[:]
            out += [(resource.SerializeToString(), scope.SerializeToString(), s.SerializeToString()) for s in spans]
    return out


@given(st.lists(requests(max_spans=2), max_size=2), st.integers(0, 5), st.sampled_from([0, 1, 200, 500, 2000]))
def test_parts_hold_the_same_spans_in_the_same_order(
    parts: list[ExportTraceServiceRequest], max_spans: int, max_bytes: int
) -> None:
    """All parts together mean what the batch means, and each is within the bounds, or a single span."""
    whole = SpanBatch.join([SpanBatch.decode(part.SerializeToString()) for part in parts])

    cut = whole.split(max_spans, max_bytes)

    assert [span for part in cut for span in placed(part.encode())] == placed(whole.encode())
    for part in cut:
        data = part.encode()
        assert 0 < len(part) == len(placed(data)) <= (max_spans or len(part))
        assert part.size == len(data)
        assert part.pinned >= part.size
        assert not max_bytes or part.size <= max_bytes or len(part) == 1


@given(st.integers(1, 40), st.integers(1, 10))
def test_every_part_but_the_last_is_full(spans: int, max_spans: int) -> None:
    """Without a bound in bytes a part ends where its spans are counted off."""
    sizes = [len(part) for part in make_spans(spans).split(max_spans)]

    assert sizes == [max_spans] * (spans // max_spans) + [spans % max_spans] * (spans % max_spans > 0)


def test_what_needs_no_cut_is_the_same() -> None:
    """Without bounds there is one part, and none of an empty batch."""
    batch = make_spans(3)

    assert [part.encode() for part in batch.split()] == [batch.encode()]
    assert SpanBatch.decode(b"").split(1, 1) == []


def test_parts_come_from_the_same_client() -> None:
    """Who sent the batch is who sent its parts; repaired strings are counted once."""
    origin = Origin("198.51.100.7:4242", {"tenant": ["a"]})
    data = make_spans(2).encode().replace(b"service.name", b"service.nam\xff")
    batch = SpanBatch.decode(data, origin)

    parts = batch.split(1)

    assert [part.origin for part in parts] == [origin, origin]
    assert sum(part.repaired for part in parts) == batch.repaired == 1


def test_a_small_part_does_not_keep_a_large_batch_alive() -> None:
    """A slice that is small beside what it was cut from is copied."""
    batch = SpanBatch.join([make_spans(100)])
    whole = SpanBatch.decode(batch.encode() + make_spans(1).encode())

    last = whole.split(100)[-1]

    assert (len(last), last.pinned) == (1, last.size)
