"""The course of a measurement: warm-up, load, what happens meanwhile, and the draining behind it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from testbed.measuring.engine import Event
from testbed.measuring.errors import SubjectError, TestbedError
from testbed.measuring.request import LoadSpec
from testbed.measuring.stage import TIMEOUT, Stage
from testbed.results import Event as Happening
from testbed.scenarios import Action, Step

_SLACK = 15.0
"""Seconds more than it can take, after which something is broken."""

Watch = Callable[[str], None]
"""Told what is going on, in a few words, about once a second."""


@dataclass(slots=True)
class Driver:
    """Drives a load on a stage. Errors are `TestbedError` and `SubjectError`."""

    stage: Stage
    spec: LoadSpec
    watch: Watch
    happenings: list[Happening] = field(default_factory=list)
    """What the scenario did, in seconds since 1970."""

    def warm_up(self) -> tuple[float, dict[str, int]]:
        """Run what is not measured. Gives the capacity in spans a second, where it is asked for, and the counts."""
        self.watch("warming up")
        scenario = self.spec.scenario
        probes = scenario.of_capacity
        steps = [Step(scenario.warm_up, None if probes else self.spec.steps(0.0)[0].rate)]
        begun, over = self.drive(steps)
        done = self.drain()
        self.stage.sink.mark()
        totals: dict[str, int] = done["totals"]
        capacity = over["totals"]["accepted"] / (over["t"] - begun["t"]) if probes else 0.0
        if probes and not capacity:
            raise SubjectError("it accepted nothing while its capacity was measured", self._last_lines())
        return capacity, totals

    def drive(self, steps: Sequence[Step], actions: Sequence[Action] = ()) -> tuple[Event, Event]:
        """Put the load on, do meanwhile what the scenario says, and give when it began and when it was over."""
        seconds = sum(step.seconds for step in steps)
        spans = self.spec.spans_per_request
        orders = [{"seconds": step.seconds, "rate": step.rate and step.rate / spans} for step in steps]
        load, subject = self.stage.load, self.stage.subject
        load.tell({"steps": orders})
        begun = load.wait_for("begun", _SLACK)
        due, told, deadline = list(actions), 0.0, time.monotonic() + seconds + _SLACK
        while not (over := load.poll("over", 0.05)):
            passed = time.time() - begun["t"]
            if due and passed >= due[0].at * seconds:
                self._act(due.pop(0))
            if subject:
                subject.program.check()
            if passed >= told + 1:
                told = passed
                self.watch(self._words(passed))
            if time.monotonic() > deadline:
                raise TestbedError(f"the load of {seconds:g} s is not over {_SLACK:g} s after its end")
        return begun, over

    def drain(self) -> Event:
        """Wait for the last answer and for the last span, and give what the load generator counted."""
        done = self.stage.load.wait_for("done", TIMEOUT + _SLACK)
        self.watch("draining")
        self.stage.sink.wait_until_delivered(done["expected"], self.spec.scenario.drain, self.spec.scenario.quiet)
        return done

    def judge(self) -> Event:
        """Look up all spans.

        Spans that nobody acknowledged may arrive too, and hide in the mere count what is still on its way: so as long
        as something is missing and something comes, it is looked at again.
        """
        verdict = self.stage.sink.judge(self.stage.outcomes)
        for _ in range(math.ceil(self.spec.scenario.quiet)):
            if not verdict["verdict"]["lost"]:
                break
            self.stage.sink.wait_until_delivered(verdict["counts"]["delivered"] + 1, 1.0, 1.0)
            again = self.stage.sink.judge(self.stage.outcomes)
            if again["counts"]["delivered"] == verdict["counts"]["delivered"]:
                break
            verdict = again
        if self.stage.subject:
            self.stage.subject.program.check()
        return verdict

    def _act(self, action: Action) -> None:
        self.happenings.append(Happening(time.time(), action.what))
        subject = self.stage.subject
        if action.mood:
            self.stage.sink.set_mood(action.mood)
        elif subject and action.reload:
            self.happenings.append(Happening(time.time(), f"in place after {subject.program.reload():.3f} s"))
        elif subject:
            took = subject.program.crash() if action.crash else subject.program.terminate()
            subject.program.start()
            subject.usage.replace(subject.program.pid)
            self.happenings.append(Happening(time.time(), f"back, after {took:.2f} s to end"))

    def _last_lines(self) -> Sequence[str]:
        return self.stage.subject.program.last_lines() if self.stage.subject else ()

    def _words(self, passed: float) -> str:
        """Say how it goes: seconds, spans a second over the last one, memory."""
        words = [f"{passed:4.0f} s"]
        sources = (("accepted", self.stage.load.progress, "totals"), ("delivered", self.stage.sink.progress, "counts"))
        for what, events, key in sources:
            if len(events) > 10:  # a second of reports
                first, last = events[-11], events[-1]
                rate = (last[key][what] - first[key][what]) / (last["t"] - first["t"])
                words.append(f"{rate:,.0f} spans/s {what}")
        if self.stage.subject:
            words.append(f"{self.stage.subject.usage.readings[-1].rss:.0f} MiB")
        return ", ".join(words)
