"""kill -9 at random moments of a run that saves after every iteration: no pair is lost, none is mixed, nothing stays.

After each kill every pair that was whole before it has to be there, byte for byte, and every pair that the run said it
had saved has to hold what an undisturbed run holds at that iteration. The next run has to go on from the newest one,
and to have removed what its predecessor left half-written.
"""

from __future__ import annotations

import hashlib
import random
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

from endurance.logs import saved_iterations
from endurance.tally import Tally
from endurance.training import Training, wait_for_words
from endurance.truth import Judge, Truth

from minicaffe.errors import MinicaffeError

# What is waited for in the log before a kill, how often, and for how many seconds more at the most.
MOMENTS = {"": (0.2, 1.0), "Starting Optimization": (0.3, 0.3), "Snapshotting solver state": (0.5, 0.3)}
# So many pairs are kept, and looked at again after each kill.
KEPT = 5


def kill_at_random(
    folder: Path,
    times: int,
    *,
    form: str = "binary",
    keep: int | None = None,
    again: bool = False,
    seed: int = 1,
    tick: Callable[[], object] = lambda: None,
) -> Tally:
    """Kill a training run so many times, and judge what is on the disk each time.

    keep: as --snapshot_keep.  again: begin anew each time, over the pairs of the run before, instead of going on.
    tick: called after each kill.
    """
    training, rng, tally = Training(folder, form), random.Random(seed), Tally()
    solver = training.solver("max_iter: 1000000 snapshot: 1")
    flags = [] if again else ["--snapshot", "auto"]
    flags += [] if keep is None else ["--snapshot_keep", str(keep)]
    with _Witness(training, tally, keep, again) as witness:
        for _ in range(times):
            process = training.start(solver, *flags)
            _kill(training, process, rng)
            witness.look()
            tick()
        witness.last_run(solver, *flags)
    return tally


def _kill(training, process, rng) -> None:
    [words] = rng.choices(list(MOMENTS), [share for share, _ in MOMENTS.values()])
    wait_for_words(training, process, words)
    time.sleep(rng.uniform(0, MOMENTS[words][1]))
    process.send_signal(signal.SIGKILL)
    process.wait()


class _Witness:
    """Remembers which pairs were whole, and looks whether they still are."""

    def __init__(self, training: Training, tally: Tally, keep: int | None, again: bool) -> None:
        self._training, self._tally, self._keep, self._again = training, tally, keep, again
        self._truth, self._judge = Truth(training), Judge(training)
        # {iteration: SHA-256 of both files}
        self._whole: dict[int, str] = {}
        self._left: set[str] = set()

    def __enter__(self) -> _Witness:
        return self

    def __exit__(self, *error: object) -> None:
        self._truth.close()
        self._judge.close()

    def look(self) -> None:
        """After a kill."""
        training, tally = self._training, self._tally
        text = training.says()
        started = "Starting Optimization" in text
        tally.count("kills")
        tally.count("kills before training began", not started)
        self._look_at_resuming(text, started)
        self._look_at_pairs(saved_iterations(text))
        temporaries = training.temporaries()
        tally.count("kills in the midst of writing a pair", bool(temporaries))
        if started and temporaries & self._left:
            tally.fault("stale temporary files", f"{temporaries & self._left} were still there after a restart")
        self._left = temporaries

    def _look_at_resuming(self, text: str, started: bool) -> None:
        if self._again or not started:
            return
        match = re.search(r"Resumed from s_iter_(\d+)", text)
        finished = [int(number) for number in re.findall(r"Finished the snapshot \S*s_iter_(\d+)", text)]
        newest, found = max([0, *self._whole, *finished]), int(match[1]) if match else 0
        if found != newest:
            self._tally.fault("resumed from the wrong pair", f"{found} instead of {newest}")
        self._tally.count("runs that went on from a snapshot", bool(match))
        self._tally.count("pairs that a restart finished", len(finished))

    def _look_at_pairs(self, saved: list[int]) -> None:
        there = self._training.iterations()
        expected = sorted({*self._whole, *saved, *there}, reverse=True)
        self._tally.count("pairs saved", len(set(saved) - set(self._whole)))
        if self._keep is not None:
            # Clearing away may be done, or under way, or still to come.
            expected = expected[: self._keep]
        found = {iteration: self._checked(iteration) for iteration in expected}
        self._whole = {iteration: digest for iteration, digest in found.items() if digest}
        for iteration in there if self._keep is None else ():
            if iteration not in sorted(self._whole, reverse=True)[:KEPT]:
                self._training.state(iteration).unlink()
                self._training.model(iteration).unlink(missing_ok=True)
                self._whole.pop(iteration, None)

    def _checked(self, iteration: int) -> str | None:
        """Digest of a pair that should be whole; None, and a fault, where it is not."""
        training, state = self._training, self._training.state(iteration)
        if not state.exists() or not training.model(iteration).exists():
            self._tally.fault("lost pairs", f"{state} or its weights are not there")
            return None
        found = hashlib.sha256(state.read_bytes() + training.model(iteration).read_bytes()).hexdigest()
        if found == self._whole.get(iteration):
            return found
        if iteration in self._whole and not self._again:
            self._tally.fault("changed pairs", f"{state} is not what it was")
        try:
            self._tally.count("pairs judged")
            if self._judge.digest(state) != self._truth[iteration]:
                self._tally.fault("mixed pairs", f"{state} holds another run than the one not disturbed")
        except MinicaffeError as error:
            self._tally.fault("bad pairs", str(error))
            return None
        return found

    def last_run(self, solver: Path, *flags: str) -> None:
        """One run that nobody kills: it has to succeed, and to leave nothing under a temporary name."""
        training = self._training
        stop = (training.iterations() or [0])[0] + 2
        status = training.start(solver, *flags, "--max_iter", str(stop)).wait()
        if status:
            self._tally.fault("last run failed", training.says()[-500:])
        self._look_at_pairs(saved_iterations(training.says()))
        weights = {path.name.split(".")[0] for path in training.folder.glob("s_iter_*.caffemodel*")}
        if alone := weights - {training.state(iteration).name.split(".")[0] for iteration in training.iterations()}:
            self._tally.fault("weights left without a solverstate", f"{alone} are there in the end")
        if training.temporaries():
            self._tally.fault("stale temporary files", f"{training.temporaries()} are there in the end")
        if training.iterations()[:1] != [stop]:
            self._tally.fault("lost pairs", f"the last run did not save iteration {stop}")
