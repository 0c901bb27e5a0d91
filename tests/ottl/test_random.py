"""Processors and spans made at random, here and in the Go collector at the same time."""

from __future__ import annotations

import json
from random import Random

import pytest

from testbed.corpus.generator import case
from testbed.corpus.judge import judge
from testbed.corpus.ours import agree, ours
from testbed.measuring.errors import AbsentError
from testbed.subjects import gocollector


def is_built() -> bool:
    """Tell whether there is a Go collector to compare with."""
    try:
        gocollector.PEER.path()
    except AbsentError:
        return False
    return True


@pytest.mark.skipif(not is_built(), reason="the Go collector is not built: make testbed-peers")
def test_whatever_processors_are_told_the_go_collector_does_the_same() -> None:
    """Attribute by attribute, for two hundred cases; `make differential` takes a minute's worth."""
    random = Random(42)
    different = [
        {"processors": made.processors, "span": made.span, "spanmill": found, "go": theirs}
        for made, theirs in judge([case(number, random) for number in range(200)])
        if not agree(found := ours(made), theirs)
    ]
    assert not different, json.dumps(different[0])
