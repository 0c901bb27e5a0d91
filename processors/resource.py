"""`resource`: set, delete, hash, extract and convert attributes of resources.

The actions are those of `attributes`. Resources that become equal are not merged.

    processors:
      resource:
        attributes:
          - {key: k8s.cluster.name, from_attribute: cluster, action: upsert}
          - {key: cluster, action: delete}
"""

from __future__ import annotations

from collector._kernel import Op
from collector.component import SpanOp
from collector.config.types import Config, FieldError
from processors.actions import ActionConfig, settings_of


class ResourceConfig(Config):
    """Settings of the `resource` processor."""

    attributes: list[ActionConfig] = []
    """What to do, in order. At least one."""

    def __post_init__(self) -> None:
        if not self.attributes:
            raise FieldError("attributes", "at least one action is required")


class ResourceProcessor(SpanOp):
    """Edits the attributes of resources."""

    config_type = ResourceConfig
    config: ResourceConfig

    def ops(self) -> list[Op]:
        """One op for all actions."""
        return [Op("resource", {"attributes": settings_of(self.config.attributes)})]
