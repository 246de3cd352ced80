"""The siamese example: two halves with one set of weights, that learn, and its scripts."""

import shutil

import numpy as np
import pytest
from example_kit import Example, Scripts, address, build, knowing, parameters, shapes, write_digits
from tutorial_kit import outputs_of_tests, train_losses

from minicaffe.io.database import open_database
from minicaffe.proto import caffe_pb2
from minicaffe.proto.caffe_pb2 import TEST, TRAIN
from minicaffe.proto.upgrade import read_solver
from minicaffe.tools.convert_mnist_siamese_data import convert

SOLVER, NET, HALF = "mnist_siamese_solver.prototxt", "mnist_siamese_train_test.prototxt", "mnist_siamese.prototxt"
SCRIPTS = [f"examples/siamese/{name}_mnist_siamese.sh" for name in ("create", "train")]
WITH_PARAMETERS = ("conv1", "conv2", "ip1", "ip2", "feat")
DATABASES = {"mnist_siamese_train": 800, "mnist_siamese_test": 200}


@pytest.fixture(scope="module")
def databases(tmp_path_factory):
    files = write_digits(tmp_path_factory.mktemp("digits"))
    made = {"mnist_siamese_train_lmdb": "train", "mnist_siamese_test_lmdb": "t10k"}
    for name, prefix in made.items():
        convert(files / f"{prefix}-images-idx3-ubyte", files / f"{prefix}-labels-idx1-ubyte", files / name)
    return [files / name for name in made]


@pytest.fixture
def example(tmp_path, monkeypatch, capsys, databases):
    example = Example("siamese", tmp_path, monkeypatch, capsys)
    for path in databases:
        (example.folder / path.name).symlink_to(path, target_is_directory=True)
    return example


def half(batch, p=""):
    """Shapes of the blobs of one half."""
    images = {
        "data": (1, 28, 28),
        "conv1": (20, 24, 24),
        "pool1": (20, 12, 12),
        "conv2": (50, 8, 8),
        "pool2": (50, 4, 4),
    }
    features = {"ip1": (500,), "ip2": (10,), "feat": (2,)}
    return {f"{name}{p}": (batch, *shape) for name, shape in {**images, **features}.items()}


def test_settings(example):
    param = read_solver(example.folder / SOLVER).param
    assert (param.type, param.base_lr, param.momentum, param.weight_decay) == (
        "SGD",
        *map(pytest.approx, (0.01, 0.9, 0)),
    )
    assert (param.lr_policy, pytest.approx(param.gamma), param.power) == ("inv", 0.0001, 0.75)
    assert (list(param.test_iter), param.test_interval) == ([100], 500)
    assert (param.display, param.max_iter, param.snapshot) == (100, 50000, 5000)
    assert (param.net, param.snapshot_prefix) == (f"examples/siamese/{NET}", "examples/siamese/mnist_siamese")
    assert param.HasField("solver_mode") and param.solver_mode == param.CPU


@pytest.mark.parametrize(("phase", "batch"), [(TRAIN, 64), (TEST, 100)])
def test_the_net(example, phase, batch):
    net = build(example.folder / NET, phase)
    pair = {"pair_data": (batch, 2, 28, 28), "sim": (batch,)}
    assert shapes(net) == {**pair, **half(batch), **half(batch, "_p"), "loss": ()}
    # LeNet and two outputs of ten weights and a bias, once.
    assert parameters(net) == 431080 + 2 * 11
    for name in WITH_PARAMETERS:
        for one, other in zip(net.params[name], net.params[f"{name}_p"], strict=True):
            assert address(one) == address(other) and one.shape == other.shape


def test_it_learns_and_a_half_goes_on_alone(example):
    short = example.shortened(
        SOLVER, test_iter=2, test_interval=30, test_initialization="false", display=1, snapshot_after_train="true"
    )
    text = example.run("train", short, "--max_iter", 30)
    losses = list(train_losses(text).values())
    assert len(losses) == 31 and np.mean(losses[-5:]) < 0.6 * np.mean(losses[:3])
    assert outputs_of_tests(text)[30]["loss"] < 0.6 * np.mean(losses[:3])
    weights = str(example.folder / "mnist_siamese_iter_30.caffemodel")
    pairs, alone = (
        build(example.folder / NET, TEST, weights=weights),
        build(example.folder / HALF, TEST, weights=weights),
    )
    assert shapes(alone) == half(100)
    pairs.forward()
    for p in ("", "_p"):
        alone.blobs["data"].data[...] = pairs.blobs[f"data{p}"].data
        np.testing.assert_allclose(alone.forward()["feat"], pairs.blobs[f"feat{p}"].data, rtol=1e-4, atol=1e-6)


def labels_of(folder, name, kind):
    with open_database(folder / "examples" / "siamese" / f"{name}_{kind}", kind) as database:
        return [caffe_pb2.Datum.FromString(value).label for _, value in database.records()]


@pytest.fixture
def scripts(tmp_path):
    real = write_digits(tmp_path / "real")
    scripts = Scripts(tmp_path, ["data/mnist/get_mnist.sh", *SCRIPTS], knowing(real), status=3)
    (scripts.root / "data" / "mnist").mkdir(exist_ok=True)
    return scripts


def test_the_training_script_does_all_from_nothing(scripts, tmp_path):
    done = scripts.run(SCRIPTS[1], "--gpu", "a b", MINICAFFE_MNIST_DIR=str(tmp_path / "real"))
    expected = [f"cwd {scripts.root}", f"train examples/siamese/{SOLVER} --gpu a b"]
    assert done.stdout.splitlines() == expected
    assert done.returncode == 3, done.stderr
    for name, count in DATABASES.items():
        assert len(labels_of(scripts.root, name, "lmdb")) == count
    # What is there is not made again.
    shutil.rmtree(scripts.root / "data")
    done = scripts.run(SCRIPTS[1], "--gpu", "a b")
    assert (done.returncode, done.stdout.splitlines(), done.stderr) == (3, expected, "")


def test_databases_by_hand(scripts, tmp_path):
    pytest.importorskip("plyvel")
    for name in (tmp_path / "real").iterdir():
        shutil.copy(name, scripts.root / "data" / "mnist")
    assert scripts.run(SCRIPTS[0], BACKEND="leveldb").returncode == 0
    before = labels_of(scripts.root, "mnist_siamese_train", "leveldb")
    done = scripts.run(SCRIPTS[0], "--seed", "2", BACKEND="leveldb")
    assert done.returncode == 0, done.stderr
    assert labels_of(scripts.root, "mnist_siamese_train", "leveldb") != before


def test_messages(scripts):
    done = scripts.run(SCRIPTS[0])
    assert done.returncode == 1
    assert done.stderr == "error: data/mnist/train-images-idx3-ubyte is missing; run data/mnist/get_mnist.sh first\n"
    write_digits(scripts.root / "data" / "mnist")
    done = scripts.run(SCRIPTS[0], BACKEND="sqlite")
    assert (done.returncode, done.stderr) == (1, "error: BACKEND is sqlite, must be lmdb or leveldb\n")
