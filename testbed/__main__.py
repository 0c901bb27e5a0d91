"""`python -m testbed`: see `testbed.cli`."""

from __future__ import annotations

from testbed.cli import cli

if __name__ == "__main__":
    cli(prog_name="python -m testbed")
