"""`attributes`: set, delete, hash, extract and convert attributes of spans.

Actions run in their order, and each sees what those before it did. Attributes of resources, scopes, events and links
stay as they are; for resources there is `resource`.

    processors:
      attributes:
        include:
          match_type: strict
          services: [gateway]
        actions:
          - {key: user.email, action: hash}
          - {key: http.request.header.authorization, action: delete}
          - {pattern: "^internal[.]", action: delete}
          - {key: env, action: insert, value: prod}
"""

from __future__ import annotations

from collector._kernel import Op
from collector.component import SpanOp
from collector.config.types import Config, FieldError, Section
from processors import matching
from processors.actions import ActionConfig, settings_of
from processors.matching import MatchConfig


class AttributesConfig(Config):
    """Settings of the `attributes` processor."""

    actions: list[ActionConfig] = []
    """What to do, in order. At least one."""

    include: Section[MatchConfig] = None
    """The spans to work on. All, if it is absent."""

    exclude: Section[MatchConfig] = None
    """The spans to leave alone, even if `include` matches."""

    def __post_init__(self) -> None:
        if not self.actions:
            raise FieldError("actions", "at least one action is required")


class AttributesProcessor(SpanOp):
    """Edits the attributes of spans."""

    config_type = AttributesConfig
    config: AttributesConfig

    def ops(self) -> list[Op]:
        """One op for all actions."""
        settings = {
            "actions": settings_of(self.config.actions),
            "include": matching.settings_of(self.config.include),
            "exclude": matching.settings_of(self.config.exclude),
        }
        return [Op("attributes", settings)]
