"""What the settings of exporters refuse."""

import pytest
from yaml_sections import section

from collector.config.types import Config, Duration, FieldError
from collector.sending.config import (
    LocalSendingConfig,
    PartitionConfig,
    QueueBatchConfig,
    QueueConfig,
    RetryConfig,
    SendingConfig,
    Sizer,
)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: SendingConfig(timeout=Duration(-1)), "timeout: must be 0 or more, got -1s"),
        (lambda: RetryConfig(initial_interval=Duration(-5)), "initial_interval: must be 0 or more, got -5s"),
        (
            lambda: RetryConfig(max_elapsed_time=Duration(2)),
            "max_elapsed_time: must be at least initial_interval 5s, got 2s",
        ),
        (
            lambda: RetryConfig(max_elapsed_time=Duration(20)),
            "max_elapsed_time: must be at least max_interval 30s, got 20s",
        ),
        (
            lambda: RetryConfig(enabled=False, max_interval=Duration(-1)),
            "max_interval: must be 0 or more, got -1s",
        ),
        (
            lambda: QueueConfig(storage="file_storage", wait_for_result=True),
            "wait_for_result: cannot be had with storage: spans are taken once the disk has them",
        ),
        (
            lambda: QueueConfig(storage=""),
            "storage: must be the id of an extension such as file_storage",
        ),
        (
            lambda: QueueBatchConfig(flush_timeout=Duration(0)),
            "flush_timeout: must be more than 0, got 0s",
        ),
        (
            lambda: QueueBatchConfig(max_size=100),
            "max_size: must be at least min_size 8192, or 0, got 100",
        ),
        (
            lambda: QueueConfig(sizer=Sizer.ITEMS, queue_size=100, batch=QueueBatchConfig()),
            "batch::min_size: must be at most queue_size 100, got 8192",
        ),
        (
            lambda: PartitionConfig(metadata_keys=["x-tenant"]),
            "metadata_keys: not supported yet: remove this line to gather all requests together",
        ),
    ],
)
def test_refuses(build: object, message: str) -> None:
    """Each of these is a mistake, and the message names the field."""
    with pytest.raises(FieldError) as caught:
        build()  # type: ignore[operator]

    assert str(caught.value) == message


@pytest.mark.parametrize(
    "build",
    [
        lambda: RetryConfig(max_elapsed_time=Duration(0)),
        lambda: QueueConfig(sizer=Sizer.ITEMS, queue_size=100),
        lambda: QueueConfig(queue_size=100, batch=QueueBatchConfig()),
        lambda: QueueConfig(max_bytes=0),
    ],
)
def test_accepts(build: object) -> None:
    """A budget of 0 is endless, and what is switched off is no concern."""
    assert isinstance(build(), Config)  # type: ignore[operator]


def test_local_exporters_neither_queue_nor_retry() -> None:
    """Their defaults are off, one by one."""
    config = LocalSendingConfig()

    assert config.sending_queue is None
    assert not config.retry_on_failure.enabled
    assert config.timeout == 0


@pytest.mark.parametrize(
    ("text", "retries"),
    [
        ("", False),
        ("retry_on_failure: ", True),
        ("retry_on_failure: {initial_interval: 1s}", True),
        ("retry_on_failure: {enabled: true}", True),
        ("retry_on_failure: {enabled: false, initial_interval: 1s}", False),
    ],
)
def test_local_exporters_retry_where_the_section_is_there(text: str, retries: bool) -> None:
    """Who writes down how to retry wants it."""
    assert section(LocalSendingConfig, text).retry_on_failure.enabled is retries
