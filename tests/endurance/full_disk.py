"""A disk that fills at every 4 KiB of a pair: nothing bad is believed, older pairs stay, training goes on.

The trial is a process of its own (python -m endurance.full_disk ...), in which a solver trains and saves after every
iteration, each time with less room on the disk.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from endurance import disks
from endurance.logs import errors
from endurance.tally import Tally
from endurance.training import Training, environment
from endurance.truth import Judge, digest

from minicaffe.errors import FileError, MinicaffeError
from minicaffe.solver import Action, Solver

# Two histories, so that the solverstate is the larger file: a limit on the size of files can hit it alone.
ADAM = 'type: "Adam" momentum2: 0.999'
DISK = 32 << 20  # bytes
# The command line is tried as well, with these shares of the room that a pair needs.
SHARES = (0.1, 0.5, 0.9)


def fill_disk(
    folder: Path,
    *,
    form: str = "binary",
    disk: str = "tmpfs",
    step: int = disks.PAGE,
    hidden: int = 500,
    shares: tuple[float, ...] = SHARES,
    tick: Callable[[], object] = lambda: None,
) -> Tally:
    """Save with room for a pair, with `step` bytes less, and so on down to none; then the same over an older pair.

    disk: "tmpfs", where disks.namespace() allows it; or "limit", on the size of each file.
    hidden: as Training has it, for smaller pairs.  shares: of the room a pair needs, to try the command line with.
    tick: called after each.
    """
    Training(folder, form, hidden=hidden)  # the digits lie elsewhere
    words = [
        sys.executable,
        "-m",
        "endurance.full_disk",
        str(folder),
        form,
        disk,
        str(step),
        str(hidden),
        *map(str, shares),
    ]
    before = disks.namespace() or () if disk == "tmpfs" else ()
    tally, said = Tally(), []
    # The log too goes into the pipe: limits on files do not apply to it.
    with subprocess.Popen(
        [*before, *words], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout:
            if line.startswith("{"):
                tally.add(json.loads(line))
            elif line == ".\n":
                tick()
            else:
                said.append(line)
    failed, told = tally.counts["failed while training"], len(errors("".join(said)))
    if process.returncode or not failed:
        tally.fault("crashes", "".join(said)[-2000:])
    if failed != told:
        tally.fault("silent failures", f"{failed} snapshots failed, {told} ERROR lines tell of it")
    return tally


class _Trial:
    """What happens in the process. It stands in a folder on the small disk."""

    def __init__(self, folder: Path, form: str, disk: str, step: int, hidden: int, shares: tuple[float, ...]) -> None:
        self.tally, self._step, self._shares, self._by_file = Tally(), step, shares, disk == "limit"
        self._training = Training(folder, form, hidden=hidden)
        self._judge = Judge(self._training, ADAM)
        small = folder / "small"
        self._disk = disks.FileLimit(small) if self._by_file else disks.SmallDisk(small, DISK)
        os.chdir(small)
        # Pairs that are whole: {iteration: the bytes of both files}
        self._known: dict[int, tuple[bytes, ...]] = {}

    def run(self) -> None:
        self._train()
        for iteration in list(self._known):
            if iteration > 1:
                for path in self._pair(iteration):
                    path.unlink()
                del self._known[iteration]
        self._save_over()
        self._command_line()

    def _pair(self, iteration: int) -> tuple[Path, Path]:
        return Path(self._training.model(iteration).name), Path(self._training.state(iteration).name)

    def _size(self) -> int:
        """Bytes of room that a pair needs."""
        sizes = [len(data) for data in self._known[1]]
        return max(sizes) if self._by_file else sum(sizes)

    def _rooms(self) -> list[int]:
        return list(range(self._size() // self._step * self._step, -1, -self._step))

    def _solver(self, settings: str, name: str) -> Solver:
        return Solver(self._training.solver(f"{ADAM} {settings}", name))

    def _train(self) -> None:
        """A pair with all the room that there is; then the snapshot of each iteration with less than the one before."""
        first = self._solver("snapshot: 1", "first.prototxt")
        first.step(1)
        first.close()
        self._look({1: digest(first)})
        rooms = self._rooms()
        solver, digests = self._solver(f"snapshot: 1 max_iter: {len(rooms) + 1}", "more.prototxt"), {}
        solver.restore(self._pair(1)[1])

        def before_saving() -> Action:
            # Asked after each update, and before each pass of a test too.
            if solver.iter not in digests:
                self._disk.leave(None)
                self._look(digests)
                digests[solver.iter] = digest(solver)
                self._disk.leave(rooms[solver.iter - 2])
                print(".", flush=True)
            return Action.NONE

        solver.action_function = before_saving
        try:
            solver.solve()
            self.tally.fault("silent failures", "the last snapshot failed, and solve did not raise")
        except FileError:
            self.tally.count("runs that ended with the error")
        self._disk.leave(None)
        self._look(digests)
        self.tally.count("failed while training", len(rooms) - len(self._known) + 1)
        if solver.iter != len(rooms) + 1:
            self.tally.fault("training that ended", f"at iteration {solver.iter} of {len(rooms) + 1}")
        solver.close()

    def _save_over(self) -> None:
        """Over the pair of another run, with less and less room: it is the old one, or the new one."""
        solver = self._solver('regularization_type: "L1"', "other.prototxt")
        solver.step(1)
        for room in self._rooms():
            self._disk.leave(room)
            try:
                solver.snapshot()
                self._known.clear()
            except FileError:
                self.tally.count("failed over an older pair")
            self._disk.leave(None)
            self._look({1: digest(solver)})
            print(".", flush=True)
        solver.close()

    def _command_line(self) -> None:
        """Three iterations more, of which none can be saved."""
        solver = self._training.solver(f"{ADAM} snapshot: 1 max_iter: 4", "command.prototxt")
        for share in self._shares:
            self._disk.leave(int(self._size() * share))
            words = [sys.executable, "-m", "minicaffe.train", str(solver), "--snapshot", "auto"]
            done = subprocess.run(words, stderr=subprocess.PIPE, text=True)
            self._disk.leave(None)
            self._look({})
            last = done.stderr.splitlines()[-1]
            self.tally.count("command lines that said so")
            if (
                done.returncode != 1
                or len(errors(done.stderr)) != 3
                or not re.match("error: .*cannot be written", last)
            ):
                self.tally.fault("silent failures", f"status {done.returncode}: {done.stderr[-1000:]}")
            if "Optimization Done." not in done.stderr or "Resumed from" not in done.stderr:
                self.tally.fault("training that ended", done.stderr[-1000:])

    def _look(self, digests: dict[int, str]) -> None:
        """What is on the disk: pairs that are known, byte for byte, and new ones that hold what they should."""
        there = {path.name for path in Path().iterdir()} - {"filler"}
        for state in Path().glob("s_iter_*.solverstate*"):
            iteration = int(re.findall(r"\d+", state.name)[0])
            pair = self._pair(iteration)
            there -= {path.name for path in pair}
            try:
                contents = tuple(path.read_bytes() for path in pair)
                if iteration not in self._known:
                    self._known[iteration] = contents
                    if self._judge.digest(state) != digests[iteration]:
                        self.tally.fault("believed", f"{state} holds something else")
                if contents != self._known[iteration]:
                    self.tally.fault("changed pairs", f"{state} is not what it was")
            except (OSError, MinicaffeError) as error:
                self.tally.fault("bad pairs", str(error))
        if there or 1 not in self._known:
            self.tally.fault("left behind", f"{sorted(there)}; pairs {sorted(self._known)}")


def main(folder: str, form: str, disk: str, step: str, hidden: str, *shares: str) -> None:
    trial = _Trial(Path(folder), form, disk, int(step), int(hidden), tuple(map(float, shares)))
    trial.run()
    print(json.dumps({"counts": trial.tally.counts, "faults": trial.tally.faults}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
