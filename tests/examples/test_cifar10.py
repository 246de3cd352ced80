"""The CIFAR-10 example, on coloured shapes in CIFAR-10's format: both nets, from files to weights, and the scripts."""

import re
import shutil

import numpy as np
import pytest
from example_kit import Example, Scripts, build, parameters, shapes
from tutorial_kit import outputs_of_tests, train_losses

from minicaffe.cli.main import main
from minicaffe.io import cifar
from minicaffe.io.blobproto import read_binaryproto
from minicaffe.io.database import open_database
from minicaffe.proto.caffe_pb2 import TEST, TRAIN
from minicaffe.proto.upgrade import read_solver

RECORDS = 40  # of a file, instead of 10,000
COLOURS = np.array([[220, 40, 40], [40, 200, 60], [50, 70, 220], [220, 200, 40], [200, 60, 200]])
FOLDER = "examples/cifar10"
# (base_lr, test_interval, display, max_iter, snapshot, format)
SOLVERS = {
    "quick_solver": (0.001, 500, 100, 4000, 4000, "BINARYPROTO"),
    "quick_solver_lr1": (0.0001, 500, 100, 5000, 5000, "HDF5"),
    "full_solver": (0.001, 1000, 200, 60000, 10000, "HDF5"),
    "full_solver_lr1": (0.0001, 1000, 200, 65000, 5000, "HDF5"),
    "full_solver_lr2": (0.00001, 1000, 200, 70000, 5000, "HDF5"),
}
STEPS = ["data/cifar10/get_cifar10.sh", *(f"{FOLDER}/{name}.sh" for name in ("create_cifar10", "prepare"))]


def picture(label, rng):
    """A disc (labels 0 to 4) or a square (5 to 9) in one of five colours, before the paler opposite: (3, 32, 32)."""
    row, column = np.mgrid[:32, :32]
    y, x, radius = *rng.integers(12, 20, 2), rng.integers(7, 11)
    down, right = abs(row - y), abs(column - x)
    inside = np.hypot(down, right) < radius if label < 5 else np.maximum(down, right) < 0.8 * radius
    colour = COLOURS[label % 5][:, np.newaxis, np.newaxis]
    return np.clip(np.where(inside, colour, 255 - colour // 2) + rng.normal(0, 15, (3, 32, 32)), 0, 255)


def write_pictures(folder, rng):
    """The six files, each with a few records; all pictures (files, RECORDS, 3, 32, 32)."""
    folder.mkdir(parents=True, exist_ok=True)
    labels = np.arange(RECORDS) % 10
    images = np.array([[picture(label, rng) for label in labels] for _ in range(6)]).astype(np.uint8)
    for name, batch in zip((*cifar.TRAIN_FILES, cifar.TEST_FILE), images, strict=True):
        (folder / name).write_bytes(np.c_[labels, batch.reshape(RECORDS, -1)].astype(np.uint8).tobytes())
    return images


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with the databases and the mean, made as create_cifar10.sh makes them, and the pictures in them."""
    folder = tmp_path_factory.mktemp("cifar10")
    images = write_pictures(folder / "data", np.random.default_rng(0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cifar, "RECORDS", RECORDS)
        assert main(["convert_cifar_data", str(folder / "data"), str(folder), "lmdb"]) == 0
    mean = [
        "compute_image_mean",
        "--backend",
        "lmdb",
        str(folder / "cifar10_train_lmdb"),
        str(folder / "mean.binaryproto"),
    ]
    assert main(mean) == 0
    return folder, images


@pytest.fixture
def example(tmp_path, monkeypatch, capsys, made):
    example = Example("cifar10", tmp_path, monkeypatch, capsys)
    for name in ("cifar10_train_lmdb", "cifar10_test_lmdb", "mean.binaryproto"):
        (example.folder / name).symlink_to(made[0] / name)
    return example


@pytest.mark.parametrize("name", SOLVERS)
def test_settings(example, name):
    param = read_solver(example.folder / f"cifar10_{name}.prototxt").param
    base_lr, *rest, snapshot_format = SOLVERS[name]
    assert [param.test_interval, param.display, param.max_iter, param.snapshot] == rest
    assert (param.type, param.lr_policy, list(param.test_iter)) == ("SGD", "fixed", [100])
    assert (param.base_lr, param.momentum, param.weight_decay) == pytest.approx((base_lr, 0.9, 0.004))
    assert param.snapshot_format == getattr(param, snapshot_format)
    net = name.partition("_")[0]
    assert param.net == f"{FOLDER}/cifar10_{net}_train_test.prototxt"
    assert param.snapshot_prefix == f"{FOLDER}/cifar10_{net}"
    assert param.HasField("solver_mode") and param.solver_mode == param.CPU


def layers(net, batch):
    """Shapes between the picture and the scores."""
    sizes = {
        "conv1": (32, 32),
        "pool1": (32, 16),
        "conv2": (32, 16),
        "pool2": (32, 8),
        "conv3": (64, 8),
        "pool3": (64, 4),
    }
    if net == "full":
        sizes |= {"norm1": (32, 16), "norm2": (32, 8)}
    scores = {"ip1": (batch, 64), "ip2": (batch, 10)} if net == "quick" else {"ip1": (batch, 10)}
    return {**{name: (batch, channels, side, side) for name, (channels, side) in sizes.items()}, **scores}


@pytest.mark.parametrize("net", ["quick", "full"])
def test_the_nets(example, net):
    convolutions = 32 * 76 + 32 * 801 + 64 * 801
    count = convolutions + (64 * 1025 + 10 * 65 if net == "quick" else 10 * 1025)
    for phase, more in ((TRAIN, {}), (TEST, {"accuracy": ()})):
        found = build(example.folder / f"cifar10_{net}_train_test.prototxt", phase)
        data = {"data": (100, 3, 32, 32), "label": (100,), "loss": ()}
        assert shapes(found) == {**data, **layers(net, 100), **more}
        assert parameters(found) == count
    deployed = build(example.folder / f"cifar10_{net}.prototxt", TEST)
    assert shapes(deployed) == {"data": (1, 3, 32, 32), **layers(net, 1), "prob": (1, 10)}
    assert parameters(deployed) == count == {"quick": 145578, "full": 89578}[net]


def test_the_data_are_pictures_less_their_mean(example, made):
    images = made[1].astype(np.float32)
    mean = read_binaryproto(example.folder / "mean.binaryproto").data.reshape(3, 32, 32)
    np.testing.assert_allclose(mean, images[:5].mean(axis=(0, 1)), rtol=1e-5)
    net = build(example.folder / "cifar10_quick_train_test.prototxt", TEST)
    net.forward()
    np.testing.assert_allclose(net.blobs["data"].data[:RECORDS], images[5] - mean, atol=1e-3)
    np.testing.assert_array_equal(net.blobs["label"].data[:RECORDS], np.arange(RECORDS) % 10)


def small_batches(example):
    """Batches of 20 instead of 100, which take a fifth of the time."""
    for file in example.folder.glob("*_train_test.prototxt"):
        file.write_text(file.read_text().replace("batch_size: 100", "batch_size: 20"))


def test_quick_learns_goes_on_with_a_tenth_of_the_rate_and_is_used(example, made):
    """What train_quick.sh does, from files to HDF5 weights, shortened."""
    small_batches(example)
    settings = {"display": 4, "snapshot": 20, "test_iter": 2, "test_interval": 20, "test_initialization": "false"}
    text = example.run("train", example.shortened("cifar10_quick_solver.prototxt", **settings), "--max_iter", 20)
    losses = list(train_losses(text).values())
    # Colours are learned at once, shapes are not.
    assert losses[0] == pytest.approx(np.log(10), rel=0.01) and min(losses[-2:]) < 1.5
    state = example.folder / "cifar10_quick_iter_20.solverstate"
    settings["snapshot"] = 24
    short = example.shortened("cifar10_quick_solver_lr1.prototxt", **{**settings, "test_interval": 24})
    text = example.run("train", short, "--max_iter", 24, "--snapshot", state)
    assert list(train_losses(text)) == [20, 24] and "Iteration 20, lr = 0.0001" in text
    accuracy = outputs_of_tests(text)[24]["accuracy"]
    assert accuracy > 0.3
    weights = str(example.folder / "cifar10_quick_iter_24.caffemodel.h5")
    net = build(example.folder / "cifar10_quick.prototxt", TEST, weights=weights)
    mean = read_binaryproto(example.folder / "mean.binaryproto").data.reshape(3, 32, 32)
    found = []
    for image in made[1][5]:
        net.blobs["data"].data[...] = image - mean
        found.append(net.forward()["prob"].argmax())
    assert np.mean(np.array(found) == np.arange(RECORDS) % 10) == pytest.approx(accuracy)


def test_full_learns(example):
    small_batches(example)
    short = example.shortened("cifar10_full_solver.prototxt", display=5, test_iter=2, test_interval=100, average_loss=5)
    losses = list(train_losses(example.run("train", short, "--max_iter", 50)).values())
    assert losses[0] == pytest.approx(np.log(10), rel=0.01) and losses[-1] < 0.9 * losses[0]


# --- the scripts ----------------------------------------------------------------------------------


def scripts_with_files(tmp_path, *names):
    """The scripts in a copy where CIFAR-10 lies already, and counts as it is."""
    prelude = f"from minicaffe.io import cifar; cifar.RECORDS = {RECORDS}"
    scripts = Scripts(tmp_path, [*STEPS, *(f"{FOLDER}/{name}.sh" for name in names)], prelude)
    write_pictures(scripts.root / "data" / "cifar10", np.random.default_rng(0))
    (scripts.root / "data" / "cifar10" / "get_cifar10.sh").write_text("#!/usr/bin/env bash\n")
    return scripts


def test_the_training_scripts_do_all_from_nothing(tmp_path):
    scripts = scripts_with_files(tmp_path, "train_quick", "train_full")
    done = scripts.run(f"{FOLDER}/train_quick.sh", "--gpu", "a b")
    assert done.returncode == 0, done.stderr
    state = f"--snapshot {FOLDER}/cifar10_quick_iter_4000.solverstate"
    assert re.findall("^train (.*)", done.stdout, re.MULTILINE) == [
        f"{FOLDER}/cifar10_quick_solver.prototxt --gpu a b",
        f"{FOLDER}/cifar10_quick_solver_lr1.prototxt {state} --gpu a b",
    ]
    assert set(re.findall("^cwd (.*)", done.stdout, re.MULTILINE)) == {str(scripts.root)}
    folder = scripts.root / FOLDER
    assert read_binaryproto(folder / "mean.binaryproto").shape == (1, 3, 32, 32)
    for name, count in (("train", 5 * RECORDS), ("test", RECORDS)):
        with open_database(folder / f"cifar10_{name}_lmdb", "lmdb") as database:
            assert len(list(database.records())) == count
    # What is there is not made again.
    shutil.rmtree(scripts.root / "data")
    done = scripts.run(f"{FOLDER}/train_full.sh")
    states = [f" --snapshot {FOLDER}/cifar10_full_iter_{count}.solverstate.h5" for count in (60000, 65000)]
    assert re.findall("^train (.*)", done.stdout, re.MULTILINE) == [
        f"{FOLDER}/cifar10_full_solver{suffix}.prototxt{state}"
        for suffix, state in zip(("", "_lr1", "_lr2"), ("", *states), strict=True)
    ]


def test_databases_by_hand(tmp_path):
    pytest.importorskip("plyvel")
    scripts = scripts_with_files(tmp_path)
    # What was there is made anew.
    old = scripts.root / FOLDER / "cifar10_train_leveldb" / "old"
    old.mkdir(parents=True)
    done = scripts.run(f"{FOLDER}/create_cifar10.sh", BACKEND="leveldb")
    assert done.returncode == 0, done.stderr
    names = {path.name for path in (scripts.root / FOLDER).iterdir()}
    assert {"cifar10_train_leveldb", "cifar10_test_leveldb", "mean.binaryproto"} <= names
    assert not old.exists() and not [name for name in names if "lmdb" in name]


def test_messages(tmp_path):
    scripts = Scripts(tmp_path, [*STEPS, f"{FOLDER}/train_quick.sh"])
    done = scripts.run(f"{FOLDER}/create_cifar10.sh")
    assert done.returncode == 1
    assert done.stderr == "error: data/cifar10/data_batch_1.bin is missing; run data/cifar10/get_cifar10.sh first\n"
    # Without a network nothing is trained, and one learns what to do.
    done = scripts.run(f"{FOLDER}/train_quick.sh")
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.splitlines()[0] == "fetching http://127.0.0.1:9/cifar-10-binary.tar.gz"
    assert "error: " in done.stderr and "lacks CIFAR-10, and no mirror gives it" in done.stderr
    assert "cifar-10-binary.tar.gz where there is a network, put it into this folder" in done.stderr
    write_pictures(scripts.root / "data" / "cifar10", np.random.default_rng(0))
    done = scripts.run(f"{FOLDER}/create_cifar10.sh", BACKEND="sqlite")
    assert (done.returncode, done.stderr) == (1, "error: BACKEND is sqlite, must be lmdb or leveldb\n")
    # These are not CIFAR-10's, and stay.
    done = scripts.run("data/cifar10/get_cifar10.sh")
    assert done.returncode == 1 and "data_batch_1.bin: is not CIFAR-10's file (wrong SHA-256)" in done.stderr
    assert (scripts.root / "data" / "cifar10" / "data_batch_1.bin").stat().st_size == RECORDS * 3073
