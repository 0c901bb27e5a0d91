"""What Spanmill does in a case, in the words of a recording."""

from __future__ import annotations

import json
import math
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector._kernel import Op, OptionError, Program
from collector.component import Kind
from collector.config.decode import Decoder
from collector.config.document import parse
from collector.config.problems import Problems
from collector.distribution import load as load_class
from collector.errors import ConfigError
from collector.spans import receive
from collector.testing import settings
from testbed.corpus.cases import Case
from testbed.corpus.notation import changes, to_request


def _ops_of(case: Case) -> list[Op]:
    """Build the processors of a case as the collector does. Raises what it raises for wrong settings."""
    ops: list[Op] = []
    for entry in case.processors:
        ((type_, given),) = entry.items()
        factory = load_class(Kind.PROCESSOR, type_)
        problems = Problems()
        config = Decoder(problems, []).struct(factory.config_type, parse(json.dumps(given), "case"), ())
        problems.raise_if_any()
        ops += factory(config, settings()).ops()
    return ops


def ours(case: Case) -> dict[str, Any]:
    """What Spanmill does: the same as a recording says."""
    try:
        program = Program(_ops_of(case))
    except (ConfigError, OptionError, ExceptionGroup) as error:
        return {"refused": str(error)}
    result = program.run(receive(to_request(case.span).SerializeToString()))
    if result.refusal is not None:
        return {"error": result.refusal}
    return {"changes": changes(case.span, ExportTraceServiceRequest.FromString(result.batch.encode()))}


def same(a: Any, b: Any) -> bool:
    """Compare plain data. NaN is NaN; lists and maps are compared item by item."""
    if isinstance(a, dict) and isinstance(b, dict):
        if a.keys() == b.keys() == {"d"} and _is_number(a["d"]) and _is_number(b["d"]):
            x, y = float(a["d"]), float(b["d"])
            return (x == y and math.copysign(1, x) == math.copysign(1, y)) or (math.isnan(x) and math.isnan(y))
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and bool(a == b)


def _is_number(text: Any) -> bool:
    """Tell a double from an attribute that happens to be called `d`."""
    try:
        float(text)
    except (TypeError, ValueError):
        return False
    return isinstance(text, str)


def agree(ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    """The same outcome. Texts of errors are our own words."""
    if ours.keys() != theirs.keys():
        return False
    return "changes" not in ours or same(ours["changes"], theirs["changes"])
