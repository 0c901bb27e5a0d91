"""Traffic profiles: named, seeded generators of requests with the spans that real programs send.

    for template in requests(PROFILES["http"], 100):
        send(template.data)

A profile says what traces there are; each has a module here, whose docstring describes its spans, attributes and
sizes. `templates` makes requests of them, which describe their ids and times rather than have them: the load generator
patches each anew before it sends it.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Final

from testbed.profiles import gateway, http, mixed, prompt_templating, retrieval, token_streaming
from testbed.profiles.templates import Profile, Template, build

__all__ = ["PROFILES", "Profile", "Template", "requests"]

PROFILES: Final[Mapping[str, Profile]] = {
    module.PROFILE.name: module.PROFILE
    for module in (http, gateway, token_streaming, retrieval, prompt_templating, mixed)
}


def requests(profile: Profile, spans_per_request: int, *, count: int = 16, seed: int = 1) -> list[Template]:
    """Build `count` requests that differ in their values. The same arguments give the same bytes, anywhere.

    Raises `ValueError` if a request would have no spans.
    """
    if spans_per_request < 1:
        raise ValueError(f"spans_per_request must be at least 1, got {spans_per_request}")
    randoms = [Random(f"{profile.name}/{seed}/{index}") for index in range(count)]
    return [build(profile.traces(random), spans_per_request, random) for random in randoms]
