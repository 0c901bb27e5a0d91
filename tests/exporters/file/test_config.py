"""Wrong sections are refused with their path, and those of the Go collector are taken."""

import textwrap
from pathlib import Path

import pytest

from collector.config.types import FieldError
from collector.errors import ConfigError
from collector.pipeline import build
from collector.testing import configure
from exporters.file import FileConfig


def configured(options: str) -> FileConfig:
    """The section of a configuration file, decoded."""
    section = textwrap.indent(textwrap.dedent(options), "    ")
    config = configure(
        f"receivers: {{feed: }}\nexporters:\n  file:\n    path: spans.jsonl\n{section}\n"
        "service: {pipelines: {traces: {receivers: [feed], exporters: [file]}}}\n"
    )
    found = build(config).exporters["file"].exporter.config
    assert isinstance(found, FileConfig)
    return found


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("flush_interval: -1s", "file::flush_interval: must be 0 or more, got -1s"),
        ("file_permissions: rw", "file::file_permissions: must be permissions in octal, such as \"0644\", got 'rw'"),
        ('file_permissions: "7777"', "file::file_permissions: must be permissions in octal"),
        ("create_directory: true\ndirectory_permissions: rwx", "file::directory_permissions: must be permissions in"),
        ("directory_permissions: '0700'", "file::directory_permissions: needs create_directory: true"),
        ("directory_permissions: '0755'", "file::directory_permissions: needs create_directory: true"),
        ("format: xml", "file::format: must be one of json, proto, got 'xml'"),
        ("compression: snappy", "file::compression: must be one of zstd, gzip, got 'snappy'"),
        ("compression_params: {level: high}", "file::compression_params::level: must be a whole number"),
        ("append: true\nrotation:", "file::append: with rotation files are always kept; remove this line"),
        ("rotation: {max_megabytes: -1}", "file::rotation::max_megabytes: must be"),
        ("rotation: {max_days: 1.5}", "file::rotation::max_days: must be a whole number"),
        ("rotation: {max_backups: all}", "file::rotation::max_backups: must be a whole number"),
        ("rotation: {max_size: 1}", "file::rotation::max_size: unknown key"),
        ("encoding: otlp_encoding", "file::encoding: not supported yet; remove this line"),
        ("group_by: {enabled: true}", "file::group_by::enabled: one file for each value is not supported yet"),
    ],
)
def test_refuses(options: str, message: str) -> None:
    """Each of these is a mistake or not there yet, and the message names the field."""
    with pytest.raises(ConfigError) as caught:
        configured(options)

    assert message in str(caught.value)


def test_takes_what_the_go_collector_takes() -> None:
    """Its own example, and a section that is off."""
    config = configured("""
        rotation:
          max_megabytes: 10
          max_days: 3
          max_backups: 3
          localtime: true
        format: proto
        compression: zstd
        compression_params:
          level: 3
        group_by:
          enabled: false
          resource_attribute: team
        """)

    assert config.rotation is not None
    assert (config.rotation.max_bytes, config.rotation.max_days, config.rotation.max_backups) == (10 << 20, 3, 3)
    assert config.rotation.localtime
    assert (config.format, config.compression, config.compression_params.level) == ("proto", "zstd", 3)


def test_rotation_is_on_as_soon_as_its_key_is_there() -> None:
    """With the Go collector's defaults; 0 for the size is the default, too."""
    assert configured("append: true").rotation is None
    for section in ("rotation:", "rotation: {max_megabytes: 0}"):
        rotation = configured(section).rotation
        assert rotation is not None
        assert (rotation.max_bytes, rotation.max_days, rotation.max_backups) == (100 << 20, 0, 100)


def test_a_field_error_names_its_field() -> None:
    """Who builds a configuration in Python hears the same."""
    with pytest.raises(FieldError, match="directory_permissions: needs create_directory: true"):
        FileConfig(path=str(Path("spans.jsonl")), directory_permissions="0700")
