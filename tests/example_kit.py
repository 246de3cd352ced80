"""What tests of the examples share: a copy of an example's folder, a small set of digits, and scripts run in a copy."""

import functools
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from tutorial_kit import Tutorial

from minicaffe import log
from minicaffe.io import idx
from minicaffe.net.net import Net
from minicaffe.tools import digits
from minicaffe.tools.mnist_files import FILES

ROOT = Path(__file__).resolve().parents[1]
COUNTS = {"train": 800, "t10k": 200}


class Example(Tutorial):
    """examples/NAME below the current folder, a temporary one, where all is logged."""

    def __init__(self, name, tmp_path, monkeypatch, capsys):
        self.folder, self._capsys = Path("examples", name), capsys
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(log, "_level", log.INFO)
        made = shutil.ignore_patterns(
            "*_lmdb", "*_leveldb", "*_iter_*", "mean.binaryproto", "data", "__pycache__", "*.log"
        )
        shutil.copytree(ROOT / self.folder, self.folder, ignore=made)


def shapes(net):
    """{blob: shape}, without what Split layers make."""
    return {name: blob.shape for name, blob in net.blobs.items() if "_split_" not in name}


def parameters(net):
    """How many numbers a net learns, shared ones counted once."""
    return sum({address(blob): blob.count for blobs in net.params.values() for blob in blobs}.values())


def address(blob):
    """Where a blob's numbers lie: the same for blobs that share them."""
    return blob.data.__array_interface__["data"][0]


def build(file, phase, **options):
    """A net that logs nothing."""
    before = log.set_level(log.FATAL)
    try:
        return Net(str(file), phase, **options)
    finally:
        log.set_level(before)


@functools.cache
def _digits(part):
    return digits.draw(COUNTS[part], 1, part)


def write_digits(folder):
    """MNIST's four files, with few digits, drawn by the generator."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in FILES:
        images, labels = _digits(file.name.split("-")[0])
        data = idx.encode_images(images) if "images" in file.name else idx.encode_labels(labels)
        (folder / file.name).write_bytes(data)
    return folder


def knowing(digits):
    """A line for Scripts: what write_digits wrote into this folder is MNIST."""
    files = "MnistFile(file.name, len(data), md5(data)) for file in FILES for data in [read(file)]"
    return (
        "from minicaffe.tools import mnist_files; from minicaffe.tools.mnist_files import FILES, MnistFile, md5; "
        f"read = lambda file: open(os.path.join({str(digits)!r}, file.name), 'rb').read(); "
        f"mnist_files.FILES = tuple({files})"
    )


# An interpreter that tells how training is called, and stops there; other modules it runs, after what `prelude` says.
_PYTHON = """\
    #!{executable}
    import os, runpy, sys
    sys.path.insert(0, {root!r})
    assert sys.argv.pop(1) == "-m", sys.argv
    module = sys.argv.pop(1)
    if module == "minicaffe.train":
        print("cwd", os.getcwd())
        print("train", *sys.argv[1:])
        sys.exit({status})
    {prelude}
    runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


class Scripts:
    """Files of the repository in "a copy" of it, and their scripts called from a folder elsewhere."""

    def __init__(self, tmp_path, paths, prelude="pass", status=0):
        if os.name != "posix" or not shutil.which("bash"):
            pytest.skip("no bash here to run the scripts")
        self.root, self.elsewhere, self._python = tmp_path / "a copy", tmp_path / "elsewhere", tmp_path / "python"
        self.elsewhere.mkdir()
        for path in paths:
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, self.root / path)
        text = textwrap.dedent(_PYTHON)
        text = text.format(executable=sys.executable, root=str(ROOT), prelude=prelude, status=status)
        self._python.write_text(text)
        self._python.chmod(0o755)

    def run(self, script, *arguments, **environment):
        """The finished process. No mirror can be reached, and no data is found by the environment."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MINICAFFE_")}
        nowhere = dict.fromkeys(("MINICAFFE_MNIST_MIRRORS", "MINICAFFE_CIFAR10_MIRRORS"), "http://127.0.0.1:9/")
        return subprocess.run(
            [str(self.root / script), *arguments],
            cwd=self.elsewhere,
            env={**kept, **nowhere, "no_proxy": "*", "PYTHON": str(self._python), **environment},
            capture_output=True,
            text=True,
            timeout=60,
        )


def passed_to_train_sh(tmp_path, script, *arguments):
    """The arguments that a script of examples/mnist hands to train.sh when it is called with these."""
    scripts = Scripts(tmp_path, [f"examples/mnist/{script}", "examples/mnist/train.sh"])
    (scripts.root / "examples" / "mnist" / "train.sh").write_text('#!/usr/bin/env bash\nprintf "%s\\n" "$@"\n')
    done = scripts.run(f"examples/mnist/{script}", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()
