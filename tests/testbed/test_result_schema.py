"""The schema of `result.json`: up to date, and true."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from testbed_results import full

from testbed import results
from testbed.manual import SCHEMA, result_schema


@pytest.fixture
def written(tmp_path: Path) -> dict[str, object]:
    results.write(full(), tmp_path / "result.json")
    return json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))


@pytest.fixture
def validator() -> jsonschema.Draft202012Validator:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_schema_is_up_to_date() -> None:
    """What stands in the file is what `make docs` writes."""
    assert SCHEMA.read_text(encoding="utf-8") == result_schema(), "run `make docs`"


def test_a_result_follows_the_schema(validator: jsonschema.Draft202012Validator, written: dict[str, object]) -> None:
    """All of it, as it is written."""
    validator.validate(written)


@pytest.mark.parametrize("change", [{"status": "fine"}, {"surprise": 1}, {"round": "one"}, {"spans": {"offered": 1}}])
def test_something_else_does_not_follow_the_schema(
    validator: jsonschema.Draft202012Validator, written: dict[str, object], change: dict[str, object]
) -> None:
    """A status that nobody knows, a name that is not there, a wrong type, a part of a part."""
    written["measurements"][0].update(change)

    assert not validator.is_valid(written)


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    """From the file, or from its directory."""
    results.write(full(), tmp_path / "result.json")

    assert results.read(tmp_path) == full()
    assert results.read(tmp_path / "result.json") == full()
