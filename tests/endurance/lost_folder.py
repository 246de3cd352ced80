"""The folder of the snapshots is lost while a run trains: it goes on, says so, and ends with a status that is not 0.

Lost: the folder is removed, a file comes in its place, its permissions are taken away (nothing to a superuser), or the
disk that it lies on becomes read-only (in a process of its own: python -m endurance.lost_folder ...).
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from endurance import disks
from endurance.logs import errors
from endurance.tally import Tally
from endurance.training import Training, environment, wait_for_words
from endurance.truth import Judge, Truth

from minicaffe.errors import MinicaffeError

ITERATIONS = 40
SETTINGS = f"max_iter: {ITERATIONS} snapshot: 1"
DISK = 1 << 30  # bytes


# Where the folder is then, if not in its place.
MOVED = {"removed": "removed", "replaced by a file": "moved"}


def _remove(folder: Path) -> None:
    # Renamed first: into the folder itself new files come all the time.
    shutil.rmtree(folder.rename(folder.with_name(MOVED["removed"])))


def _replace(folder: Path) -> None:
    folder.rename(folder.with_name(MOVED["replaced by a file"]))
    folder.write_text("a file")


def _forbid(folder: Path) -> None:
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)


WAYS = {"removed": _remove, "replaced by a file": _replace, "forbidden": _forbid, "read-only": None}


def cannot(way: str) -> str:
    """Why a way to lose the folder cannot be tried here; "" where it can."""
    if way == "forbidden" and os.geteuid() == 0:
        return "permissions mean nothing to a superuser"
    if way == "read-only" and disks.namespace() is None:
        return "nothing can be mounted here"
    return ""


def lose_folder(folder: Path, way: str, form: str = "binary", *, tick: Callable[[], object] = lambda: None) -> Tally:
    """Train, lose the folder once two pairs are there, and look at how the run ends. way: of WAYS."""
    tick()
    if way != "read-only":
        return _lose(folder, form, way)
    tally = Tally()
    words = [*disks.namespace(), sys.executable, "-m", "endurance.lost_folder", str(folder), form]
    done = subprocess.run(words, env=environment(), capture_output=True, text=True)
    if done.returncode:
        tally.fault("crashes", done.stderr[-2000:])
    else:
        tally.add(json.loads(done.stdout))
    return tally


def _lose(folder: Path, form: str, way: str) -> Tally:
    tally, training = Tally(), Training(folder, form, prefix="snapshots/s")
    snapshots = folder / "snapshots"
    disk = disks.SmallDisk(snapshots, DISK) if way == "read-only" else None
    snapshots.mkdir(exist_ok=True)
    process = training.start(training.solver(SETTINGS))
    wait_for_words(training, process, "snapshots/s_iter_3.caffemodel")
    _until_done(disk.make_read_only if disk else lambda: WAYS[way](snapshots))
    status, text = process.wait(), training.says()
    if way == "forbidden":
        snapshots.chmod(stat.S_IRWXU)
    failed = [line for line in errors(text) if line.startswith("Snapshot failed, training goes on: ")]
    tally.count("snapshots that failed", len(failed))
    if not failed:
        tally.fault("silent failures", text[-1000:])
    if status != 1 or not text.splitlines()[-1].startswith("error: ") or "Traceback" in text:
        tally.fault("bad ends", f"status {status}: {text[-1000:]}")
    if f"Iteration {ITERATIONS}, loss" not in text or "Optimization Done." not in text:
        tally.fault("training that ended", text[-1000:])
    _judge(training, folder / MOVED.get(way, "snapshots"), tally)
    return tally


def _until_done(lose: Callable[[], object]) -> None:
    """A disk is not made read-only while a file on it is being written."""
    for _ in range(1000):
        try:
            lose()
        except subprocess.CalledProcessError:
            time.sleep(0.002)
        else:
            return
    raise TimeoutError("the disk is always busy")


def _judge(training: Training, snapshots: Path, tally: Tally) -> None:
    """The pairs that were saved before are still good."""
    truth, judge = Truth(training), Judge(training)
    try:
        for state in snapshots.glob(f"s_iter_*.solverstate{training.suffix}"):
            tally.count("older pairs judged")
            if judge.digest(state) != truth[judge.solver.iter]:
                tally.fault("mixed pairs", f"{state} is not the undisturbed run's")
    except MinicaffeError as error:
        tally.fault("bad pairs", str(error))
    finally:
        truth.close()
        judge.close()


if __name__ == "__main__":
    told = _lose(Path(sys.argv[1]), sys.argv[2], "read-only")
    print(json.dumps({"counts": told.counts, "faults": told.faults}))
