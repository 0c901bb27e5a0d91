"""What traces are put together from: services, scopes, and drafts of spans, which know their children.

    server = Draft(HTTP, "GET /v1/orders/{id}", SERVER, {"http.route": "/v1/orders/{id}"}, ms=4)
    query = server.child(SQL, "SELECT orders", CLIENT, {"db.system.name": "postgresql"}, ms=12)
    yield Trace(CHECKOUT, server)

A draft has neither ids nor times; it says how long it takes. A parent takes at least as long as its children.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Final

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from collector.testing import Attribute
from testbed.profiles import people

INTERNAL: Final = Span.SPAN_KIND_INTERNAL
SERVER: Final = Span.SPAN_KIND_SERVER
CLIENT: Final = Span.SPAN_KIND_CLIENT


@dataclass(frozen=True, slots=True)
class Scope:
    """An instrumentation library."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Service:
    """A program that exports spans."""

    name: str
    version: str
    language: str
    sdk: str
    """The version of the SDK."""

    def resource(self, random: Random) -> dict[str, Attribute]:
        """The 12 attributes of one process of the service, in one of its pods."""
        replica_set, pod = people.hexadecimal(random, 5), people.hexadecimal(random, 3)[:5]
        node = f"node-{random.randint(1, 40)}.eu-central.example"
        return {
            "service.name": self.name,
            "service.namespace": "shop",
            "service.version": self.version,
            "service.instance.id": people.uuid(random),
            "telemetry.sdk.name": "opentelemetry",
            "telemetry.sdk.language": self.language,
            "telemetry.sdk.version": self.sdk,
            "host.name": node,
            "k8s.namespace.name": "shop-production",
            "k8s.deployment.name": self.name,
            "k8s.pod.name": f"{self.name}-{replica_set}-{pod}",
            "k8s.node.name": node,
        }


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened during a span: at its start for `at=0`, at its end for `at=1`."""

    name: str
    attributes: dict[str, Attribute]
    at: float


@dataclass(slots=True, eq=False)
class Draft:
    """A span, before it has ids and times."""

    scope: Scope
    name: str
    kind: Span.SpanKind.ValueType
    attributes: dict[str, Attribute]
    ms: float
    """How long it takes, if its children do not take longer."""
    parent_is_foreign: bool = False
    """A root's parent is a span of another service, which exports it elsewhere."""
    error: str | None = None
    """The message of its status, which is an error then."""
    children: list[Draft] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    links: list[Draft] = field(default_factory=list)
    """Other drafts of the same trace."""

    def child(
        self, scope: Scope, name: str, kind: Span.SpanKind.ValueType, attributes: dict[str, Attribute], *, ms: float
    ) -> Draft:
        """Add a child, which ends after the children that were added before."""
        draft = Draft(scope, name, kind, attributes, ms)
        self.children.append(draft)
        return draft

    def fail(self, type: str, message: str, stack_trace: str = "") -> None:
        """End with an error, and with an exception if there is a stack trace."""
        self.error = message
        self.attributes["error.type"] = type
        if stack_trace:
            attributes: dict[str, Attribute] = {
                "exception.type": type,
                "exception.message": message,
                "exception.stacktrace": stack_trace,
            }
            self.events.append(Event("exception", attributes, at=0.95))


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """What one process knows of one trace."""

    service: Service
    root: Draft
