"""The processors of this distribution."""

FACTORIES: dict[str, str] = {
    "attributes": "processors.attributes:AttributesProcessor",
    "batch": "processors.batch:BatchProcessor",
    "filter": "processors.filter:FilterProcessor",
    "gen_ai_cost": "processors.gen_ai_cost:GenAiCostProcessor",
    "groupbytrace": "processors.groupbytrace:GroupbytraceProcessor",
    "memory_limiter": "processors.memory_limiter:MemoryLimiterProcessor",
    "probabilistic_sampler": "processors.probabilistic_sampler:ProbabilisticSamplerProcessor",
    "redaction": "processors.redaction:RedactionProcessor",
    "resource": "processors.resource:ResourceProcessor",
    "span": "processors.span:SpanProcessor",
    "tail_sampling": "processors.tail_sampling:TailSamplingProcessor",
    "transform": "processors.transform:TransformProcessor",
}
"""Type → lazy reference `module:Class`."""
