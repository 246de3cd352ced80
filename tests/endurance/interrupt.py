"""Signals at random moments: each leaves a valid pair, and the run that goes on from it is the run not stopped.

After the signal the run is resumed to its end. What it says from there on, less times, and the pairs that it saves
have to be those of the straight run, bit for bit.
"""

from __future__ import annotations

import random
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

from endurance.logs import from_iteration
from endurance.tally import Tally
from endurance.training import Training, wait_for_words
from endurance.truth import Judge, Truth

from minicaffe.errors import MinicaffeError

ITERATIONS = 24
SETTINGS = f"max_iter: {ITERATIONS} snapshot: 4"
# What is sent, one after the other: stop; save and go on; stop, and do not wait.
SIGNALS = {
    "SIGINT": [signal.SIGINT],
    "SIGTERM": [signal.SIGTERM],
    "SIGHUP": [signal.SIGHUP],
    "SIGHUP, then SIGINT": [signal.SIGHUP, signal.SIGINT],
    "SIGINT twice": [signal.SIGINT, signal.SIGINT],
}
# Of a stop that was asked for, and of one that came before or after the handler was there.
_STATUSES = {0, 130, -signal.SIGINT, -signal.SIGTERM, -signal.SIGHUP}


def interrupt_at_random(
    folder: Path,
    times: int,
    *,
    form: str = "binary",
    names: tuple[str, ...] = ("SIGINT",),
    seed: int = 1,
    tick: Callable[[], object] = lambda: None,
) -> Tally:
    """Interrupt a training run so many times, with the signals of these names in turn, and resume it each time.

    tick: called after each.
    """
    rng, trial = random.Random(seed), _Trial(folder, form)
    try:
        for i in range(times):
            trial.run(SIGNALS[names[i % len(names)]], rng)
            trial.tally.count(names[i % len(names)])
            tick()
    finally:
        trial.close()
    return trial.tally


class _Trial:
    """The straight run, and another folder in which runs are interrupted."""

    def __init__(self, folder: Path, form: str) -> None:
        self.tally = Tally()
        self._straight = Training(folder / "straight", form)
        self._stopped = Training(folder / "stopped", form, database=self._straight.database)
        process = self._straight.start(self._straight.solver(SETTINGS))
        wait_for_words(self._straight, process, "Solving")
        began = time.monotonic()
        if process.wait():
            raise RuntimeError(f"the straight run failed:\n{self._straight.says()[-2000:]}")
        self._seconds = time.monotonic() - began
        self._said = self._straight.says()
        self._truth, self._judge = Truth(self._straight), Judge(self._stopped)

    def close(self) -> None:
        self._truth.close()
        self._judge.close()

    def run(self, signals: list[signal.Signals], rng: random.Random) -> None:
        for path in self._stopped.folder.glob("*s_iter_*"):
            path.unlink()
        solver = self._stopped.solver(SETTINGS)
        self._interrupt(solver, signals, rng)
        self._judge_pairs("after the signal")
        for flag in ("auto", *self._extra_states()):
            self._resume(solver, flag)

    def _interrupt(self, solver: Path, signals: list[signal.Signals], rng: random.Random) -> None:
        process = self._stopped.start(solver)
        wait_for_words(self._stopped, process, "Solving")
        for number in signals:
            time.sleep(rng.uniform(0, self._seconds / len(signals)))
            process.send_signal(number)
        status, text = process.wait(), self._stopped.says()
        early, trained = "Optimization stopped early." in text, ", lr = " in text
        self.tally.count("stopped early", early)
        self.tally.count("stopped in a test", "Test interrupted." in text)
        self.tally.count("ended at once", status != 0)
        # Once all is done, Python itself may be interrupted while it ends, and says so.
        unexpected = "Traceback" in text.partition("Optimization Done.")[0] or "Snapshot failed" in text
        if status not in _STATUSES or unexpected:
            self.tally.fault("bad ends", f"status {status}: {text[-500:]}")
        self.tally.count("stopped before the first update", not trained)
        if early and trained and not self._stopped.iterations():
            self.tally.fault("lost pairs", f"a run that had trained left none: {text[-500:]}")

    def _judge_pairs(self, when: str) -> None:
        for iteration in self._stopped.iterations():
            self.tally.count("pairs judged")
            try:
                if self._judge.digest(self._stopped.state(iteration)) != self._truth[iteration]:
                    self.tally.fault("mixed pairs", f"{when}: iteration {iteration} is not the straight run's")
            except MinicaffeError as error:
                self.tally.fault("bad pairs", f"{when}: {error}")

    def _extra_states(self) -> list[str]:
        """Solverstates that only a signal can have asked for, and that are not the newest."""
        return [self._stopped.state(n).name for n in self._stopped.iterations()[1:] if n % 4]

    def _resume(self, solver: Path, flag: str) -> None:
        newest = self._stopped.iterations()[:1]
        status = self._stopped.start(solver, "--snapshot", flag).wait()
        text = self._stopped.says()
        match = re.search(r"Resum(?:ed|ing) from s_iter_(\d+)\.", text)
        iteration = int(match[1]) if match else 0
        self.tally.count("resumed runs")
        if status or (flag == "auto" and [iteration] != (newest or [0])):
            self.tally.fault("bad resumes", f"status {status}, from {iteration} instead of {newest}: {text[-500:]}")
        wanted, found = from_iteration(self._said, iteration), from_iteration(text, iteration)
        if not wanted or found != wanted:
            self.tally.fault("other logs", f"from iteration {iteration}: {_first_difference(wanted, found)}")
        self._judge_pairs(f"resumed from iteration {iteration}")
        if self._stopped.iterations()[:1] != [ITERATIONS] or self._stopped.temporaries():
            self.tally.fault(
                "bad resumes", f"in the end there are {sorted(p.name for p in self._stopped.folder.iterdir())}"
            )


def _first_difference(wanted: list[str], found: list[str]) -> str:
    for one, other in zip(wanted, found, strict=False):
        if one != other:
            return f"{other!r} instead of {one!r}"
    return f"{len(found)} lines instead of {len(wanted)}"
