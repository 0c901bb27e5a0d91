"""`mixed`: what a collector sees that all teams of a company send to, each kind of traffic with a resource of its own.

Of 100 traces, 70 are `http` (health checks included), 16 `gateway`, 8 `retrieval`, 3 `token_streaming` and
3 `prompt_templating`. The spans are then 1.2 KB on average, and no kind has most of the bytes: `http` a third,
`prompt_templating` a quarter, `token_streaming` a fifth, `retrieval` a seventh, `gateway` the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Final

from testbed.profiles import gateway, http, people, prompt_templating, prose, retrieval, token_streaming
from testbed.profiles.building import Trace
from testbed.profiles.templates import Profile

SHARES: Final = {
    http.PROFILE: 70,
    gateway.PROFILE: 16,
    retrieval.PROFILE: 8,
    token_streaming.PROFILE: 3,
    prompt_templating.PROFILE: 3,
}
"""In percent of the traces."""


def traces(random: Random) -> Iterator[Trace]:
    """Traces of all kinds, drawn by their shares."""
    streams = [profile.traces(random) for profile in SHARES]
    while True:
        [stream] = random.choices(streams, list(SHARES.values()))
        yield next(stream)


PROFILE: Final = Profile(
    name="mixed",
    title="all of these: 70 % http, 16 % gateway, 8 % retrieval, 3 % token streaming, 3 % prompts, by traces",
    spans_per_request=50,
    traces=traces,
    secrets=(people.BEARER, people.DOMAIN),
    prompt_secrets=prose.SECRETS,
)
