"""Every case of `cases`, compared with what the Go collector did: `recorded`, by `python -m testbed.corpus`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from testbed.corpus.cases import Case, load
from testbed.corpus.ours import agree, ours

HERE = Path(__file__).parent
CASES = load()
RECORDED = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in HERE.glob("recorded/*.json")}
ON_PURPOSE: dict[str, str] = yaml.safe_load((HERE / "on_purpose.yaml").read_text(encoding="utf-8"))
"""By the id of a case, why ours does something else. docs/compatibility.md explains each kind."""


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
