"""`python -m collector` is `spanmill`."""

from collector.cli import main

main()
