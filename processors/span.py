"""`span`: make names of spans from attributes, take attributes out of names, and set the status.

`from_attributes` comes first, then the rules of `to_attributes`, then `status`. Each rule looks at the name as the one
before it left it: what a named group matches becomes an attribute, and `{group}` in the name.

    processors:
      span/names:
        name:
          from_attributes: [db.system.name, db.operation.name]
          separator: "::"
      span/documents:
        include:
          match_type: strict
          services: [documents]
        name:
          to_attributes:
            rules: ["^/api/v1/document/(?P<document_id>.*)/update$"]
      span/status:
        status:
          code: Error
          description: not good enough
"""

from __future__ import annotations

from typing import Literal

from collector._kernel import Op
from collector.component import SpanOp
from collector.config.types import Config, FieldError, Section
from processors import matching
from processors.matching import MatchConfig

_CODES = {"Unset": 0, "Ok": 1, "Error": 2}


class ToAttributes(Config):
    """Attributes out of names."""

    rules: list[str] = []
    """Regular expressions, in order. What their named groups match becomes attributes of these names, and in the name
    of the span a `{group}`."""

    break_after_match: bool = False
    """Whether the first rule that matches is the last."""

    keep_original_name: bool = False
    """Whether the name stays as it is."""


class Name(Config):
    """Where names come from, and what is taken out of them."""

    from_attributes: list[str] = []
    """Keys of attributes whose values make up the name, in order. If one is missing the name stays."""

    separator: str = ""
    """What stands between the values."""

    to_attributes: ToAttributes | None = None
    """Attributes out of names."""


class Status(Config):
    """The status that spans get."""

    code: Literal["Ok", "Error", "Unset"]
    """The code."""

    description: str = ""
    """The message. Only with `Error`; the other codes have none."""

    def __post_init__(self) -> None:
        if self.description and self.code != "Error":
            raise FieldError("description", "can be given only for the code Error")


class SpanConfig(Config):
    """Settings of the `span` processor. At least one of `from_attributes`, `rules` and `status` is required."""

    name: Name = Name()
    """The name of the span."""

    status: Status | None = None
    """The status of the span."""

    include: Section[MatchConfig] = None
    """The spans to work on. All, if it is absent."""

    exclude: Section[MatchConfig] = None
    """The spans to leave alone, even if `include` matches."""

    def __post_init__(self) -> None:
        rules = self.name.to_attributes.rules if self.name.to_attributes else []
        if not self.name.from_attributes and not rules and self.status is None:
            raise FieldError("name", "needs from_attributes or to_attributes::rules, unless status is given")


class SpanProcessor(SpanOp):
    """Renames spans and sets their status."""

    config_type = SpanConfig
    config: SpanConfig

    def ops(self) -> list[Op]:
        """One op."""
        name, status = self.config.name, self.config.status
        to_attributes = name.to_attributes or ToAttributes()
        settings = {
            "include": matching.settings_of(self.config.include),
            "exclude": matching.settings_of(self.config.exclude),
            "from_attributes": name.from_attributes,
            "separator": name.separator,
            "rules": to_attributes.rules,
            "break_after_match": to_attributes.break_after_match,
            "keep_original_name": to_attributes.keep_original_name,
            "status": {"code": _CODES[status.code], "description": status.description} if status else None,
        }
        return [Op("span", settings)]
