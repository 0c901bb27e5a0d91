"""Processor time and memory of whole process trees."""

import subprocess
import sys

from testbed.measuring.usage import UsageSampler

BUSY = """
import time
block = bytearray(40 << 20)
while time.process_time() < 0.4: pass
print('done', flush=True)
input()
"""
PARENT = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BUSY!r}])"


def _start(program: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _wait(process: subprocess.Popen[str]) -> None:
    assert process.stdout
    assert process.stdout.readline() == "done\n"


def test_children_count() -> None:
    """What a child uses, its parent's tree uses."""
    with _start(PARENT) as process:
        _wait(process)
        reading = UsageSampler(process.pid).read()
        process.communicate("\n")

    assert reading.cpu > 0.3
    assert reading.rss > 40
    assert reading.pss is not None
    assert 40 < reading.pss < reading.rss


def test_goes_on_with_a_process_that_takes_the_place_of_another() -> None:
    """Processor time adds up over both, and memory is that of the living."""
    with _start(BUSY) as first:
        _wait(first)
        sampler = UsageSampler(first.pid)
        before = sampler.read()
        first.communicate("\n")
    with _start(BUSY) as second:
        _wait(second)
        sampler.replace(second.pid)
        after = sampler.read()
        second.communicate("\n")

    assert before.cpu > 0.3
    assert after.cpu > before.cpu + 0.3
    assert after.rss < before.rss * 1.5
    assert after.pss is None
