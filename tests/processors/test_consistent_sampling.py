"""`probabilistic_sampler` in the modes `proportional` and `equalizing`: stages that know of each other."""

from __future__ import annotations

import math
from fractions import Fraction
from random import Random

import pytest
from yaml_sections import section

from collector._kernel import Program
from collector.spans import SpanBatch, receive
from collector.testing import make_request, settings, spans_in
from processors.probabilistic_sampler import ProbabilisticSamplerConfig, ProbabilisticSamplerProcessor

_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
"""0.80692, as a share of all randomness."""
_TRACES = 200_000


def sampler(text: str) -> Program:
    """A program of one sampler with these settings."""
    config = section(ProbabilisticSamplerConfig, text)
    return Program(ProbabilisticSamplerProcessor(config, settings()).ops())


def stage(mode: str, percentage: float, precision: int = 4) -> Program:
    return sampler(f"{{mode: {mode}, sampling_percentage: {percentage}, sampling_precision: {precision}}}")


def one_span(trace_state: str, trace_id: str = _ID, **attributes: int) -> SpanBatch:
    request = make_request(1, attributes=dict(attributes))
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.trace_id, span.trace_state = bytes.fromhex(trace_id), trace_state
    return receive(request.SerializeToString())


@pytest.mark.parametrize(
    ("mode", "percentage", "arriving", "leaving"),
    [
        ("proportional", 25, "", "ot=th:c"),
        ("proportional", 10, "", None),
        ("proportional", 50, "ot=rv:9b8233f7e3a151", "ot=rv:9b8233f7e3a151;th:8"),
        ("proportional", 50, "ot=th:8;x:y,vendor=1", "ot=th:c;x:y,vendor=1"),
        ("proportional", 25, "ot=rv:ffffffffffffff;th:8", "ot=rv:ffffffffffffff;th:e"),
        ("proportional", 10, "ot=rv:ffffffffffffff;th:c", "ot=rv:ffffffffffffff;th:f999a"),
        ("proportional", 1, "ot=rv:ffffffffffffff;th:0", "ot=rv:ffffffffffffff;th:fd70a"),
        ("proportional", 100, "ot=th:4", "ot=th:4"),
        ("proportional", 2e-15, "ot=rv:ffffffffffffff;th:8", None),
        ("equalizing", 25, "", "ot=th:c"),
        ("equalizing", 25, "ot=rv:9b8233f7e3a151;th:8", None),
        ("equalizing", 25, "ot=rv:f0000000000000;th:8", "ot=rv:f0000000000000;th:c"),
        ("equalizing", 25, "ot=rv:f0000000000000;th:e", "ot=rv:f0000000000000;th:e"),
        ("equalizing", 100, "ot=th:8", "ot=th:8"),
        ("equalizing", 100, "", "ot=th:0"),
        ("equalizing", 0, "", None),
        ("proportional", 0, "ot=th:0", None),
    ],
)
def test_decides_as_the_specification_works_it_out(
    mode: str, percentage: float, arriving: str, leaving: str | None
) -> None:
    """By what the tracestate says, or the end of the trace id, and the threshold says what became of it."""
    left = [span.trace_state for span in spans_in(stage(mode, percentage).run(one_span(arriving)).batch)]

    assert left == ([] if leaving is None else [leaving])


@pytest.mark.parametrize("mode", ["proportional", "equalizing"])
@pytest.mark.parametrize(
    ("trace_id", "arriving", "open"),
    [
        (_ID, "ot=rv:9b8233f7e3a151;th:c", "ot=rv:9b8233f7e3a151;th:0"),
        (_ID, "ot=th:e", "ot=th:0"),
        (_ID, "bad;;", "bad;;"),
        ("00" * 16, "", "ot=th:0"),
    ],
)
def test_what_contradicts_itself_is_an_error(mode: str, trace_id: str, arriving: str, open: str) -> None:
    """`fail_closed` decides, unless the attribute `sampling.priority` has an opinion."""
    batch = one_span(arriving, trace_id)
    text = f"{{mode: {mode}, sampling_percentage: 100}}"

    assert not spans_in(sampler(text).run(batch).batch)
    left = sampler(text.replace("}", ", fail_closed: false}")).run(batch).batch
    assert [span.trace_state for span in spans_in(left)] == [open]
    wanted = one_span(arriving, trace_id, **{"sampling.priority": 1})
    assert len(spans_in(sampler(text).run(wanted).batch)) == 1


def test_a_priority_never_lowers_a_threshold() -> None:
    """That would claim that the span stands for fewer than it does."""
    batch = one_span("ot=th:8", **{"sampling.priority": 1})
    left = stage("proportional", 1).run(batch).batch
    assert [span.trace_state for span in spans_in(left)] == ["ot=th:8"]


def traces(count: int, seed: int) -> SpanBatch:
    """One span each, with random ids."""
    random = Random(seed)
    request = make_request(count)
    for span in request.resource_spans[0].scope_spans[0].spans:
        span.trace_id = random.randbytes(16)
    return receive(request.SerializeToString())


def kept(batch: SpanBatch) -> dict[bytes, str]:
    """The tracestate of each trace."""
    return {span.trace_id: span.trace_state for span in spans_in(batch)}


def threshold(trace_state: str) -> int:
    _, _, digits = trace_state.partition("th:")
    return int(digits.ljust(14, "0"), 16)


def stands_for(trace_state: str) -> Fraction:
    """How many spans one with this tracestate stands for."""
    return Fraction(2**56, 2**56 - threshold(trace_state))


def within_five_sigma(count: int, probability: float, of: int = _TRACES) -> bool:
    """Whether a count is what a fair coin of this probability gives, but for one test in three million."""
    return abs(count - of * probability) <= 5 * math.sqrt(of * probability * (1 - probability))


@pytest.fixture(scope="module")
def many() -> SpanBatch:
    return traces(_TRACES, 1)


@pytest.mark.parametrize("percentage", [0.1, 1, 10, 33.3, 50, 90, 99.9])
def test_the_share_of_traces_is_kept(many: SpanBatch, percentage: float) -> None:
    """Of 200,000, in every mode, and each that stays says so."""
    for mode in ("hash_seed", "proportional", "equalizing"):
        left = kept(stage(mode, percentage).run(many).batch)
        states = set(map(threshold, left.values()))

        assert len(states) == 1
        probability = 1 - states.pop() / 2**56
        assert math.isclose(probability, percentage / 100, rel_tol=0.03)
        assert within_five_sigma(len(left), probability)


def test_what_is_kept_at_a_smaller_share_is_kept_at_a_larger_one(many: SpanBatch) -> None:
    """Two collectors with different shares agree about each trace as far as they can."""
    small, large = (set(kept(stage("equalizing", share).run(many).batch)) for share in (5, 40))
    assert small < large


def test_stages_one_behind_the_other_multiply_or_equalize(many: SpanBatch) -> None:
    """Half of half is a quarter; and whatever services did before, a target is reached and not undercut."""
    half = stage("proportional", 50).run(many).batch
    quarter = kept(stage("proportional", 50).run(half).batch)
    assert set(quarter.values()) == {"ot=th:c"}
    assert set(quarter) == set(kept(stage("equalizing", 25).run(many).batch))
    assert set(quarter) == set(kept(stage("equalizing", 25).run(half).batch))
    assert set(kept(half)) == set(kept(stage("equalizing", 60).run(half).batch))


def test_what_is_kept_stands_for_what_there_was(many: SpanBatch) -> None:
    """Counted by their thresholds, the spans that are left are as many as there were, after two uneven stages."""
    first = stage("proportional", 30).run(many).batch
    second = kept(stage("equalizing", 7).run(first).batch)

    total = sum(map(stands_for, second.values()))

    probability = 1 / float(stands_for(next(iter(second.values()))))
    spread = math.sqrt(_TRACES * (1 - probability) / probability)
    assert abs(float(total) - _TRACES) <= 5 * spread
