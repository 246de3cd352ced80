"""What a run that nobody disturbs has after each iteration, and whether a snapshot holds just that.

As a program (python -m endurance.truth SOLVER) it prints a digest for each line that it reads: of iteration 0, 1, ...
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from endurance.training import Training, environment

from minicaffe import log
from minicaffe.solver import Action, Solver


def digest(solver: Solver) -> str:
    """One number for all that a run goes on with: iteration, weights, history, and the nets' places in the data."""
    numbers = [solver.iter, solver._current_step, solver.net.state(), *(net.state() for net in solver.test_nets)]
    found = hashlib.sha256(json.dumps(numbers, sort_keys=True).encode())
    for blob in solver.net.learnable_params:
        found.update(np.ascontiguousarray(blob.data))
    for array in solver._updater.history:
        found.update(np.ascontiguousarray(array))
    return found.hexdigest()


class Truth:
    """The digests of the run that is not disturbed, made as they are asked for."""

    def __init__(self, training: Training) -> None:
        settings = "max_iter: 1000000 snapshot_after_train: false"
        solver = training.solver(settings, "truth.prototxt")
        command = [sys.executable, "-m", "endurance.truth", str(solver)]
        self._process = subprocess.Popen(
            command, cwd=training.folder, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._found: list[str] = []

    def __getitem__(self, iteration: int) -> str:
        """The digest after so many iterations."""
        while len(self._found) <= iteration:
            print(file=self._process.stdin, flush=True)
            self._found.append(self._process.stdout.readline().strip())
            if not self._found[-1]:
                raise RuntimeError(f"the undisturbed run ended after {len(self._found) - 2} iterations")
        return self._found[iteration]

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()
        self._process.stdin.close()


class Judge:
    """Restores snapshots into a solver of its own, and says what then is in it."""

    def __init__(self, training: Training, settings: str = "") -> None:
        with silence():
            self.solver = Solver(training.solver(f"max_iter: 1000000 {settings}", "judge.prototxt"))

    def digest(self, state: Path) -> str:
        """Of what a solverstate and its weights bring back. Raises MinicaffeError for a pair that is refused."""
        with silence():
            self.solver.restore(state)
        return digest(self.solver)

    def close(self) -> None:
        self.solver.close()


@contextmanager
def silence() -> Iterator[None]:
    before = log.set_level(log.FATAL)
    try:
        yield
    finally:
        log.set_level(before)


def main(solver_file: str) -> None:
    log.set_level(log.FATAL)
    solver, told = Solver(solver_file), -1

    def tell() -> Action:
        nonlocal told
        # Asked after each update, and before each pass of a test too.
        if solver.iter > told:
            told = solver.iter
            sys.stdin.readline()
            print(digest(solver), flush=True)
        return Action.NONE

    tell()
    solver.action_function = tell
    solver.solve()


if __name__ == "__main__":
    main(sys.argv[1])
