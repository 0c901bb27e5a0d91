"""Settings that every exporter has, spelt as in the Go collector.

    exporters:
      otlp:
        endpoint: backend:4317
        timeout: 5s
        retry_on_failure:
          initial_interval: 1s
          max_elapsed_time: 10m
        sending_queue:
          queue_size: 200_000
          sizer: items
          num_consumers: 4

An exporter's settings derive from `SendingConfig`, or from `LocalSendingConfig` where queue and retries make little
sense and are off until they are asked for.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta
from msgspec.structs import force_setattr

from collector.config.types import Config, Duration, FieldError, NonNegativeInt, PositiveInt, Section


class Sizer(StrEnum):
    """What `queue_size` counts."""

    REQUESTS = "requests"
    """Batches."""
    ITEMS = "items"
    """Spans."""
    BYTES = "bytes"
    """Bytes on the wire."""


class RetryConfig(Config):
    """When a batch that the backend did not take is sent again."""

    enabled: bool = True
    """Send again at all."""
    initial_interval: Duration = Duration.parse("5s")
    """The wait after the first failure."""
    randomization_factor: Annotated[float, Meta(ge=0, le=1)] = 0.5
    """How far a wait may lie from the computed one, as a share of it, so that senders do not march in step."""
    multiplier: Annotated[float, Meta(ge=0)] = 1.5
    """What the wait grows by with every failure."""
    max_interval: Duration = Duration.parse("30s")
    """Where the wait stops to grow."""
    max_elapsed_time: Duration = Duration.parse("5m")
    """How long after its first attempt a batch is given up; 0 is never."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say. The Go collector checks it with `enabled: false` too."""
        for field in ("initial_interval", "max_interval", "max_elapsed_time"):
            if getattr(self, field) < 0:
                raise FieldError(field, f"must be 0 or more, got {getattr(self, field)}")
        if self.max_elapsed_time > 0:
            for field in ("initial_interval", "max_interval"):
                if self.max_elapsed_time < getattr(self, field):
                    raise FieldError(
                        "max_elapsed_time",
                        f"must be at least {field} {getattr(self, field)}, got {self.max_elapsed_time}",
                    )


class PartitionConfig(Config):
    """Which requests are gathered apart."""

    metadata_keys: list[str] = []
    """Not supported yet: a batch of its own for each combination of these headers."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say."""
        if self.metadata_keys:
            raise FieldError("metadata_keys", "not supported yet: remove this line to gather all requests together")


class QueueBatchConfig(Config):
    """How requests are gathered between the queue and the backend."""

    flush_timeout: Duration = Duration.parse("200ms")
    """How long the first request of a batch waits for others."""
    min_size: NonNegativeInt = 8192
    """What makes a batch leave at once, in units of `sizer`."""
    max_size: NonNegativeInt = 0
    """The most in a batch, in units of `sizer`; 0 is no limit. Whatever it says, no batch is gathered that is larger
    than 3.5 MiB, so that it fits the 4 MiB that a gRPC server takes in one message."""
    sizer: Literal["items", "bytes"] | None = None
    """What `min_size` and `max_size` count: `items` (spans) or `bytes`. Without it what the queue counts, or spans."""
    partition: Section[PartitionConfig] = None
    """Which requests are gathered apart."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say."""
        if self.flush_timeout <= 0:
            raise FieldError("flush_timeout", f"must be more than 0, got {self.flush_timeout}")
        if 0 < self.max_size < self.min_size:
            raise FieldError("max_size", f"must be at least min_size {self.min_size}, or 0, got {self.max_size}")


class QueueConfig(Config):
    """The queue between pipelines and the backend. Batches count against its bounds until they are finished."""

    num_consumers: PositiveInt = 10
    """How many batches are sent at the same time. Waiting for a retry does not count."""
    queue_size: PositiveInt = 1000
    """How much the queue holds, in units of `sizer`."""
    sizer: Sizer = Sizer.REQUESTS
    """What `queue_size` counts: `requests` (batches), `items` (spans) or `bytes`."""
    max_bytes: NonNegativeInt = 256 << 20
    """How many bytes of memory the queue may hold besides, whatever the sizer; 0 is no bound."""
    block_on_overflow: bool = False
    """Let pipelines wait for room, where otherwise a full queue refuses."""
    wait_for_result: bool = False
    """Let pipelines wait until the backend has answered, and hear what it said."""
    storage: str | None = None
    """The id of an extension such as `file_storage`, which keeps the queue on disk. Spans are then taken once the disk
    has them, and outlive the process. `max_bytes` bounds what is in memory as well, 32 MiB at most."""
    batch: Section[QueueBatchConfig] = None
    """How requests are gathered on their way out of the queue, in place of the `batch` processor; off unless the
    section is there."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say."""
        if self.storage is not None and not self.storage:
            raise FieldError("storage", "must be the id of an extension such as file_storage")
        if self.storage is not None and self.wait_for_result:
            raise FieldError("wait_for_result", "cannot be had with storage: spans are taken once the disk has them")
        if self.batch and self.batch_sizer is self.sizer and self.batch.min_size > self.queue_size:
            raise FieldError(
                "batch::min_size", f"must be at most queue_size {self.queue_size}, got {self.batch.min_size}"
            )

    @property
    def batch_sizer(self) -> Sizer:
        """What the bounds of batches count."""
        if self.batch and self.batch.sizer:
            return Sizer(self.batch.sizer)
        return Sizer.ITEMS if self.sizer is Sizer.REQUESTS else self.sizer


class SendingConfig(Config):
    """Base of the settings of exporters."""

    timeout: Duration = Duration.parse("5s")
    """How long one attempt may take; 0 is as long as it likes."""
    retry_on_failure: RetryConfig = RetryConfig()
    """When a batch that the backend did not take is sent again."""
    sending_queue: Section[QueueConfig] = QueueConfig()
    """The queue before the backend. With `enabled: false` pipelines wait for the backend."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say."""
        if self.timeout < 0:
            raise FieldError("timeout", f"must be 0 or more, got {self.timeout}")


class LocalSendingConfig(SendingConfig):
    """Base of the settings of exporters that work on this machine: no queue and no retries until asked for."""

    timeout: Duration = Duration(0)
    """How long one attempt may take; 0 is as long as it likes."""
    # It is none only until everything is checked.
    retry_on_failure: Section[RetryConfig] = None  # type: ignore[assignment]
    """When a batch that was not taken is sent again; off unless the section is there."""
    sending_queue: Section[QueueConfig] = None
    """The queue before the exporter; off unless the section is there."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say."""
        super().__post_init__()
        if self.retry_on_failure is None:
            force_setattr(self, "retry_on_failure", RetryConfig(enabled=False))
