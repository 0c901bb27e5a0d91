"""The actions of the `attributes` and `resource` processors."""

from __future__ import annotations

from typing import Any

import msgspec

from collector.config.types import Config


class ActionConfig(Config):
    """One thing to do with a key."""

    action: str
    """What to do. `insert` sets a key that is absent, `update` one that is present, `upsert` either. `delete` removes
    it. `hash` replaces the value by its SHA-256 in hex. `extract` writes the named groups of `pattern` as attributes.
    `convert` changes the type in place."""

    key: str = ""
    """The attribute. `delete` and `hash` can do without it when `pattern` is given."""

    value: Any = None
    """The value to set: text, a number, true or false, a list or a map."""

    from_attribute: str = ""
    """Set the value of this attribute instead."""

    from_context: str = ""
    """Set what is known of the client: `metadata.<header>` (needs `include_metadata` at the receiver, and no `batch`
    before this processor), or `client.address`."""

    default_value: Any = None
    """Set this where the source finds nothing."""

    pattern: str = ""
    """A regular expression in Go's dialect. `delete` and `hash`: every key it finds a match in. `extract`: its named
    groups become attributes."""

    converted_type: str = ""
    """`int`, `double` or `string`."""


def settings_of(actions: list[ActionConfig]) -> list[dict[str, object]]:
    """Give the actions as the kernel takes them: without what is not set."""
    return [
        {name: value for name, value in msgspec.structs.asdict(action).items() if value is not None}
        for action in actions
    ]
