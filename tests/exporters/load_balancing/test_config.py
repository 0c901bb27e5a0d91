"""What the settings of `load_balancing` refuse, and what they mean."""

from __future__ import annotations

import pytest
from yaml_sections import section

from collector.errors import ConfigError
from collector.pipeline import build
from collector.testing import configure
from exporters.load_balancing.config import LoadBalancingConfig, endpoint_of

STATIC = "resolver: {static: {hostnames: [a]}}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "resolver: is required"),
        ("resolver: {}", "resolver: there must be one resolver: static or dns"),
        (
            "resolver: {static: {hostnames: [a]}, dns: {hostname: b}}",
            "resolver::dns: there must be one resolver, and static is there already",
        ),
        ("resolver: {static: }", "resolver::static::hostnames: is required"),
        ("resolver: {static: {hostnames: []}}", "resolver::static::hostnames: must not be empty"),
        (
            "resolver: {static: {hostnames: [a, 'b:0']}}",
            "resolver::static::hostnames[1]: must be host:port, such as backend:4317, got 'b:0'",
        ),
        (
            "resolver: {static: {hostnames: ['xds:///b']}, }\nprotocol: {otlp: {engine: native}}",
            "resolver::static::hostnames[0]: the native engine does not know xds: use grpcio",
        ),
        ("resolver: {dns: }", "resolver::dns::hostname: is required"),
        ("resolver: {dns: {hostname: ''}}", "resolver::dns::hostname: must not be empty"),
        (
            "resolver: {dns: {hostname: a, port: https}}",
            "resolver::dns::port: must be a number from 1 to 65535, got 'https'",
        ),
        (
            "resolver: {dns: {hostname: a, port: '70000'}}",
            "resolver::dns::port: must be a number from 1 to 65535, got '70000'",
        ),
        ("resolver: {dns: {hostname: a, interval: -1s}}", "resolver::dns::interval: must be 0 or more, got -1s"),
        ("resolver: {dns: {hostname: a, timeout: -1s}}", "resolver::dns::timeout: must be 0 or more, got -1s"),
        (
            "resolver: {k8s: {service: a}}",
            "resolver::k8s: not supported: there are static and dns; use dns with the name of a headless service",
        ),
        (
            "resolver: {aws_cloud_map: {namespace: a, service_name: b}}",
            "resolver::aws_cloud_map: not supported: there are static and dns; use dns with the service's name",
        ),
        (
            f"{STATIC}\nrouting_key: streamID",
            "routing_key: must be one of traceID, service, attributes, got 'streamID'",
        ),
        (f"{STATIC}\nrouting_key: attributes", "routing_attributes: is required with routing_key: attributes"),
        (
            f"{STATIC}\nrouting_attributes: [a]",
            "routing_attributes: has a meaning with routing_key: attributes only",
        ),
        (f"{STATIC}\nfailover: {{after: -1s}}", "failover::after: must be 0 or more, got -1s"),
        (f"{STATIC}\nfailover: {{retry_interval: 0s}}", "failover::retry_interval: must be more than 0, got 0s"),
        (f"{STATIC}\ntimeout: -1s", "timeout: must be 0 or more, got -1s"),
        (
            f"{STATIC}\nprotocol: {{otlp: {{compression: brotli}}}}",
            "protocol::otlp::compression: must be one of",
        ),
        (f"{STATIC}\nprotocol: {{otlp: {{timeout: -1s}}}}", "protocol::otlp::timeout: must be 0 or more, got -1s"),
    ],
)
def test_refuses(text: str, message: str) -> None:
    """The report names the option and what would be right."""
    with pytest.raises(ConfigError) as caught:
        section(LoadBalancingConfig, text)

    assert message in str(caught.value)


def test_takes_the_go_collectors_configuration() -> None:
    """Options that stand in examples of the Go collector work as they are."""
    config = section(
        LoadBalancingConfig,
        """
        routing_key: "service"
        protocol:
          otlp:
            endpoint: is.replaced:1
            timeout: 1s
            tls: {insecure: true}
        resolver:
          dns: {hostname: backends.example.com, port: "4318", interval: 0s}
        """,
    )

    assert config.key_attributes == ["service.name"]
    assert config.resolver.dns is not None
    assert (config.resolver.dns.interval, config.resolver.dns.timeout) == (5, 1)
    assert config.backend("10.0.0.1:4318").endpoint == "10.0.0.1:4318"
    assert config.backend("10.0.0.1:4318").plaintext


@pytest.mark.parametrize(
    ("name", "endpoint"),
    [
        ("sampling-1", "sampling-1:4317"),
        ("sampling-1:5317", "sampling-1:5317"),
        ("10.0.0.1", "10.0.0.1:4317"),
        ("[fe80::1]", "[fe80::1]:4317"),
        ("[fe80::1]:5317", "[fe80::1]:5317"),
        ("unix:///run/backend.sock", "unix:///run/backend.sock"),
    ],
)
def test_a_port_may_be_missing(name: str, endpoint: str) -> None:
    """It is 4317 then."""
    assert endpoint_of(name) == endpoint


@pytest.mark.parametrize(
    ("above", "below", "queue_size", "retries"),
    [
        ("", "", 1000, True),
        ("sending_queue: {queue_size: 7}", "", 7, True),
        ("", "sending_queue: {queue_size: 8}", 8, True),
        ("sending_queue: {queue_size: 7}", "sending_queue: {queue_size: 8}", 7, True),
        ("sending_queue: {queue_size: 7}", "sending_queue: {enabled: false}", 7, True),
        ("sending_queue: {enabled: false}", "sending_queue: {enabled: false}", None, True),
        ("", "retry_on_failure: {enabled: false}", 1000, False),
        ("retry_on_failure: {initial_interval: 1s}", "retry_on_failure: {enabled: false}", 1000, True),
    ],
)
def test_queue_and_retries_stand_before_the_ring(above: str, below: str, queue_size: int | None, retries: bool) -> None:
    """Those of the exporter itself, or those that the Go collector has for each backend."""
    config = section(LoadBalancingConfig, f"{STATIC}\n{above}\nprotocol: {{otlp: {{{below}}}}}")

    assert (config.sending_queue and config.sending_queue.queue_size) == queue_size
    assert config.retry_on_failure.enabled is retries


@pytest.mark.parametrize("type_", ["load_balancing", "loadbalancing"])
def test_has_two_names(type_: str) -> None:
    """The Go collector renamed it."""
    configure(
        f"""
        receivers: {{feed: }}
        exporters: {{{type_}: {{{STATIC}}}}}
        service: {{pipelines: {{traces: {{receivers: [feed], exporters: [{type_}]}}}}}}
        """
    )


def test_names_the_extension_that_it_needs() -> None:
    """The report leads to the option below the protocol."""
    config = configure(
        f"""
        receivers: {{feed: }}
        exporters: {{load_balancing: {{{STATIC}, protocol: {{otlp: {{auth: {{authenticator: nobody}}}}}}}}}}
        service: {{pipelines: {{traces: {{receivers: [feed], exporters: [load_balancing]}}}}}}
        """
    )

    with pytest.raises(ConfigError, match=r"protocol::otlp::auth::authenticator: .*'nobody'"):
        build(config)
