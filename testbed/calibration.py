"""A yardstick for this machine on this day: what Python's protobuf (upb) takes to parse the same requests.

Any collector that builds objects pays as much before it has done anything. Times differ between machines and days;
multiples of the yardstick differ far less.
"""

from __future__ import annotations

import statistics
import time

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from testbed.measuring.pinning import on_cores
from testbed.measuring.request import LoadSpec, Requests
from testbed.results import Calibration

ROUNDS = 7
SPANS_PER_ROUND = 20_000


def calibrate(spec: LoadSpec, requests: Requests, cores: frozenset[int]) -> Calibration:
    """Measure it on the cores that the subject gets."""
    data = [template.data for template in requests.templates]
    repeat = max(1, SPANS_PER_ROUND // (spec.spans_per_request * len(data)))
    costs = []
    with on_cores(cores):
        for _ in range(ROUNDS):
            began = time.thread_time()
            for _ in range(repeat):
                for request in data:
                    ExportTraceServiceRequest.FromString(request)
            costs.append((time.thread_time() - began) / (repeat * len(data) * spec.spans_per_request))
    return Calibration(spec.profile.name, spec.spans_per_request, round(1e6 * statistics.median(costs), 4))
