"""What tests of the real process share."""

from collections.abc import Iterator

import pytest

from testbed.backend import Backend


@pytest.fixture
def backend() -> Iterator[Backend]:
    """A backend that listens."""
    with Backend() as backend:
        yield backend
