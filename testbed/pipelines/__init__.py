"""What subjects do with spans: a folder for each pipeline, with a file for each subject that configures it.

A file `SUBJECT.yaml` has the semantics that all subjects share: the same processors, batches, queues and compression. A
file `SUBJECT.recommended.yaml` is what the makers of the subject recommend. Both may refer to the variables of
`testbed.subjects.base.Ports`. A subject without a file is reported as absent from that pipeline.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What a pipeline does, as the sink must know it to judge what arrives."""

    name: str
    title: str
    filters: bool = False
    """Health checks are dropped."""
    sampling_percentage: float | None = None
    """The share of traces that is kept, by `probabilistic_sampler` with the seed 0."""
    tail_sampling_percentage: float | None = None
    """The share of traces that `tail_sampling` keeps by its policy `probabilistic`, besides those with errors."""
    removes_secrets: bool = False
    """From attributes, by key."""
    removes_prompt_secrets: bool = False
    """From all values, by pattern."""


PIPELINES: dict[str, Pipeline] = {
    pipeline.name: pipeline
    for pipeline in (
        Pipeline("pass", "batch only"),
        Pipeline("durable", "a queue on disk, and batches behind it"),
        Pipeline(
            "chain",
            "memory_limiter, filter, attributes, probabilistic_sampler (half of the traces), batch",
            filters=True,
            sampling_percentage=50,
            removes_secrets=True,
        ),
        Pipeline(
            "tail",
            "tail_sampling after 2 s (errors, slow or large traces, two tenants, a tenth of the others), batch",
            filters=True,
            tail_sampling_percentage=10,
        ),
        Pipeline(
            "tail-bounded",
            "the same decisions in 32 MiB, which are full before a trace has waited",
            filters=True,
            tail_sampling_percentage=10,
        ),
        Pipeline(
            "transform",
            "memory_limiter, transform with ten statements, batch",
            removes_secrets=True,
        ),
        Pipeline(
            "sanitize",
            "the chain with redaction by patterns",
            filters=True,
            sampling_percentage=50,
            removes_secrets=True,
            removes_prompt_secrets=True,
        ),
    )
}
