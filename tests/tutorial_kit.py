"""The tutorial as its user has it: a folder examples/mnist with the shipped files, and databases of real MNIST."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from minicaffe.cli.main import main
from minicaffe.tools.convert_mnist_data import convert

SHIPPED = Path(__file__).resolve().parents[1] / "examples" / "mnist"
IDX_NAMES = {"train": "train", "test": "t10k"}
# What a shortened run does not do; and what makes it repeatable.
SHORT = {"snapshot": 0, "snapshot_after_train": "false", "random_seed": 1701}


class Tutorial:
    """folder: examples/mnist below the current folder.  databases: where those that were made once lie."""

    def __init__(self, mnist_dir, databases, capsys):
        self.folder, self._databases = Path("examples/mnist"), databases
        self._mnist_dir, self._capsys = mnist_dir, capsys
        self.folder.mkdir(parents=True)
        for file in SHIPPED.glob("*.prototxt"):
            shutil.copy(file, self.folder)

    def make_databases(self, backend):
        """What create_mnist.sh makes."""
        for name, prefix in IDX_NAMES.items():
            made = self._databases / f"mnist_{name}_{backend}"
            if not made.exists():
                convert(self.idx_file(f"{prefix}-images-idx3"), self.idx_file(f"{prefix}-labels-idx1"), made, backend)
            (self.folder / made.name).symlink_to(made, target_is_directory=True)

    def idx_file(self, name):
        """One of MNIST's four files, packed or not."""
        plain = self._mnist_dir / f"{name}-ubyte"
        return plain if plain.exists() else plain.with_name(f"{plain.name}.gz")

    def shortened(self, solver, **settings):
        """The path of a copy of a shipped solver file with these settings."""
        text = (self.folder / solver).read_text()
        for name, value in {**SHORT, **settings}.items():
            text = re.sub(rf"^{name}:.*\n?", "", text, flags=re.MULTILINE) + f"\n{name}: {value}"
        path = self.folder / f"short_{solver}"
        path.write_text(text)
        return str(path)

    def run(self, *words):
        """Run a command of the console script; what it logs, without the prefixes."""
        self._capsys.readouterr()
        status = main([str(word) for word in words])
        text = self._capsys.readouterr().err
        assert status == 0, text
        return re.sub(r"^[IWEF]\d{4} [\d:.]+ +\d+ \S+:\d+\] ", "", text, flags=re.MULTILINE)


def train_losses(text):
    """{iteration: loss}, from the lines of displayed iterations."""
    lines = re.findall(r"^Iteration (\d+)(?: \(.*?\))?, loss = (\S+)$", text, re.MULTILINE)
    return {int(iteration): float(loss) for iteration, loss in lines}


def outputs_of_tests(text):
    """{iteration: {blob: value}}, from the lines of tests."""
    found = {}
    for line in text.splitlines():
        if match := re.match(r"Iteration (\d+), Testing net", line):
            outputs = found[int(match[1])] = {}
        elif match := re.match(r"    Test net output #\d+: (\S+) = (\S+)", line):
            outputs[match[1]] = float(match[2])
    return found
