"""A process that dies before each single thing it does to the folder, while it saves one pair.

Where kill.py draws the moments, here all are tried: before every opening, renaming, removing and listing of a file.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from endurance.tally import Tally
from endurance.training import FORMATS
from endurance.truth import digest, silence
from solver_kit import write_solver

from minicaffe.errors import MinicaffeError
from minicaffe.solver import Solver

# What the pair is written beside, or over.
SCENES = {
    "beside an older pair": {"iterations": 2},
    "over the same pair": {"iterations": 1},
    "over a pair of another run": {"iterations": 1, "random_seed": 2},
    "and clears the older pair away": {"iterations": 2, "keep": 1},
}
_EVENTS = {"open", "os.rename", "os.remove", "os.chmod", "os.listdir"}


class Scene:
    """A folder with the pair of iteration 1, and a solver that is about to save. name: of SCENES."""

    def __init__(self, folder: Path, name: str, form: str) -> None:
        self.folder, self._form = folder, FORMATS[form]
        folder.mkdir(parents=True)
        older = self._solver()
        older.step(1)
        older.snapshot()
        setting = SCENES[name]
        self.writer = self._solver(setting.get("random_seed", 1), setting.get("keep"))
        self.writer.step(setting["iterations"])
        self.judge = self._solver()
        # What the pairs may hold, by iteration.
        self.held = {1: {digest(older)}}
        self.held.setdefault(self.writer.iter, set()).add(digest(self.writer))
        # {path: bytes}
        self._files = {path: path.read_bytes() for path in folder.iterdir() if path.name.startswith("s_iter")}

    def _solver(self, random_seed: int = 1, keep: int | None = None, snapshot: int = 0) -> Solver:
        settings = f'base_lr: 0.1 lr_policy: "fixed" random_seed: {random_seed} snapshot: {snapshot}'
        settings = f'{settings} snapshot_format: {self._form} snapshot_prefix: "{self.folder}/s"'
        return Solver(write_solver(self.folder, settings), snapshot_keep=keep)

    def reset(self) -> None:
        for path in self.folder.glob("*s_iter*"):
            path.unlink()
        for path, data in self._files.items():
            path.write_bytes(data)

    def restart(self) -> Solver:
        """What the next process begins with."""
        return self._solver(snapshot=1)

    def temporaries(self) -> list[Path]:
        return list(self.folder.glob(".*.tmp"))


def kill_at_each_step(
    folder: Path, name: str, form: str = "binary", *, tick: Callable[[], object] = lambda: None
) -> Tally:
    """Save a pair and die before the first step, the second, and so on until all was done; tick is called after each.

    name: of SCENES.
    """
    tally = Tally()
    with silence():
        scene = Scene(folder, name, form)
        while _dies_before(scene.folder, tally.counts["kills"] + 1, scene.writer.snapshot):
            tally.count("kills")
            tally.count("kills that left temporary files", bool(scene.temporaries()))
            _look(scene, tally)
            scene.reset()
            tick()
    return tally


def _dies_before(folder: Path, step: int, work: Callable[[], object]) -> bool:
    """Whether a child that does the work was killed: before that step, counted from 1, if it gets there."""
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            signal.alarm(60)
            sys.addaudithook(_Killer(str(folder), step))
            work()
            os._exit(0)
        os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status not in (0, -signal.SIGKILL):
        raise RuntimeError(f"the child ended with status {status} instead of being killed")
    return status != 0


class _Killer:
    """An audit hook that ends the process before the last of so many steps in a folder."""

    def __init__(self, folder: str, steps: int) -> None:
        self._folder, self._steps = folder, steps

    def __call__(self, event: str, arguments: tuple) -> None:
        if event in _EVENTS and str(arguments[0]).startswith(self._folder):
            self._steps -= 1
            if self._steps == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def _look(scene: Scene, tally: Tally) -> None:
    when = f"killed before step {tally.counts['kills']}"
    whole = _whole_pairs(scene, tally, when)
    if not whole:
        # Two files cannot change at once: where their contents are others, the restart has to finish the pair.
        tally.count("kills after which the restart finished a pair")
        if len(scene.held[1]) == 1:
            tally.fault("lost pairs", f"{when}: none is whole before the restart")
    solver = scene.restart()
    if scene.temporaries():
        tally.fault("stale temporary files", f"{when}: {scene.temporaries()}")
    used = solver.restore_newest() if list(scene.folder.glob("s_iter*.solverstate*")) else None
    if used is None:
        tally.fault("lost after the restart", f"{when}: nothing to go on from")
    elif digest(solver) not in scene.held[solver.iter]:
        tally.fault("mixed pairs", f"{when}: {used} was gone on from")
    elif solver.iter < max(whole, default=1):
        tally.fault("lost pairs", f"{when}: {used} was gone on from, not {max(whole)}")
    orphans = {path.name.split(".")[0] for path in scene.folder.glob("s_iter*.caffemodel*")}
    orphans -= {path.name.split(".")[0] for path in scene.folder.glob("s_iter*.solverstate*")}
    if orphans:
        tally.fault("weights left without a solverstate", f"{when}: {orphans}")


def _whole_pairs(scene: Scene, tally: Tally, when: str) -> list[int]:
    """The iterations whose pairs can be gone on from; a solverstate that is there and cannot is a fault."""
    judge, whole = scene.judge, []
    for path in scene.folder.glob("s_iter_*.solverstate*"):
        try:
            judge.restore(path)
        except MinicaffeError as error:
            tally.fault("bad pairs", f"{when}: {error}")
            continue
        if digest(judge) in scene.held[judge.iter]:
            whole.append(judge.iter)
        else:
            tally.fault("mixed pairs", f"{when}: {path}")
    return whole
