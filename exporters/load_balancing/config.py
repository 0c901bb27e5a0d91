"""Settings of the `load_balancing` exporter, spelt as in the Go collector, and what they mean for queue and retries."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta
from msgspec.structs import force_setattr, replace

from collector.config.types import Config, Duration, FieldError, Section
from collector.sending.config import LocalSendingConfig, QueueConfig, RetryConfig
from exporters.otlp_grpc import OtlpGrpcConfig

DEFAULT_PORT = 4317

_INTERVAL = Duration.parse("5s")
_TIMEOUT = Duration.parse("1s")


class StaticConfig(Config):
    """Backends that stay as they are."""

    hostnames: Annotated[list[str], Meta(min_length=1)]
    """Where the backends are: `host` or `host:port`. Their order does not matter."""


class DnsConfig(Config):
    """Backends as a name stands for them: one for each of its addresses."""

    hostname: Annotated[str, Meta(min_length=1)]
    """The name, such as that of a headless service."""
    port: str = ""
    """The port of all backends, as text; without it 4317."""
    interval: Duration = _INTERVAL
    """How often the name is looked up; 0 stands for 5s."""
    timeout: Duration = _TIMEOUT
    """How long a look-up may take; 0 stands for 1s. One that fails changes nothing."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say."""
        if self.port and not (self.port.isascii() and self.port.isdigit() and 0 < int(self.port) < 65536):
            raise FieldError("port", f"must be a number from 1 to 65535, got {self.port!r}")
        for field, usual in (("interval", _INTERVAL), ("timeout", _TIMEOUT)):
            if getattr(self, field) < 0:
                raise FieldError(field, f"must be 0 or more, got {getattr(self, field)}")
            if not getattr(self, field):
                force_setattr(self, field, usual)


class ResolverConfig(Config):
    """Who knows the backends. There is one of these."""

    static: Section[StaticConfig] = None
    """Backends that stay as they are."""
    dns: Section[DnsConfig] = None
    """Backends as a name stands for them."""
    k8s: Any = None
    """Not supported: use `dns` with the name of a headless service."""
    aws_cloud_map: Any = None
    """Not supported: use `dns` with the name that the service has in the namespace."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say."""
        instead = {"k8s": "the name of a headless service", "aws_cloud_map": "the service's name in its namespace"}
        for name, what in instead.items():
            if getattr(self, name) is not None:
                raise FieldError(name, f"not supported: there are static and dns; use dns with {what}")
        if self.static and self.dns:
            raise FieldError("dns", "there must be one resolver, and static is there already")


class ProtocolConfig(Config):
    """How to speak to backends."""

    otlp: OtlpGrpcConfig = OtlpGrpcConfig(endpoint=f"backend:{DEFAULT_PORT}")
    """The settings of an `otlp_grpc` exporter, for every backend; `endpoint` is replaced by where the backend is.
    `timeout` bounds an attempt at one backend. The queue and the retries that stand here work before the backends are
    told apart, unless the exporter has some of its own."""


class FailoverConfig(Config):
    """When others take the share of a backend that takes nothing any more."""

    after: Duration = Duration.parse("10s")
    """How long nothing must have got through to a backend before it counts as away."""
    retry_interval: Duration = Duration.parse("5s")
    """How often a backend that is away gets something of its share, to see whether it is back."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say."""
        if self.after < 0:
            raise FieldError("after", f"must be 0 or more, got {self.after}")
        if self.retry_interval <= 0:
            raise FieldError("retry_interval", f"must be more than 0, got {self.retry_interval}")


class LoadBalancingConfig(LocalSendingConfig, kw_only=True):
    """Settings of the `load_balancing` exporter."""

    routing_key: Literal["traceID", "service", "attributes", ""] = "traceID"
    """What decides where a span goes: `traceID`, `service` (the `service.name` of its resource), or `attributes`."""
    routing_attributes: list[str] = []
    """With `attributes`: whose values together are the key. Each is looked for in the resource, then in the scope, then
    in the span; `span.kind` and `span.name` are what they say. One that is nowhere counts as empty."""
    protocol: ProtocolConfig = ProtocolConfig()
    """How to speak to backends."""
    resolver: ResolverConfig
    """Who knows the backends: `static` or `dns`."""
    retry_on_failure: Section[RetryConfig] = None
    """When what a backend did not take is sent again, to whoever it belongs to then. Where it is off here, that of
    `protocol::otlp` says so, which is on."""
    sending_queue: Section[QueueConfig] = None
    """The queue before the backends. Where it is off here, that of `protocol::otlp` stands there, which is on."""
    failover: Section[FailoverConfig] = None
    """Let those that come next on the ring take the share of a backend that is away; off unless the section is there.
    The Go collector does not have this."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say, and move queue and retries before the ring."""
        super().__post_init__()
        if self.routing_key == "attributes" and not self.routing_attributes:
            raise FieldError("routing_attributes", "is required with routing_key: attributes")
        if self.routing_key != "attributes" and self.routing_attributes:
            raise FieldError("routing_attributes", "has a meaning with routing_key: attributes only")
        if self.resolver.static is None and self.resolver.dns is None:
            raise FieldError("resolver", "there must be one resolver: static or dns")
        for index, name in enumerate(self.resolver.static.hostnames if self.resolver.static else ()):
            try:
                self.backend(endpoint_of(name))
            except FieldError as error:
                raise FieldError(f"resolver::static::hostnames[{index}]", error.message) from error
        # What waits for a backend behind the ring is lost when the backend goes. Before it, it finds another one.
        otlp = self.protocol.otlp
        if self.sending_queue is None:
            force_setattr(self, "sending_queue", otlp.sending_queue)
        if not (self.retry_on_failure and self.retry_on_failure.enabled):
            force_setattr(self, "retry_on_failure", otlp.retry_on_failure)

    @property
    def key_attributes(self) -> list[str] | None:
        """The attributes that spans are routed by; `None` if it is their trace id."""
        if self.routing_key == "service":
            return ["service.name"]
        return self.routing_attributes or None

    def backend(self, endpoint: str) -> OtlpGrpcConfig:
        """Give the settings of the exporter to one backend. Raises `FieldError`."""
        return replace(self.protocol.otlp, endpoint=endpoint)


def endpoint_of(name: str) -> str:
    """Say where the backend of this name is: the port may be missing."""
    return f"{name}:{DEFAULT_PORT}" if ":" not in name or name.endswith("]") else name
