"""The run that is to survive: LeNet on a few drawn digits, as a process of its own or in this one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

from minicaffe.io.database import create_database
from minicaffe.tools import digits
from minicaffe.tools.convert_mnist_data import records

ROOT = Path(__file__).resolve().parents[2]
LENET = ROOT / "examples" / "mnist" / "lenet_train_test.prototxt"
FORMATS = {"binary": "BINARYPROTO", "hdf5": "HDF5"}
# Everything that a resumed run has to take up: momentum, a rate that steps, a smoothed loss, tests, random mirroring.
SOLVER = """\
base_lr: 0.001 momentum: 0.9 weight_decay: 0.0005 lr_policy: "multistep" gamma: 0.9 stepvalue: 7 stepvalue: 12
random_seed: 1701 average_loss: 3 display: 1 test_iter: 2 test_interval: 5 solver_mode: CPU
"""


class Training:
    """A folder with a database, a net, and solver files; snapshots appear in it as s_iter_<n>, or below it.

    folder: made here.  form: "binary" or "hdf5".  database: to share that of another Training.
    prefix: of the snapshots.  hidden: outputs of ip1; with LeNet's 500 a pair is 3.4 MB.
    """

    def __init__(
        self,
        folder: Path,
        form: str = "binary",
        *,
        database: Path | None = None,
        prefix: str = "s",
        hidden: int = 500,
    ) -> None:
        self.folder, self.form, self.prefix = Path(folder), form, prefix
        self.suffix = ".h5" if form == "hdf5" else ""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.database = database or self.folder / "digits"
        self.net = self.folder / "net.prototxt"
        self.net.write_text(self._net(hidden))
        self.log = self.folder / "log"

    def _net(self, hidden: int) -> str:
        if not self.database.exists():
            with create_database(self.database, "lmdb") as writer:
                for key, value in records(*digits.draw(200, 1, "endurance")):
                    writer.put(key, value)
        text = re.sub(r'source: ".*"', f'source: "{self.database}"', LENET.read_text())
        text = text.replace("num_output: 500", f"num_output: {hidden}")
        text = re.sub("batch_size: 64", "batch_size: 3", re.sub("batch_size: 100", "batch_size: 7", text))
        return text.replace("transform_param {", "transform_param { mirror: true", 1)

    def solver(self, settings: str = "", name: str = "solver.prototxt") -> Path:
        """Write a solver file with these settings beside the common ones."""
        path = self.folder / name
        saving = f'snapshot_format: {FORMATS[self.form]} snapshot_prefix: "{self.prefix}"'
        path.write_text(f'net: "{self.net}"\n{SOLVER}{saving}\n{settings}\n')
        return path

    def start(self, solver: Path, *flags: str, command: tuple[str, ...] = ()) -> subprocess.Popen:
        """python -m minicaffe.train SOLVER FLAGS in the solver's folder; what it says goes to `log`, emptied first."""
        words = [*command, sys.executable, "-m", "minicaffe.train", str(solver), *flags]
        with open(self.log, "wb") as log:
            return subprocess.Popen(words, cwd=solver.parent, env=environment(), stdin=subprocess.DEVNULL, stderr=log)

    def says(self) -> str:
        return self.log.read_text(errors="replace")

    def state(self, iteration: int) -> Path:
        return self.folder / f"s_iter_{iteration}.solverstate{self.suffix}"

    def model(self, iteration: int) -> Path:
        return self.folder / f"s_iter_{iteration}.caffemodel{self.suffix}"

    def iterations(self) -> list[int]:
        """Of the solverstates that are there, the newest first."""
        found = [re.fullmatch(rf"s_iter_(\d+)\.solverstate{self.suffix}", name) for name in os.listdir(self.folder)]
        return sorted((int(match[1]) for match in found if match), reverse=True)

    def temporaries(self) -> set[str]:
        """Files under temporary names."""
        return {name for name in os.listdir(self.folder) if name.endswith(".tmp")}


def environment() -> dict[str, str]:
    """This checkout's minicaffe, one thread, all of the log."""
    paths = [str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GLOG_")}
    return {**kept, "MINICAFFE_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)}


def wait_for_words(training: Training, process: subprocess.Popen, words: str, seconds: float = 60) -> bool:
    """Wait until the log has these words; False where the process ended without them."""
    stop = time.monotonic() + seconds
    while time.monotonic() < stop:
        ended = process.poll() is not None
        if words in training.says():
            return True
        if ended:
            return False
        time.sleep(0.003)
    raise TimeoutError(f"{words!r} is not in the log after {seconds} s:\n{training.says()[-2000:]}")
