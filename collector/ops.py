"""Building ops: what is wrong with any of them comes in one report."""

from __future__ import annotations

from collections.abc import Iterable

from collector._kernel import Op, OptionError


def build(kind: str, settings: Iterable[dict[str, object]]) -> list[Op]:
    """Build an op for each of the settings. Raises the kernel's `OptionError`, or an `ExceptionGroup` of them."""
    ops: list[Op] = []
    errors: list[OptionError] = []
    for each in settings:
        try:
            ops.append(Op(kind, each))
        except (OptionError, ExceptionGroup) as error:
            errors += option_errors(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ExceptionGroup("options that cannot be used", errors)
    return ops


def option_errors(error: OptionError | ExceptionGroup[Exception]) -> list[OptionError]:
    """Give every error in a group. One that is no `OptionError` is raised."""
    if isinstance(error, OptionError):
        return [error]
    options, others = error.split(OptionError)
    if others is not None or options is None:
        raise error
    return [each for each in options.exceptions if isinstance(each, OptionError)]
