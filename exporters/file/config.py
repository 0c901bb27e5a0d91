"""What a user writes about a file: where it is, what is in it, and when a new one is begun."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from collector.config.types import Config, Duration, FieldError, NonNegativeInt, Notice, PositiveInt, Section
from collector.sending.config import LocalSendingConfig

_USUAL_DIRECTORY = "0755"


class RotationConfig(Config):
    """When a full file is set aside, and how long it is kept."""

    max_megabytes: NonNegativeInt = 100
    """The size in MiB that no file exceeds, unless a single record does; 0 is 100 as well."""
    max_days: NonNegativeInt = 0
    """Files that were set aside so many days ago are deleted; 0 is never."""
    max_backups: NonNegativeInt = 100
    """How many files that were set aside are kept, the newest ones; 0 is all."""
    localtime: bool = False
    """Write the time in their names as clocks here show it, where otherwise it is UTC."""

    @property
    def max_bytes(self) -> int:
        """The bound of a file in bytes."""
        return (self.max_megabytes or 100) << 20


class CompressionParams(Config):
    """How hard to compress."""

    level: int = 0
    """0 is the usual of `compression`. The nearest is taken of 1 to 22 for `zstd`, of 1 to 9 for `gzip`."""


class GroupByConfig(Config):
    """One file for each value of an attribute: not supported yet."""

    enabled: bool = False
    """Not supported yet."""
    resource_attribute: str = "fileexporter.path_segment"
    """The attribute. Without effect."""
    max_open_files: PositiveInt = 100
    """How many files are open at a time. Without effect."""


class FileConfig(LocalSendingConfig, kw_only=True):
    """Settings of the `file` exporter."""

    path: Annotated[str, Meta(min_length=1)]
    """Where to write."""
    append: bool = False
    """Keep what is in the file, where otherwise it is emptied at start. With `rotation` it is always kept."""
    format: Literal["json", "proto"] = "json"
    """`json`: OTLP/JSON, a request a line. `proto`: OTLP protobuf, each request after its length in 4 bytes."""
    compression: Literal["", "zstd", "gzip"] = ""
    """Compress each request for itself, with `zstd` or `gzip`. Each follows its length in 4 bytes, `json` as well."""
    compression_params: CompressionParams = CompressionParams()
    """How hard to compress."""
    rotation: Section[RotationConfig] = None
    """Set the file aside when it is full, and begin a new one; off unless the section is there."""
    create_directory: bool = False
    """Make the directory of the file if it is not there."""
    directory_permissions: str = ""
    """Permissions of a new directory, in octal: `"0755"` if nothing is said. Needs `create_directory`."""
    file_permissions: str = "0644"
    """Permissions of a new file, in octal."""
    flush_interval: Annotated[Duration, Notice("every batch is written at once")] = Duration.parse("1s")
    """Taken, without effect."""
    encoding: str = ""
    """Not supported yet: an extension that writes another format."""
    group_by: GroupByConfig = GroupByConfig()
    """Not supported yet: one file for each value of an attribute."""

    def __post_init__(self) -> None:
        """Check what the fields' types cannot say."""
        super().__post_init__()
        if self.flush_interval < 0:
            raise FieldError("flush_interval", f"must be 0 or more, got {self.flush_interval}")
        if self.append and self.rotation:
            raise FieldError("append", "with rotation files are always kept; remove this line")
        _permissions("file_permissions", self.file_permissions)
        if self.directory_permissions:
            _permissions("directory_permissions", self.directory_permissions)
            if not self.create_directory:
                raise FieldError("directory_permissions", "needs create_directory: true")
        if self.encoding:
            raise FieldError("encoding", "not supported yet; remove this line")
        if self.group_by.enabled:
            raise FieldError("group_by::enabled", "one file for each value is not supported yet; remove this section")

    @property
    def file_mode(self) -> int:
        """Permission bits of a new file."""
        return _permissions("file_permissions", self.file_permissions)

    @property
    def directory_mode(self) -> int:
        """Permission bits of a new directory."""
        return _permissions("directory_permissions", self.directory_permissions or _USUAL_DIRECTORY)


def _permissions(field: str, text: str) -> int:
    """Read permissions in octal. Raises `FieldError`."""
    try:
        mode = int(text, 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= 0o777:
        raise FieldError(field, f'must be permissions in octal, such as "0644", got {text!r}')
    return mode
