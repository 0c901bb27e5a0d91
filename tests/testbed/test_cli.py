"""The testbed's command line: what it writes, and what it says about mistakes."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import msgspec
import psutil
import pytest
from click.testing import CliRunner
from testbed_loads import scenario, spec, subject
from testbed_results import some

from testbed.cli import cli
from testbed.measuring.pinning import pinning
from testbed.results import Measurement, Status, read, schema, write
from testbed.running import Run

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "stedy"], ["no scenario or suite 'stedy'", "steady, steps, burst", "standard"]),
        (["run", "steady", "--profile", "htp"], ["no profile 'htp'", "http, gateway"]),
        (
            ["run", "steady", "--pipeline", "chian"],
            ["no pipeline 'chian'", "pass, durable, chain"],
        ),
        (["run", "steady", "--subjects", "spanmill,goo"], ["no subject 'goo'", "gocollector, rotel, direct"]),
        (["run", "standard", "--profile", "http"], ["'standard' is a suite"]),
        (["run", "steady", "--spans-per-request", "0"], ["--spans-per-request"]),
        (
            ["run", "steady", "--profile", "token_streaming", "--spans-per-request", "512", "--subjects", "direct"],
            ["token_streaming", "MiB", "--spans-per-request 1"],
        ),
        (["compare", "nowhere", "nowhere"], ["nowhere: no such file"]),
        (["report", "nowhere"], ["nowhere"]),
    ],
)
def test_mistakes_are_one_message_with_the_valid_names(arguments: list[str], words: list[str], tmp_path: Path) -> None:
    """Nothing is measured, nothing is a traceback."""
    out = ["--out", str(tmp_path)] if arguments[0] == "run" else []
    answer = CliRunner().invoke(cli, [*arguments, *out])

    assert answer.exit_code in {1, 2}
    assert all(word in answer.output for word in words), answer.output
    assert not isinstance(answer.exception, AssertionError | KeyError)


def test_lists_what_there_is() -> None:
    """Names that `run` takes, with a line each."""
    output = CliRunner().invoke(cli, ["list"]).output

    for name in ("saturation", "backend-dead", "standard", "prompt_templating", "sanitize", "gocollector", "direct"):
        assert f"  {name} " in output


def test_a_run_is_written_down_and_can_be_compared_with_itself(tmp_path: Path) -> None:
    """result.json follows its schema, the reports are there, and nothing is worse than itself."""
    out = tmp_path / "direct"
    arguments = ["run", "steady", "--subjects", "direct", "--duration", "1", "--rate", "1000", "--rounds", "2"]
    answer = CliRunner().invoke(cli, [*arguments, "--spans-per-request", "10", "--pin", "none", "--out", str(out)])

    assert answer.exit_code == 0, answer.output
    written = read(out)
    jsonschema.validate(msgspec.json.decode((out / "result.json").read_bytes()), schema())
    assert [measurement.round for measurement in written.measurements] == [1, 2]
    assert all(measurement.status == Status.OK for measurement in written.measurements)
    assert written.calibrations[0].protobuf_us_per_span > 0
    assert "<svg" in (out / "report.html").read_text(encoding="utf-8")
    assert (out / "report.md").exists()
    assert CliRunner().invoke(cli, ["compare", str(out), str(out)]).exit_code == 0


def test_compare_exits_with_1_on_a_regression(tmp_path: Path) -> None:
    """Twice the processor time is one."""
    before = after = some("saturation")
    dearer = [
        msgspec.structs.replace(it, cost=msgspec.structs.replace(it.cost, us_per_span=2 * it.cost.us_per_span))
        if it.cost
        else it
        for it in after.measurements
    ]
    for name, it in (("before", before), ("after", msgspec.structs.replace(after, measurements=dearer))):
        write(it, tmp_path / f"{name}.json")

    answer = CliRunner().invoke(cli, ["compare", str(tmp_path / "before.json"), str(tmp_path / "after.json")])

    assert answer.exit_code == 1
    assert "regression" in answer.output


def test_subjects_take_turns_and_a_dead_one_does_not_stop_the_run(tmp_path: Path) -> None:
    """Round by round, each subject in each; what fails is in the result, with its last lines."""
    subjects = {"good": subject("none", tmp_path), "bad": subject("never starts", tmp_path)}
    run = Run("turns", [(spec(scenario()), 2)], subjects, pinning("none"))
    order: list[str] = []
    ended: list[Measurement] = []

    def begins(number: int, total: int, title: str) -> object:
        order.append(f"{number}/{total} {title.rpartition(' ')[2]}")
        return lambda words: None

    run(begins, ended.append)

    assert order == ["1/4 good", "2/4 bad", "3/4 good", "4/4 bad"]
    assert [it.status for it in ended] == [Status.OK, Status.FAILED] * 2
    assert ended[1].log == ["error: the configuration is not to my taste"]
    assert run.result().measurements == ended


def test_a_cpu_limit_is_a_finding(tmp_path: Path) -> None:
    """A collector in Python costs more than parsing does."""
    run = Run("dear", [(spec(scenario()), 1)], {"fake": subject("none", tmp_path)}, pinning("none"), cpu_limit=1.0)
    ended: list[Measurement] = []

    run(lambda *_: lambda words: None, ended.append)

    assert [finding.check for finding in ended[0].findings] == ["cpu"]


def test_ctrl_c_leaves_no_process_behind(tmp_path: Path) -> None:
    """Load generator, sink and subject are gone when the testbed is, and what was measured until then is kept."""
    command = [sys.executable, "-m", "testbed", "run", "steady", "--subjects", "spanmill", "--out", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as testbed:
        everybody = psutil.Process(testbed.pid)
        deadline = time.monotonic() + 60
        children: list[psutil.Process] = []
        while len(children) < 3 and time.monotonic() < deadline:
            time.sleep(0.05)
            children = everybody.children(recursive=True)
        testbed.send_signal(signal.SIGINT)
        _, errors = testbed.communicate(timeout=30)

    assert len(children) == 3, errors
    assert testbed.returncode == 130
    assert "no process is left" in errors
    assert not psutil.wait_procs(children, timeout=5)[1]
