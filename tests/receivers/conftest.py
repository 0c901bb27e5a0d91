"""What tests of receivers share."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
from certificates import Authority
from otlp_grpc import Receive, running_receiver


@pytest.fixture(params=["grpcio", "native"])
def receiver(request: pytest.FixtureRequest) -> Receive:
    """A receiver on each engine: both keep the same promises."""
    return functools.partial(running_receiver, engine=request.param)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Issues certificates for the length of a test."""
    return Authority(tmp_path)
