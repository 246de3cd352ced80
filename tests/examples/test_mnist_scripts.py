"""The tutorial's three scripts, run in a copy of their folders: from any current directory, again, and after a switch.

The interpreter that they are given knows a small MNIST and a quick generator, and notes how training would be called.
"""

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from minicaffe.io import idx
from minicaffe.io.database import open_database
from minicaffe.proto import caffe_pb2
from minicaffe.tools.mnist_files import FILES, MARKER

ROOT = Path(__file__).resolve().parents[2]
COUNTS = {"train": 30, "t10k": 20}
DATABASES = {"mnist_train": 30, "mnist_test": 20}

PYTHON = """\
    #!{executable}
    import os, runpy, sys
    sys.path.insert(0, {root!r})
    assert sys.argv.pop(1) == "-m", sys.argv
    module = sys.argv.pop(1)
    if module == "minicaffe.train":
        print("cwd", os.getcwd())
        print("train", *sys.argv[1:])
        sys.exit(3)
    from minicaffe.tools import digits, mnist_files
    from pathlib import Path

    def files(folder):
        return {{file.name: Path(folder, file.name).read_bytes() for file in mnist_files.FILES}}

    generated = files({generated!r})
    digits.draw_files = lambda seed: generated
    mnist_files.FILES = tuple(
        mnist_files.MnistFile(name, len(data), mnist_files.md5(data)) for name, data in files({real!r}).items()
    )
    runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


def write_set(folder, seed):
    """Four small files under MNIST's names."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    for file in FILES:
        count = COUNTS[file.name.split("-")[0]]
        if "images" in file.name:
            data = idx.encode_images(rng.integers(0, 256, (count, 28, 28), np.uint8))
        else:
            data = idx.encode_labels(rng.integers(0, 10, count, np.uint8))
        (folder / file.name).write_bytes(data)
    return folder


@pytest.fixture
def real(tmp_path):
    return write_set(tmp_path / "real", 0)


@pytest.fixture
def run(tmp_path, real):
    """Run a script of the copy, from a folder elsewhere."""
    if os.name != "posix" or not shutil.which("bash"):
        pytest.skip("no bash here to run the scripts")
    generated = write_set(tmp_path / "generated", 1)
    python = tmp_path / "python"
    text = textwrap.dedent(PYTHON)
    python.write_text(text.format(executable=sys.executable, root=str(ROOT), generated=str(generated), real=str(real)))
    python.chmod(0o755)
    for script in ("data/mnist/get_mnist.sh", "examples/mnist/create_mnist.sh", "examples/mnist/train_lenet.sh"):
        (tmp_path / "a copy" / script).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / script, tmp_path / "a copy" / script)
    (tmp_path / "elsewhere").mkdir()

    def call(script, *arguments, **environment):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MINICAFFE_")}
        nowhere = {"MINICAFFE_MNIST_MIRRORS": "http://127.0.0.1:9/", "no_proxy": "*"}
        return subprocess.run(
            [str(tmp_path / "a copy" / script), *arguments],
            cwd=tmp_path / "elsewhere",
            env={**kept, **nowhere, "PYTHON": str(python), **environment},
            capture_output=True,
            text=True,
            timeout=60,
        )

    return call


def contents(tmp_path, name, backend):
    """Note and labels of a database that the scripts made."""
    with open_database(tmp_path / "a copy" / "examples" / "mnist" / f"{name}_{backend}", backend) as database:
        values = [value for _, value in database.records()]
        return database.note, [caffe_pb2.Datum.FromString(value).label for value in values]


def labels_of(folder):
    return {
        "mnist_train": idx.read_labels(folder / "train-labels-idx1-ubyte").tolist(),
        "mnist_test": idx.read_labels(folder / "t10k-labels-idx1-ubyte").tolist(),
    }


def test_the_main_job_from_nothing(tmp_path, run, real):
    done = run("examples/mnist/train_lenet.sh", "--max_iter", "5", "--gpu", "a b", MINICAFFE_MNIST_DIR=str(real))
    assert done.stdout.splitlines() == [
        f"cwd {tmp_path / 'a copy'}",
        "train examples/mnist/lenet_solver.prototxt --max_iter 5 --gpu a b",
    ]
    # The trainer's exit status is the script's.
    assert done.returncode == 3, done.stderr
    for name in DATABASES:
        assert contents(tmp_path, name, "lmdb") == ("", labels_of(real)[name])
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "a copy").rglob("*mdb")}
    assert run("examples/mnist/train_lenet.sh").returncode == 3
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "a copy").rglob("*mdb")} == before


def test_generated_digits_first_and_real_ones_later(tmp_path, run, real):
    done = run("examples/mnist/train_lenet.sh")
    assert done.returncode == 3
    assert "WARNING: these are generated digits, NOT MNIST" in done.stderr
    for name in DATABASES:
        note, labels = contents(tmp_path, name, "lmdb")
        assert "NOT MNIST" in note and labels == labels_of(tmp_path / "generated")[name]
    done = run("examples/mnist/train_lenet.sh", MINICAFFE_MNIST_DIR=str(real))
    assert done.returncode == 3
    assert not (tmp_path / "a copy" / "data" / "mnist" / MARKER).exists()
    for name in DATABASES:
        assert contents(tmp_path, name, "lmdb") == ("", labels_of(real)[name])


def test_a_half_made_database_is_made_anew(tmp_path, run, real):
    run("examples/mnist/train_lenet.sh", MINICAFFE_MNIST_DIR=str(real))
    data = tmp_path / "a copy" / "examples" / "mnist" / "mnist_test_lmdb" / "data.mdb"
    data.write_bytes(data.read_bytes()[:9000])
    done = run("examples/mnist/train_lenet.sh")
    assert done.returncode == 3
    assert "made anew" in done.stderr and "mnist_train_lmdb: complete, left as it is" in done.stderr
    assert contents(tmp_path, "mnist_test", "lmdb") == ("", labels_of(real)["mnist_test"])


def test_the_steps_one_by_one_with_leveldb(tmp_path, run, real):
    pytest.importorskip("plyvel")
    shutil.copytree(real, tmp_path / "elsewhere" / "mine")
    # --from is relative to where the user stands.
    done = run("data/mnist/get_mnist.sh", "--from", "mine")
    assert done.returncode == 0, done.stderr
    done = run("examples/mnist/create_mnist.sh", BACKEND="leveldb")
    assert done.returncode == 0, done.stderr
    for name in DATABASES:
        assert contents(tmp_path, name, "leveldb") == ("", labels_of(real)[name])
    assert not list((tmp_path / "a copy").rglob("*lmdb"))


def test_messages(tmp_path, run, real):
    done = run("examples/mnist/create_mnist.sh")
    assert done.returncode == 1
    assert done.stderr == "error: data/mnist/train-images-idx3-ubyte is missing; run data/mnist/get_mnist.sh first\n"
    run("data/mnist/get_mnist.sh", "--from", str(real))
    done = run("examples/mnist/create_mnist.sh", BACKEND="sqlite")
    assert done.returncode == 1 and 'error: Unknown database backend "sqlite"' in done.stderr
    done = run("examples/mnist/train_lenet.sh", MINICAFFE_MNIST_DIR=str(tmp_path / "nowhere"))
    assert done.returncode == 3, "files that are there need no source"
    (tmp_path / "a copy" / "data" / "mnist" / "t10k-labels-idx1-ubyte").unlink()
    done = run("examples/mnist/train_lenet.sh", MINICAFFE_MNIST_DIR=str(tmp_path / "nowhere"))
    assert done.returncode == 1 and done.stdout == ""
    assert "nowhere: has neither t10k-labels-idx1-ubyte nor t10k-labels-idx1-ubyte.gz" in done.stderr
    assert "Traceback" not in done.stderr
