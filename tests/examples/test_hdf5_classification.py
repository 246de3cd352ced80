"""The HDF5 example: its samples, its nets, and that the hidden layer finds what no straight line can."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from example_kit import ROOT, Example, build, parameters, shapes
from tutorial_kit import train_losses

from minicaffe.proto.caffe_pb2 import TEST, TRAIN
from minicaffe.proto.upgrade import read_solver

DATA = Path("examples/hdf5_classification/data")
LINE, BEND = "train_val.prototxt", "nonlinear_train_val.prototxt"
AUTO = {TRAIN: "nonlinear_auto_train.prototxt", TEST: "nonlinear_auto_test.prototxt"}


def load(name):
    """A script of the example, as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / "hdf5_classification" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make_data = load("make_data")


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """A folder with the data, and what the best guess reaches on the test set."""
    folder = tmp_path_factory.mktemp("hdf5") / "data"
    return folder, make_data.make(folder)


@pytest.fixture
def example(tmp_path, monkeypatch, capsys, samples):
    example = Example("hdf5_classification", tmp_path, monkeypatch, capsys)
    DATA.mkdir()
    for file in samples[0].glob("*.h5"):
        shutil.copy(file, DATA)
    for phase, names in (("train", ("train_1", "train_2")), ("test", ("test",))):
        (DATA / f"{phase}.txt").write_text("\n".join(f"{DATA}/{name}.h5" for name in names))
    return example


def test_the_samples(samples):
    folder, best = samples
    counts = {"train_1": 3750, "train_2": 3750, "test": 2500}
    assert {path.name for path in folder.iterdir()} == {*(f"{name}.h5" for name in counts), "train.txt", "test.txt"}
    assert (folder / "train.txt").read_text().split() == [str(folder / "train_1.h5"), str(folder / "train_2.h5")]
    for name, count in counts.items():
        with h5py.File(folder / f"{name}.h5") as file:
            data, label = file["data"][:], file["label"][:]
        assert (data.shape, label.shape, data.dtype, label.dtype) == ((count, 4), (count,), np.float32, np.float32)
        assert set(label) == {0, 1} and label.mean() == pytest.approx(0.5, abs=0.03)
        # The last two features are noise; of the first two, each class has its own mean.
        means = np.array([data[label == kind].mean(axis=0) for kind in (0, 1)])
        np.testing.assert_allclose(means, np.c_[make_data.CENTRES.mean(axis=1), np.zeros((2, 2))], atol=0.1)
    assert 0.88 < best < 0.9


def test_the_best_guess_knows_the_densities(rng):
    """Against the definition, one sample at a time."""
    data, _ = make_data.draw(50, rng)
    for sample, guess in zip(data, make_data.best_guess(data), strict=True):
        density = [
            sum(np.exp(-np.sum((sample[:2] - centre) ** 2) / (2 * make_data.SPREAD**2)) for centre in heaps)
            for heaps in make_data.CENTRES
        ]
        assert guess == (density[1] > density[0])


def test_another_seed_makes_other_samples():
    assert not np.array_equal(*(make_data.draw(5, np.random.default_rng(seed))[0] for seed in (0, 1)))


@pytest.mark.parametrize(
    ("file", "prefix", "nets"),
    [("solver", "train", {"net": LINE}), ("nonlinear_solver", "nonlinear", {"train_net": AUTO[TRAIN]})],
)
def test_settings(example, file, prefix, nets):
    param = read_solver(example.folder / f"{file}.prototxt").param
    assert (param.type, param.base_lr, param.momentum) == ("SGD", pytest.approx(0.01), pytest.approx(0.9))
    assert param.weight_decay == pytest.approx(0.0005)
    assert (param.lr_policy, pytest.approx(param.gamma), param.stepsize) == ("step", 0.1, 5000)
    # All of the test set, no sample twice.
    assert param.test_iter[0] * 10 == make_data.TEST
    assert (param.test_interval, param.display, param.max_iter, param.snapshot) == (1000, 1000, 10000, 10000)
    assert {name: f"examples/hdf5_classification/{net}" for name, net in nets.items()} == {
        name: getattr(param, name) for name in nets
    }
    assert list(param.test_net) == ([f"examples/hdf5_classification/{AUTO[TEST]}"] if "train_net" in nets else [])
    assert param.snapshot_prefix == f"examples/hdf5_classification/data/{prefix}"
    assert param.HasField("solver_mode") and param.solver_mode == param.CPU


@pytest.mark.parametrize("phase", [TRAIN, TEST])
def test_the_nets(example, phase):
    data = {"data": (10, 4), "label": (10,), "loss": ()}
    seen = {"accuracy": ()} if phase == TEST else {}
    line = build(example.folder / LINE, phase)
    assert shapes(line) == {**data, **seen, "fc1": (10, 2)} and parameters(line) == 2 * 5
    bend = build(example.folder / BEND, phase)
    assert shapes(bend) == {**data, **seen, "fc1": (10, 40), "fc2": (10, 2)}
    auto = build(example.folder / AUTO[phase], phase)
    assert shapes(auto) == {**data, "accuracy": (), "ip1": (10, 40), "ip2": (10, 2)}
    assert parameters(bend) == parameters(auto) == 40 * 5 + 2 * 41


def test_both_files_of_each_epoch_are_read(example):
    net = build(example.folder / LINE, TRAIN)
    found = []
    for _ in range(make_data.TRAIN // 10):
        net.forward()
        found.append(net.blobs["data"].data.copy())
    parts = []
    for name in ("train_1", "train_2"):
        with h5py.File(DATA / f"{name}.h5") as file:
            parts.append(file["data"][:])
    np.testing.assert_array_equal(np.concatenate(found), np.concatenate(parts))


def accuracy(example, solver, iterations):
    short = example.shortened(
        solver, test_interval=iterations, test_initialization="false", display=100, average_loss=50
    )
    text = example.run("train", short, "--max_iter", iterations)
    losses = list(train_losses(text).values())
    assert losses[-1] < 0.9 * losses[0]
    return float(re.search(r"Test net output #\d: accuracy = (\S+)", text)[1])


def test_the_hidden_layer_finds_the_bend(example, samples):
    _, best = samples
    line, bend = accuracy(example, "solver.prototxt", 600), accuracy(example, "nonlinear_solver.prototxt", 1200)
    assert 0.65 < line < 0.75
    assert line + 0.1 < bend <= best + 0.01


def test_the_script(tmp_path):
    """train.sh in a copy, with the iterations cut, from another folder: what it prints."""
    if not shutil.which("bash"):
        pytest.skip("no bash here to run the script")
    copy = tmp_path / "a copy" / "examples" / "hdf5_classification"
    shutil.copytree(ROOT / "examples" / "hdf5_classification", copy, ignore=shutil.ignore_patterns("data"))
    for solver in copy.glob("*solver.prototxt"):
        solver.write_text(re.sub("max_iter: .*", "max_iter: 300", solver.read_text()))
    (tmp_path / "a copy" / "minicaffe").symlink_to(ROOT / "minicaffe", target_is_directory=True)
    done = subprocess.run(
        ["bash", str(copy / "train.sh")],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHON": sys.executable, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    found = re.findall(r"^(.{20})accuracy (0\.\d{3})$", done.stdout, re.MULTILINE)
    assert [name.strip() for name, _ in found] == ["logistic regression", "one hidden layer", "best possible"]
    line, bend, best = (float(value) for _, value in found)
    assert 0.6 < line < bend <= best + 0.01
    assert (copy / "data" / "nonlinear_iter_300.caffemodel").exists()
