"""Sections of a configuration as users write them, decoded as the collector does it."""

from __future__ import annotations

import textwrap
from typing import TypeVar

from collector.config.decode import Decoder
from collector.config.document import parse
from collector.config.problems import Problems
from collector.config.types import Config

ConfigT = TypeVar("ConfigT", bound=Config)


def section(config_type: type[ConfigT], text: str) -> ConfigT:
    """Decode the YAML of one section. Raises `ConfigError` with the report, which calls the file `t`."""
    problems = Problems()
    decoded = Decoder(problems, []).struct(config_type, parse(textwrap.dedent(text), "t"), ())
    problems.raise_if_any()
    assert decoded is not None
    return decoded
