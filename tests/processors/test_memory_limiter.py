"""When memory is given back, and when spans are refused."""

import logging

import pytest

from collector.config.types import Duration, FieldError
from collector.errors import RetryableError
from collector.testing import Sink, StubHost, make_spans, settings, until
from processors.memory_limiter import Limiter, Limits, MemoryLimiterConfig, MemoryLimiterProcessor

MIB = 1 << 20
SECOND = Duration(1)


def config(**options: object) -> MemoryLimiterConfig:
    return MemoryLimiterConfig(**{"check_interval": SECOND, "limit_mib": 100, **options})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "hard", "soft"),
    [
        ({}, 100, 80),
        ({"spike_limit_mib": 30}, 100, 70),
        ({"limit_mib": 0, "limit_percentage": 50}, 200, 160),
        ({"limit_mib": 0, "limit_percentage": 50, "spike_limit_percentage": 10}, 200, 160),
        ({"limit_percentage": 50}, 100, 80),
    ],
)
def test_limits(options: dict[str, object], hard: int, soft: int) -> None:
    """The soft limit is a fifth below the hard one unless it is said otherwise; MiB win over a percentage."""
    limits = Limits.of(config(**options), 400 * MIB)

    assert (limits.hard, limits.soft) == (hard * MIB, soft * MIB)


def limiter(**options: object) -> Limiter:
    return Limiter(config(**options), Limits(hard=100, spike=20))


def test_refuses_above_the_soft_limit() -> None:
    """The soft limit itself is still fine. Only changes are news."""
    subject = limiter()

    assert [(subject.judge(used), subject.refusing) for used in (80, 81, 200, 80)] == [
        (False, False),
        (True, True),
        (False, True),
        (True, False),
    ]


def test_trims_no_more_often_than_the_interval() -> None:
    """Ten seconds above the soft limit, always above the hard one."""
    subject = limiter()
    assert not subject.wants_trim(80, now=0.0)
    assert subject.wants_trim(90, now=0.0)
    subject.trimmed(90, 60, now=0.0)

    assert not subject.wants_trim(90, now=9.9)
    assert subject.wants_trim(90, now=10.0)
    assert subject.wants_trim(101, now=0.1)


def test_backs_off_while_trimming_brings_nothing() -> None:
    """The gap doubles up to the maximum, and is forgotten when memory is free again."""
    subject = limiter()
    subject.trimmed(110, 109, now=0.0)
    assert not subject.wants_trim(110, now=1.8)
    assert subject.wants_trim(110, now=1.9)

    for _ in range(10):
        subject.trimmed(110, 109, now=100.0)
    assert not subject.wants_trim(110, now=129.9)
    assert subject.wants_trim(110, now=130.0)

    subject.wants_trim(50, now=101.0)
    assert subject.wants_trim(110, now=101.0)


def test_back_off_can_be_switched_off() -> None:
    """A maximum of 0 trims at every look above the hard limit."""
    subject = limiter(max_gc_interval_when_hard_limited=Duration(0), max_gc_interval_when_soft_limited=Duration(0))
    subject.trimmed(110, 110, now=0.0)

    assert subject.wants_trim(110, now=0.1)


class Memory:
    """Memory that a test sets."""

    def __init__(self, used: int) -> None:
        self.used = used
        self.freed = 0
        self.trims = 0

    def measure(self) -> int:
        return self.used

    def trim(self) -> None:
        self.trims += 1
        self.used -= self.freed


def processor(memory: Memory, sink: Sink, **options: object) -> MemoryLimiterProcessor:
    return MemoryLimiterProcessor(config(**options), settings(), sink, memory.measure, memory.trim)


async def test_refuses_until_memory_is_back(caplog: pytest.LogCaptureFixture) -> None:
    """Refusing tells the client when to come back, and each episode is logged once."""
    caplog.set_level(logging.INFO)
    memory, sink = Memory(90 * MIB), Sink()
    subject = processor(memory, sink)
    await subject.start(StubHost())

    for _ in range(3):
        with pytest.raises(RetryableError, match="data refused due to high memory usage") as caught:
            await subject.consume(make_spans(2))
    memory.used = 10 * MIB
    subject.check()
    await subject.consume(make_spans(3))
    await subject.shutdown()

    assert caught.value.retry_after == 1.0
    assert len(sink) == 3
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("INFO", "memory limits"),
        ("WARNING", "memory is above the soft limit, spans are refused"),
        ("INFO", "memory is back within its limits, spans are accepted"),
    ]
    assert (subject.settings.account.taken, subject.settings.account.passed_on) == (3, 3)


async def test_gives_memory_back_before_it_refuses() -> None:
    """What the allocator kept is no reason to refuse."""
    memory, sink = Memory(90 * MIB), Sink()
    memory.freed = 50 * MIB
    subject = processor(memory, sink)
    await subject.start(StubHost())

    await subject.consume(make_spans(1))
    await subject.shutdown()

    assert (memory.trims, len(sink)) == (1, 1)


async def test_looks_at_memory_regularly() -> None:
    """Nobody has to send anything for the limiter to notice."""
    memory = Memory(10 * MIB)
    subject = processor(memory, Sink(), check_interval=Duration(0.001))
    await subject.start(StubHost())
    memory.used = 90 * MIB

    await until(lambda: memory.trims)
    await subject.shutdown()

    with pytest.raises(RetryableError):
        await subject.consume(make_spans(1))


async def test_a_burst_does_not_wait_for_the_next_look() -> None:
    """After a spike's worth of bytes memory is looked at in between."""
    memory = Memory(10 * MIB)
    subject = processor(memory, Sink(), limit_mib=11, spike_limit_mib=1, check_interval=Duration(3600))
    batch = make_spans(2000, attributes={"text": "x" * 1000})
    assert batch.pinned > MIB
    await subject.start(StubHost())

    await subject.consume(batch)
    memory.used = 12 * MIB

    with pytest.raises(RetryableError):
        await subject.consume(batch)
    await subject.shutdown()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"check_interval": Duration(0)}, "check_interval: must be greater than 0, such as 1s"),
        ({"limit_mib": 0}, "limit_mib: set limit_mib or limit_percentage"),
        ({"spike_limit_mib": 100}, "spike_limit_mib: must be smaller than limit_mib 100, got 100"),
        (
            {"limit_percentage": 50, "spike_limit_percentage": 60},
            "spike_limit_percentage: must be smaller than limit_percentage 50, got 60",
        ),
        ({"limit_percentage": 101}, "limit_percentage: must be from 1 to 100, got 101"),
        (
            {"min_gc_interval_when_hard_limited": Duration(20)},
            "min_gc_interval_when_soft_limited: must be at least min_gc_interval_when_hard_limited 20s",
        ),
        (
            {"max_gc_interval_when_soft_limited": Duration(20)},
            "max_gc_interval_when_soft_limited: must be at least max_gc_interval_when_hard_limited 30s, or 0",
        ),
        (
            {"max_gc_interval_when_soft_limited": Duration(9)},
            "max_gc_interval_when_soft_limited: must be at least min_gc_interval_when_soft_limited 10s, or 0",
        ),
        (
            {"max_gc_interval_when_hard_limited": Duration(-1)},
            "max_gc_interval_when_hard_limited: must be 0 or more, got -1s",
        ),
    ],
)
def test_refuses(options: dict[str, object], message: str) -> None:
    """Each of these is a mistake, and the message names the field."""
    with pytest.raises(FieldError) as caught:
        config(**options)

    assert str(caught.value) == message
