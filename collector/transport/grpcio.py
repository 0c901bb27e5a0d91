"""grpcio, told to leave the talking to us.

Its core writes to stderr in a format of its own, and reads while it is imported how much of that is wanted. What
matters of it is in our log and in the statuses of calls; who looks for a fault sets GRPC_VERBOSITY.
"""

from __future__ import annotations

import os

os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import grpc
import grpc.aio

__all__ = ["grpc"]
