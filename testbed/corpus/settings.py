"""Settings as text that the Go collector reads, and ours."""

from __future__ import annotations

import json
import re
from typing import Any


def literal(settings: Any) -> Any:
    """Settings in which a dollar sign stands for itself."""
    return json.loads(json.dumps(settings).replace("$", "$$"))


def as_yaml(settings: Any) -> str:
    """JSON, which is YAML but for surrogates and for numbers that are none."""
    text = json.dumps(settings, ensure_ascii=False)
    return re.sub(r": (-?)(NaN|Infinity)\b", lambda found: f": {found[1]}.{found[2][:3].lower()}", text)
