"""What tells this collector from others of its kind."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

ID = "service.instance.id"

_OWN = str(uuid.uuid4())


def id_of(resource: Mapping[str, Any]) -> str:
    """Give the id that `service::telemetry::resource` says, or one that is made at each start; empty for null."""
    value = resource.get(ID, _OWN)
    return "" if value is None else str(value)
