"""Whether the testbed sees what is wrong: collectors with a vice each, and a sink that has bad days."""

import errno
from pathlib import Path

import pytest
from testbed_loads import measured, scenario, spec, subject

from testbed.measuring import measurement as measuring
from testbed.results import Spans, Status
from testbed.scenarios import Action, Limits
from testbed.subjects import SUBJECTS


def _checks(vice: str, directory: Path, **changes: object) -> tuple[set[str], Spans]:
    found = measured(subject(vice, directory), spec(scenario(), **changes), directory)
    assert found.status == Status.OK, found.reason
    assert found.spans
    return {finding.check for finding in found.findings}, found.spans


def test_finds_nothing_wrong_with_an_honest_collector(tmp_path: Path) -> None:
    """What is offered is accepted and delivered once, and everything about the process is known."""
    found = measured(subject("none", tmp_path), spec(scenario()), tmp_path)

    assert found.status == Status.OK, found.reason
    assert not found.findings
    assert found.spans == Spans(
        offered=1200,
        accepted=1200,
        delivered=1200,
        **dict.fromkeys(
            ("refused", "unanswered", "unsent", "duplicated", "dropped", "lost", "wrongly_kept", "leaked", "foreign"), 0
        ),
    )
    assert found.answers == {"OK": 100}
    assert found.cost
    assert found.cost.spans == 1000
    assert found.memory
    assert 10 < found.memory.idle <= found.memory.max
    assert found.startup_seconds
    assert found.acknowledgement
    assert found.acknowledgement.count == 100
    assert found.end_to_end
    assert found.end_to_end.count == 1000
    assert sum(sample.offered for sample in found.series) == pytest.approx(1200 / 0.25, rel=0.1)


def test_catches_a_collector_that_loses(tmp_path: Path) -> None:
    """Every tenth acknowledged request never arrives."""
    checks, spans = _checks("loses", tmp_path)

    assert checks == {"lost"}
    assert spans.lost == 120
    assert spans.delivered == spans.accepted - 120


def test_catches_a_collector_that_repeats(tmp_path: Path) -> None:
    """Every tenth request arrives twice, and counts once as delivered."""
    checks, spans = _checks("repeats", tmp_path)

    assert checks == {"duplicated"}
    assert (spans.delivered, spans.duplicated, spans.lost) == (1200, 120, 0)


def test_catches_a_collector_that_damages(tmp_path: Path) -> None:
    """A span whose id was overwritten is one that nobody sent, and the one that was sent is lost."""
    checks, spans = _checks("damages", tmp_path)

    assert checks == {"foreign", "lost"}
    assert (spans.foreign, spans.lost) == (12, 12)


def test_catches_a_collector_that_hoards(tmp_path: Path) -> None:
    """A mebibyte more for each request is a trend."""
    limits = Limits(growth=16.0)
    found = measured(subject("hoards", tmp_path), spec(scenario(limits=limits), seconds=3.0), tmp_path)

    assert [finding.check for finding in found.findings] == ["memory"]
    assert found.memory
    assert found.memory.slope / 60 == pytest.approx(100, rel=0.3)


def test_catches_a_collector_that_dawdles(tmp_path: Path) -> None:
    """Three tenths of a second for each request are seen in every percentile, on both ways."""
    found = measured(subject("dawdles", tmp_path), spec(scenario(limits=Limits(p99_ms=250.0))), tmp_path)

    assert [finding.check for finding in found.findings] == ["latency"]
    assert found.acknowledgement
    assert found.acknowledgement.p50 >= 300
    assert found.end_to_end
    assert found.end_to_end.p50 >= 300


def test_refusing_is_not_losing(tmp_path: Path) -> None:
    """What a collector refuses, its client knows: it is counted, by the name of the answer."""
    found = measured(subject("refuses", tmp_path), spec(scenario()), tmp_path)

    assert [finding.check for finding in found.findings] == ["goodput"]
    assert found.spans
    assert (found.spans.refused, found.spans.lost) == (120, 0)
    assert found.answers["UNAVAILABLE"] == 10


def test_catches_what_a_pipeline_should_have_dropped_or_removed(tmp_path: Path) -> None:
    """A collector that does nothing keeps health checks and half of the traces too many, and secrets."""
    checks, spans = _checks("none", tmp_path, pipeline="chain")

    assert checks == {"wrongly_kept", "leaked"}
    assert spans.lost == 0
    assert 0.4 * spans.accepted < spans.wrongly_kept < 0.7 * spans.accepted
    assert spans.leaked > 0


@pytest.mark.parametrize(
    ("vice", "status", "reason", "line"),
    [
        ("never starts", Status.FAILED, "it ended with status 1", "error: the configuration is not to my taste"),
        ("dies", Status.FAILED, "it ended with status 3", "fatal: out of patience"),
        ("finds its port taken", Status.INVALID, "somebody else took the port", ""),
    ],
)
def test_says_why_there_are_no_figures(vice: str, status: Status, reason: str, line: str, tmp_path: Path) -> None:
    """A collector that ends is shown with its last lines; a port that somebody took is nobody's fault."""
    found = measured(subject(vice, tmp_path), spec(scenario()), tmp_path)

    assert found.status == status
    assert reason in found.reason
    assert found.log[-1:] == ([line] if line else [])
    assert found.spans is None


def test_a_full_disk_is_the_testbeds_own_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine runs out of says nothing about a subject."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(measuring, "stage", full)
    found = measured(subject("none", tmp_path), spec(scenario()), tmp_path)

    assert found.status == Status.INVALID
    assert "No space left on device" in found.reason


@pytest.mark.parametrize("in_flight", [256, 8])
def test_latency_counts_from_when_a_request_was_due(in_flight: int, tmp_path: Path) -> None:
    """A sink that stalls for one of three seconds delays a third of the requests, by half a second on average.

    That holds as well where most of them cannot even be sent, since enough are on the way: a generator that measured
    from when it sends would see 8 slow requests of 600 there, and a p90 of a few milliseconds.
    """
    stall = (Action(1 / 3, "stall", {"mood": "hang"}), Action(2 / 3, "go on", {"mood": "well"}))
    load = spec(scenario(*stall, in_flight=in_flight), requests_per_second=200, seconds=3.0)

    found = measured(None, load, tmp_path)

    assert found.status == Status.OK, found.reason
    latency = found.acknowledgement
    assert latency
    assert latency.count == 600
    assert 0.95e3 < latency.max < 1.3e3
    assert 0.5e3 < latency.p90 < 1.0e3
    assert latency.p50 < 0.3e3
    assert found.spans
    assert found.spans.lost == found.spans.unsent == 0


def test_a_sink_can_refuse(tmp_path: Path) -> None:
    """Half of the requests, evenly, with the status it was told."""
    mood = {"mood": "refuse", "status": "resource_exhausted", "share": 0.5, "retry_after_ms": 1500}
    found = measured(None, spec(scenario(Action(0.0, "refuse", mood))), tmp_path)

    assert found.answers["RESOURCE_EXHAUSTED"] == pytest.approx(50, abs=5)
    assert found.spans
    assert found.spans.refused == 10 * found.answers["RESOURCE_EXHAUSTED"]
    assert found.spans.lost == 0


def test_a_sink_can_die_and_come_back(tmp_path: Path) -> None:
    """What was due meanwhile waits for the connection to come back, and arrives then."""
    actions = (Action(0.3, "dead", {"mood": "dead"}), Action(0.6, "back", {"mood": "well"}))
    found = measured(None, spec(scenario(*actions), seconds=2.0), tmp_path)

    assert found.spans
    assert found.spans.lost == 0
    assert found.spans.accepted + found.spans.unanswered == found.spans.offered
    assert found.spans.unanswered <= 40, "a request or two were on the way when it died"
    assert found.acknowledgement
    assert 400 < found.acknowledgement.max < 1000
    assert [event.what for event in found.events] == ["dead", "back"]


@pytest.mark.parametrize(
    ("protocol", "compression"), [("http", "none"), ("http", "gzip"), ("grpc", "gzip"), ("grpc", "zstd")]
)
def test_speaks_http_and_compresses(protocol: str, compression: str, tmp_path: Path) -> None:
    """Each protocol and compression brings every span."""
    found = measured(None, spec(scenario(in_flight=8), protocol=protocol, compression=compression), tmp_path)

    assert found.status == Status.OK, found.reason
    assert found.spans
    assert found.spans.delivered == found.spans.offered == 1200
    assert found.answers == {"OK": 100}


def test_a_closed_loop_goes_as_fast_as_it_is_answered(tmp_path: Path) -> None:
    """The next request leaves when one is answered, and nothing is left when the time is over."""
    found = measured(None, spec(scenario(base="saturation", in_flight=16)), tmp_path)

    assert found.target_rate is None
    assert found.spans
    assert found.spans.offered == found.spans.accepted == found.spans.delivered
    assert found.accepted_rate > 5000


@pytest.mark.parametrize("protocol", ["grpc-tls", "http-tls", "json"])
def test_speaks_tls_and_json_to_a_collector(protocol: str, tmp_path: Path) -> None:
    """Every span arrives, with its id, from a collector that takes them: the sink alone takes neither."""
    load = spec(scenario(in_flight=8), protocol=protocol)
    found = measured(SUBJECTS["spanmill"], load, tmp_path)

    assert found.status == Status.OK, found.reason
    assert found.spans
    assert found.spans.delivered == found.spans.offered == 1200
    assert found.answers == {"OK": 100}
    assert measured(None, load, tmp_path).status == Status.ABSENT
