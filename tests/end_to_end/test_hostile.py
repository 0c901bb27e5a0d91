"""A bounded part of what `make chaos` sends: mutated requests and connections, beside a client that is honest."""

from random import Random

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from testbed.hostile.attack import attack
from testbed.hostile.connections import connection
from testbed.hostile.frames import PREFACE
from testbed.hostile.mutations import mutate, spans
from testbed.hostile.samples import samples


def test_survives_hostile_clients() -> None:
    """Every answer is right and counted, nothing grows, nobody else waits, and the end is clean."""
    report = attack(20_000, 3000, seed=7)

    assert report.findings == []
    assert report.tally.requests == 20_000
    assert report.connections == 3000
    assert min(report.tally.accepted, report.tally.malformed, report.tally.garbled, report.honest.accepted) > 0
    assert report.passed > 0


def test_mutations_follow_from_the_seed() -> None:
    """What was found can be found again."""
    first, second = ([mutate(samples()[2], Random(5)), connection(samples()[2], Random(5))] for _ in range(2))

    assert first == second


def test_counts_spans_as_protobuf_does() -> None:
    """The oracle of the attack is right about what protobuf can read."""
    chance, compared = Random(3), 0
    for _ in range(2000):
        data = mutate(samples()[2], chance)
        try:
            request = ExportTraceServiceRequest.FromString(data)
        except DecodeError:
            continue
        compared += 1
        scopes = [scope for group in request.resource_spans for scope in group.scope_spans]
        assert spans(data) == sum(len(scope.spans) for scope in scopes)

    assert compared > 200


def test_connections_are_of_both_protocols() -> None:
    """Most speak HTTP/2, some HTTP/1.1."""
    made = [connection(samples()[0], Random(number)) for number in range(300)]

    assert sum(data.startswith(PREFACE) for data in made) > 100
    assert any(b"Transfer-Encoding" in data for data in made)
