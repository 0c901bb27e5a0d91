"""What the Go collector's `spanmetrics` was asked, and what ours is asked: settings of the connector, and spans."""

from __future__ import annotations

from random import Random
from typing import Any, Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span, Status

from collector.testing import key_values

DELTA: Final = "AGGREGATION_TEMPORALITY_DELTA"

ROUTE: Final = {"name": "http.route"}
DEFAULTED: Final = {"name": "tenant", "default": "nobody"}

CASES: Final[dict[str, dict[str, Any]]] = {
    "defaults": {},
    "seconds": {"histogram": {"unit": "s"}},
    "buckets": {"histogram": {"explicit": {"buckets": ["1ms", "5ms", "10ms", "2s"]}}},
    "one bucket": {"histogram": {"explicit": {"buckets": ["7ms"]}}},
    "exponential": {"histogram": {"exponential": {"max_size": 160}}},
    "few exponential buckets": {"histogram": {"exponential": {"max_size": 4}, "unit": "s"}},
    "no histogram": {"histogram": {"disable": True}},
    "dimensions": {"dimensions": [ROUTE, DEFAULTED, {"name": "code"}, {"name": "host.name"}]},
    "globs": {"dimensions": [{"glob": "http.*"}, {"glob": "ho**"}]},
    "calls dimensions": {"calls_dimensions": [ROUTE]},
    "histogram dimensions": {"histogram": {"dimensions": [DEFAULTED]}, "calls_dimensions": [ROUTE]},
    "excluded": {"exclude_dimensions": ["span.name", "status.code", "collector.instance.id"]},
    "all excluded": {
        "exclude_dimensions": ["service.name", "span.name", "span.kind", "status.code", "collector.instance.id"]
    },
    "namespace": {"namespace": "rpc"},
    "no namespace": {"namespace": ""},
    "events": {"events": {"enabled": True, "dimensions": [{"name": "exception.type"}, {"name": "host.name"}]}},
    "events and dimensions": {
        "dimensions": [ROUTE],
        "events": {"enabled": True, "dimensions": [{"name": "exception.type", "default": "none"}]},
    },
    # Of cumulative metrics the Go collector says no values where it has exemplars.
    "exemplars": {"exemplars": {"enabled": True, "max_per_data_point": 2}, "aggregation_temporality": DELTA},
    "resource key": {"resource_metrics_key_attributes": ["service.name"]},
    "sampling method": {"enable_metrics_sampling_method": True},
    "delta": {"aggregation_temporality": DELTA},
    "exponential delta": {"aggregation_temporality": DELTA, "histogram": {"exponential": {}}},
}


def request() -> ExportTraceServiceRequest:
    """Spans of several resources, scopes and kinds, with durations on bounds of buckets and between them."""
    random = Random(5)
    return ExportTraceServiceRequest(
        resource_spans=[
            _resource(random, {"service.name": "shop", "host.name": "a"}, 40),
            _resource(random, {"service.name": "shop", "host.name": "b"}, 10),
            _resource(random, {"host.name": "c"}, 5),
            _resource(random, {"service.name": "till", "service.namespace": "eu", "tenant": "globex"}, 20),
            # The same as the first one.
            _resource(random, {"host.name": "a", "service.name": "shop"}, 5),
        ]
    )


def _resource(random: Random, attributes: dict[str, Any], spans: int) -> ResourceSpans:
    group = ResourceSpans()
    group.resource.attributes.extend(key_values(attributes))
    for name in ("lib.http", "lib.db"):
        scope = group.scope_spans.add()
        scope.scope.name = name
        scope.scope.version = "1.2"
        scope.spans.extend(_span(random) for _ in range(spans // 2))
    return group


def _span(random: Random) -> Span:
    attributes: dict[str, Any] = {"http.request.method": random.choice(("GET", "PUT"))}
    if random.random() < 0.6:
        attributes["http.route"] = random.choice(("/", "/a"))
    if random.random() < 0.4:
        attributes["tenant"] = random.choice(("acme", ""))
    if random.random() < 0.5:
        attributes["code"] = random.choice((200, 500, True, 1.5))
    start = 1_760_000_000_000_000_000 + random.randint(0, 10**9)
    duration = random.choice((-5, 0, 1, 2_000_000, 2_000_001, 7_000_000, 10**9, 15 * 10**9, random.randint(0, 10**10)))
    # What stands for one and a half is left out: it is rounded at random.
    state = random.choice(("", "", "vendor=1", "ot=th:8", "ot=th:0", "ot=rv:9b8233f7e3a151", "ot=th:e", "bad;;"))
    events = [
        Span.Event(name="exception", attributes=key_values({"exception.type": random.choice(("A", "B"))}))
        for _ in range(random.choice((0, 0, 1, 2)))
    ]
    return Span(
        trace_id=random.randbytes(16),
        span_id=random.randbytes(8),
        trace_state=state,
        name=random.choice(("GET /", "GET /", "query")),
        kind=random.choice((Span.SPAN_KIND_SERVER, Span.SPAN_KIND_SERVER, Span.SPAN_KIND_INTERNAL)),
        start_time_unix_nano=start,
        end_time_unix_nano=start + duration,
        attributes=key_values(attributes),
        events=events,
        status=Status(code=random.choice((Status.STATUS_CODE_UNSET, Status.STATUS_CODE_ERROR))),
    )
