"""Every case of `cases`, compared with what the Go collector did: `recorded`, by `python -m testbed.corpus`."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import yaml
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
from testbed.corpus.cases import Case, load
from testbed.corpus.notation import changes, to_request

HERE = Path(__file__).parent
CASES = load()
RECORDED = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in HERE.glob("recorded/*.json")}
ON_PURPOSE: dict[str, str] = yaml.safe_load((HERE / "on_purpose.yaml").read_text(encoding="utf-8"))
"""By the id of a case, why ours does something else. docs/compatibility.md explains each kind."""


def ops_of(case: Case) -> list[Op]:
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
        program = Program(ops_of(case))
    except (ConfigError, OptionError, ExceptionGroup) as error:
        return {"refused": str(error)}
    result = program.run(receive(to_request(case.span).SerializeToString()))
    if result.refusal is not None:
        return {"error": result.refusal}
    return {"changes": changes(case.span, ExportTraceServiceRequest.FromString(result.batch.encode()))}


def same(a: Any, b: Any) -> bool:
    """Compare plain data. NaN is NaN; lists and maps are compared item by item."""
    if isinstance(a, dict) and isinstance(b, dict):
        if a.keys() == b.keys() == {"d"} and is_number(a["d"]) and is_number(b["d"]):
            x, y = float(a["d"]), float(b["d"])
            return (x == y and math.copysign(1, x) == math.copysign(1, y)) or (math.isnan(x) and math.isnan(y))
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and bool(a == b)


def is_number(text: Any) -> bool:
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


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_does_what_the_go_collector_does(case: Case) -> None:
    """Or what it does not do on purpose, and then really something else."""
    theirs = RECORDED[case.file][case.name]
    found = ours(case)
    if case.id in ON_PURPOSE:
        assert not agree(found, theirs), "no difference any more: strike it off on_purpose.yaml"
    else:
        assert agree(found, theirs), f"{json.dumps(found)[:1000]} and not {json.dumps(theirs)[:1000]}"


def test_every_difference_on_purpose_belongs_to_a_case() -> None:
    """And every case was recorded."""
    ids = {case.id for case in CASES}
    assert set(ON_PURPOSE) <= ids
    assert len(ids) == len(CASES) > 300
    assert {(case.file, case.name) for case in CASES} == {(file, name) for file in RECORDED for name in RECORDED[file]}
