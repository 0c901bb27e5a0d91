"""What decides about a trace, as the configuration has it. What it means is the kernel's: `kernel/src/tail`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from collector.config.types import Config
from processors.ottl import ErrorMode

SimpleType = Literal[
    "always_sample",
    "latency",
    "numeric_attribute",
    "probabilistic",
    "status_code",
    "string_attribute",
    "trace_state",
    "trace_flags",
    "rate_limiting",
    "bytes_limiting",
    "span_count",
    "boolean_attribute",
    "ottl_condition",
    "trace_sum",
    "trace_max",
    "trace_count",
]


class LatencyConfig(Config):
    """Traces that took long: from their earliest start to their latest end, in whole milliseconds."""

    threshold_ms: int = 0
    """More than so many milliseconds."""
    upper_threshold_ms: int = 0
    """At most so many; 0 is no bound."""


class NumericAttributeConfig(Config):
    """Traces with an integer attribute in a range, of any span or resource."""

    key: str = ""
    """The attribute."""
    min_value: int = 0
    """The least; 0 is no bound."""
    max_value: int = 0
    """The most; 0 is no bound. What is no integer counts as 0."""
    invert_match: bool = False
    """Sample the others: no span and no resource has such a value."""


class ProbabilisticConfig(Config):
    """A share of the traces, by a hash of their ids."""

    hash_salt: str = ""
    """Goes into the hash. Collectors of one tier need the same, each tier another; without it `default-hash-seed`."""
    sampling_percentage: float = 0.0
    """The share in percent. 100 or more keeps all."""


class StatusCodeConfig(Config):
    """Traces with a span of one of these status codes."""

    status_codes: list[str] = []
    """`OK`, `ERROR`, `UNSET`."""


class StringAttributeConfig(Config):
    """Traces with a string attribute of one of these values, of any span or resource."""

    key: str = ""
    """The attribute."""
    values: list[str] = []
    """What it may be."""
    enabled_regex_matching: bool = False
    """Whether `values` are regular expressions, which may match anywhere in the value."""
    cache_max_size: Annotated[int, Meta(description="without effect")] = 0
    """Taken, without effect: matching costs less here than looking it up."""
    invert_match: bool = False
    """Sample the others: no span and no resource has such a value."""


class TraceStateConfig(Config):
    """Traces with a span whose tracestate has a member of one of these values."""

    key: str = ""
    """The member."""
    values: list[str] = []
    """What it may be, exactly."""


class RateLimitingConfig(Config):
    """As many traces as a rate of spans allows, for this collector."""

    spans_per_second: int = 0
    """The rate."""
    burst_capacity: int = 0
    """How many spans may come at once; 0 is twice the rate. A trace with more never passes."""


class BytesLimitingConfig(Config):
    """As many traces as a rate of bytes allows, for this collector."""

    bytes_per_second: int = 0
    """The rate, in bytes on the wire."""
    burst_capacity: int = 0
    """How many bytes may come at once; 0 is twice the rate. A larger trace never passes."""


class SpanCountConfig(Config):
    """Traces with so many spans."""

    min_spans: int = 0
    """The least."""
    max_spans: int = 0
    """The most; 0 is no bound."""


class BooleanAttributeConfig(Config):
    """Traces with a boolean attribute of this value, of any span or resource."""

    key: str = ""
    """The attribute."""
    value: bool = False
    """What it is. An attribute of another type counts as false."""
    invert_match: bool = False
    """Sample the others: no span and no resource has this value."""


class OttlConditionConfig(Config):
    """Traces for which an OTTL condition is true."""

    error_mode: ErrorMode | None = None
    """What becomes of a condition that cannot be evaluated. `ignore`, `silent`, and without a value: it is false.
    `propagate`: the policy counts as failed for this trace, and others decide."""
    span: list[str] = []
    """Asked of each span. Any that is true samples."""
    spanevent: list[str] = []
    """Asked of each event of each span."""


class TraceNumberConfig(Config):
    """Traces for which the values of an attribute come to a number in a range. Integers and doubles of spans count."""

    key: str = ""
    """The attribute: `gen_ai.usage.output_tokens`."""
    min_value: float | None = None
    """The least."""
    max_value: float | None = None
    """The most."""


class Sections(Config):
    """What all policies have. Of the sections, the one named like the type counts."""

    name: str = ""
    """How it is called in metrics. Policies of the list need different names."""
    latency: LatencyConfig | None = None
    """For `type: latency`."""
    numeric_attribute: NumericAttributeConfig | None = None
    """For `type: numeric_attribute`."""
    probabilistic: ProbabilisticConfig | None = None
    """For `type: probabilistic`."""
    status_code: StatusCodeConfig | None = None
    """For `type: status_code`."""
    string_attribute: StringAttributeConfig | None = None
    """For `type: string_attribute`."""
    trace_state: TraceStateConfig | None = None
    """For `type: trace_state`."""
    rate_limiting: RateLimitingConfig | None = None
    """For `type: rate_limiting`."""
    bytes_limiting: BytesLimitingConfig | None = None
    """For `type: bytes_limiting`."""
    span_count: SpanCountConfig | None = None
    """For `type: span_count`."""
    boolean_attribute: BooleanAttributeConfig | None = None
    """For `type: boolean_attribute`."""
    ottl_condition: OttlConditionConfig | None = None
    """For `type: ottl_condition`."""
    trace_sum: TraceNumberConfig | None = None
    """For `type: trace_sum`: the sum over all spans."""
    trace_max: TraceNumberConfig | None = None
    """For `type: trace_max`: the largest value of all spans."""
    trace_count: TraceNumberConfig | None = None
    """For `type: trace_count`: how many spans have the attribute as a number."""


class SimplePolicy(Sections, kw_only=True):
    """A policy that consists of no others."""

    type: SimpleType
    """What it looks at."""


class NotConfig(Config):
    """The reverse of a policy."""

    not_sub_policy: SimplePolicy
    """The policy."""


class PartPolicy(Sections, kw_only=True):
    """A policy inside `and` or `drop`: a simple one, or the reverse of one."""

    type: Literal[SimpleType, "not"]
    """What it looks at."""
    not_: NotConfig | None = msgspec.field(default=None, name="not")
    """For `type: not`."""


class AndConfig(Config):
    """Traces that all of these policies sample."""

    and_sub_policy: list[PartPolicy] = []
    """The policies."""


class DropConfig(Config):
    """Traces that all of these policies sample are dropped, whatever other policies say."""

    drop_sub_policy: list[PartPolicy] = []
    """The policies."""


class ShareholderPolicy(Sections, kw_only=True):
    """A policy inside `composite`: a simple one, or `and`."""

    type: Literal[SimpleType, "and"]
    """What it looks at."""
    and_: AndConfig | None = msgspec.field(default=None, name="and")
    """For `type: and`."""


class RateAllocationConfig(Config):
    """The share that a policy of a composite has."""

    policy: str = ""
    """The name of the policy."""
    percent: int = 0
    """Its share of `max_total_spans_per_second`; 0 is an equal one."""


class CompositeConfig(Config):
    """A rate of spans, in shares. The first policy that samples a trace decides, as long as its share lasts."""

    max_total_spans_per_second: int = 0
    """The rate, for this collector."""
    policy_order: Annotated[list[str], Meta(description="without effect")] = []
    """Taken, without effect, as in the Go collector: the order is that of `composite_sub_policy`."""
    composite_sub_policy: list[ShareholderPolicy] = []
    """The policies."""
    rate_allocation: list[RateAllocationConfig] = []
    """Their shares. Who is not mentioned has an equal one."""


class Policy(Sections, kw_only=True):
    """A policy of the list."""

    type: Literal[SimpleType, "and", "not", "drop", "composite"]
    """What it looks at."""
    and_: AndConfig | None = msgspec.field(default=None, name="and")
    """For `type: and`."""
    not_: NotConfig | None = msgspec.field(default=None, name="not")
    """For `type: not`."""
    drop: DropConfig | None = None
    """For `type: drop`."""
    composite: CompositeConfig | None = None
    """For `type: composite`."""
