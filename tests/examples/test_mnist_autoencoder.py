"""The MNIST autoencoder: its shapes, its two test nets, its four solvers, each of which learns, and their scripts."""

from itertools import pairwise

import pytest
from example_kit import Example, build, parameters, passed_to_train_sh, shapes, write_digits
from tutorial_kit import train_losses

from minicaffe.proto.caffe_pb2 import TEST, TRAIN
from minicaffe.proto.upgrade import read_solver
from minicaffe.tools.convert_mnist_data import convert

NET = "mnist_autoencoder.prototxt"
WIDTHS = {"encode1": 1000, "encode2": 500, "encode3": 250, "encode4": 30}
WIDTHS |= {"decode4": 250, "decode3": 500, "decode2": 1000, "decode1": 784}
STEP, FIXED = ("step", 0.1, 10000), ("fixed", 0, 0)
# (type, base_lr, momentum, delta, (lr_policy, gamma, stepsize)), and what the snapshots are called.
SOLVERS = {
    "": (("SGD", 0.01, 0.9, 1e-8, STEP), "mnist_autoencoder"),
    "_nesterov": (("Nesterov", 0.01, 0.95, 1e-8, STEP), "mnist_autoencoder_nesterov_train"),
    "_adagrad": (("AdaGrad", 0.01, 0, 1e-8, FIXED), "mnist_autoencoder_adagrad_train"),
    "_adadelta": (("AdaDelta", 1, 0.95, 1e-8, FIXED), "mnist_autoencoder_adadelta_train"),
}


@pytest.fixture(scope="module")
def databases(tmp_path_factory):
    """A database of a few generated digits for training, and another for tests."""
    files = write_digits(tmp_path_factory.mktemp("digits"))
    made = {"mnist_train_lmdb": "train", "mnist_test_lmdb": "t10k"}
    for name, prefix in made.items():
        convert(files / f"{prefix}-images-idx3-ubyte", files / f"{prefix}-labels-idx1-ubyte", files / name)
    return [files / name for name in made]


@pytest.fixture
def example(tmp_path, monkeypatch, capsys, databases):
    example = Example("mnist", tmp_path, monkeypatch, capsys)
    for path in databases:
        (example.folder / path.name).symlink_to(path, target_is_directory=True)
    return example


@pytest.mark.parametrize("suffix", SOLVERS)
def test_settings(example, suffix):
    param = read_solver(example.folder / f"mnist_autoencoder_solver{suffix}.prototxt").param
    (kind, base_lr, momentum, delta, policy), prefix = SOLVERS[suffix]
    assert param.type == kind
    assert (param.lr_policy, pytest.approx(param.gamma), param.stepsize) == policy
    assert (param.base_lr, param.momentum, param.delta) == pytest.approx((base_lr, momentum, delta))
    assert param.weight_decay == pytest.approx(0.0005)
    assert [list(state.stage) for state in param.test_state] == [["test-on-train"], ["test-on-test"]]
    assert (list(param.test_iter), param.test_interval, param.test_compute_loss) == ([500, 100], 500, True)
    assert (param.display, param.max_iter, param.snapshot) == (100, 65000, 10000)
    assert (param.net, param.snapshot_prefix) == (f"examples/mnist/{NET}", f"examples/mnist/{prefix}")
    assert param.HasField("solver_mode") and param.solver_mode == param.CPU


@pytest.mark.parametrize(("phase", "stages"), [(TRAIN, []), (TEST, ["test-on-train"]), (TEST, ["test-on-test"])])
def test_the_net(example, phase, stages):
    net = build(example.folder / NET, phase, stages=stages)
    neurons = {f"{name}neuron": (100, width) for name, width in WIDTHS.items() if name != "encode4"}
    layers = {name: (100, width) for name, width in WIDTHS.items()}
    losses = {"cross_entropy_loss": (), "l2_error": ()}
    assert shapes(net) == {"data": (100, 1, 28, 28), "flatdata": (100, 784), **layers, **neurons, **losses}
    widths = [784, *WIDTHS.values()]
    assert parameters(net) == sum((n + 1) * m for n, m in pairwise(widths)) == 2837314
    assert {name: [blob.shape for blob in blobs] for name, blobs in net.params.items()} == {
        name: [(m, n), (m,)] for name, n, m in zip(WIDTHS, widths, WIDTHS.values(), strict=False)
    }


def test_sparse_weights(example):
    """Each input feeds 15 units on average, the rest of the weights are 0."""
    net = build(example.folder / NET, TRAIN)
    for name, blobs in net.params.items():
        assert (blobs[0].data != 0).sum(axis=0).mean() == pytest.approx(15, rel=0.1), name
        assert not blobs[1].data.any()


@pytest.mark.parametrize("suffix", SOLVERS)
def test_it_learns(example, suffix):
    short = example.shortened(
        f"mnist_autoencoder_solver{suffix}.prototxt", test_iter="2\ntest_iter: 1", test_interval=16, display=16
    )
    text = example.run("train", short, "--max_iter", 16)
    losses = train_losses(text)
    # 784 pixels guessed at by a coin would cost 784 log 2 = 543.
    assert list(losses) == [0, 16]
    assert losses[16] < 0.8 * losses[0]
    # Both test nets are tested, before and after.
    lines = [line for line in text.splitlines() if line.startswith(("Test loss", "    Test net output"))]
    assert [line.split()[0] for line in lines] == ["Test"] * 12
    assert sum("l2_error = " in line for line in lines) == 4
    tested = [float(line.split()[-1]) for line in lines if line.startswith("Test loss")]
    assert tested[2] < 0.8 * tested[0] and tested[3] < 0.8 * tested[1]


@pytest.mark.parametrize("suffix", SOLVERS)
def test_scripts(tmp_path, suffix):
    assert passed_to_train_sh(tmp_path, f"train_mnist_autoencoder{suffix}.sh", "--max_iter", "a b") == [
        f"examples/mnist/mnist_autoencoder_solver{suffix}.prototxt",
        "--max_iter",
        "a b",
    ]
