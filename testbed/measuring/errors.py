"""What goes wrong in a measurement, and whose fault it is."""

from __future__ import annotations

from collections.abc import Sequence


class TestbedError(Exception):
    """The testbed is at a limit of its own, or broken. Says nothing about the subject."""

    __test__ = False  # pytest takes what begins with Test for a test


class PortTakenError(TestbedError):
    """Somebody else took a port that was free a moment ago."""


class SubjectError(Exception):
    """The subject did not start, never became ready, or died. `log` has its last lines."""

    def __init__(self, message: str, log: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.log = list(log)


class AbsentError(Exception):
    """The subject cannot be had on this machine, or cannot do what is asked. The message says why."""
