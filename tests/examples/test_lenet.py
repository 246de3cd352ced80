"""The current tutorial, shortened, learns MNIST; and what Caffe trained scores, and goes on, here as it did there."""

import re

import numpy as np
import pytest
from tutorial_kit import outputs_of_tests, train_losses

from minicaffe.io import idx
from minicaffe.net.net import Net
from minicaffe.proto.caffe_pb2 import TEST
from minicaffe.solver import Solver

NET = "examples/mnist/lenet_train_test.prototxt"

# What Caffe 1.0 says, on the CPU, when it goes on from lenet_iter_5000.solverstate with the first record.
CAFFES_LOSSES = dict(
    zip(
        range(5000, 5101, 10),
        [0.0142401, 0.0076193, 0.010685, 0.0295593, 0.0034485, 0.00266941]
        + [0.00364684, 0.00907261, 0.00696643, 0.0236406, 0.0322238],
        strict=True,
    )
)
CAFFES_TESTS = {5000: (0.9893, 0.031025), 5100: (0.9907, 0.0296224)}
# Half a digit of 10,000, and what real Caffe's losses may move by.
ACCURACY, LOSS = 5e-5, 2e-5


@pytest.mark.parametrize("solver", ["lenet_solver.prototxt", "lenet_multistep_solver.prototxt"])
def test_the_tutorial_learns_mnist(tutorial, solver):
    tutorial.make_databases("lmdb")
    short = tutorial.shortened(
        solver, test_interval=100, test_iter=20, test_initialization="false", display=10, snapshot_after_train="true"
    )
    text = tutorial.run("train", short, "--max_iter", 100)
    losses, tests = train_losses(text), outputs_of_tests(text)
    assert list(losses) == list(range(0, 101, 10))
    assert losses[0] > 2 and np.mean([losses[i] for i in (70, 80, 90, 100)]) < 0.5
    assert list(tests) == [100] and tests[100]["accuracy"] > 0.85
    # What was saved scores as it did in training.
    prefix = re.search(r"Snapshotting to binary proto file (\S+)_iter_100.caffemodel", text)[1]
    text = tutorial.run("test", "-model", NET, "-weights", f"{prefix}_iter_100.caffemodel", "-iterations", 20)
    assert float(re.search(r"^accuracy = (\S+)$", text, re.MULTILINE)[1]) == pytest.approx(tests[100]["accuracy"])


def test_a_resumed_run_is_the_run_that_was_not_stopped(tutorial):
    tutorial.make_databases("lmdb")
    settings = {"test_iter": 3, "test_interval": 8, "display": 1, "average_loss": 4}
    path = tutorial.shortened("lenet_solver.prototxt", **settings)
    solver = Solver(path)
    solver.step(12)
    state = solver.snapshot()
    solver.step(12)
    solver.close()
    other = Solver(tutorial.shortened("lenet_solver.prototxt", **settings, random_seed=2))
    other.restore(state)
    other.step(12)
    other.close()
    for name, blobs in solver.net.params.items():
        for blob, again in zip(blobs, other.net.params[name], strict=True):
            np.testing.assert_array_equal(again.data, blob.data)
    text = tutorial._capsys.readouterr().err
    assert len(re.findall("Iteration 16, Testing net", text)) == 2


def test_weights_that_caffe_trained(tutorial, models_dir):
    tutorial.make_databases("lmdb")
    weights = models_dir / "lenet-2014" / "lenet_iter_10000.caffemodel"
    text = tutorial.run("test", "-model", NET, "-weights", weights, "-iterations", 100)
    accuracy, loss = (float(re.search(rf"^{name} = (\S+)", text, re.MULTILINE)[1]) for name in ("accuracy", "loss"))
    assert accuracy == pytest.approx(0.9905, abs=ACCURACY)
    assert loss == pytest.approx(0.0291821, abs=LOSS)


def test_the_deployed_net_reads_digits(tutorial, models_dir):
    weights = models_dir / "lenet-2014" / "lenet_iter_10000.caffemodel"
    net = Net("examples/mnist/lenet.prototxt", TEST, weights=weights)
    images, labels = idx.read_pair(tutorial.idx_file("t10k-images-idx3"), tutorial.idx_file("t10k-labels-idx1"))
    net.blobs["data"].data[...] = images[:64, np.newaxis] / 256
    prob = net.forward()["prob"]
    np.testing.assert_allclose(prob.sum(axis=1), 1, rtol=1e-5)
    assert (prob.argmax(axis=1) == labels[:64]).sum() >= 63


def test_a_run_of_caffe_goes_on(tutorial, models_dir):
    tutorial.make_databases("lmdb")
    solver = tutorial.shortened("lenet_solver.prototxt", display=10, test_interval=100)
    state = models_dir / "lenet-2014" / "lenet_iter_5000.solverstate"
    text = tutorial.run("train", solver, "--snapshot", state, "--max_iter", 5100)
    assert train_losses(text) == {i: pytest.approx(loss, rel=1e-3) for i, loss in CAFFES_LOSSES.items()}
    tests = outputs_of_tests(text)
    assert list(tests) == list(CAFFES_TESTS)
    for iteration, (accuracy, loss) in CAFFES_TESTS.items():
        assert tests[iteration]["accuracy"] == pytest.approx(accuracy, abs=ACCURACY)
        assert tests[iteration]["loss"] == pytest.approx(loss, abs=LOSS)
