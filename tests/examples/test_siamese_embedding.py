"""The siamese script: points of digits before and after a short training, and numbers that tell them apart."""

import numpy as np
import pytest
from notebook_kit import assert_pictures, run_example

from minicaffe import log
from minicaffe.tools.convert_mnist_siamese_data import convert

SCRIPT = "siamese/embed_digits.py"


@pytest.fixture
def pairs(mnist_dir, tmp_path):
    """Databases of pairs of the 10,000 test digits: enough for some iterations."""
    before = log.set_level(log.FATAL)
    files = [next(mnist_dir.glob(f"t10k-{kind}-ubyte*")) for kind in ("images-idx3", "labels-idx1")]
    for part in ("train", "test"):
        convert(*files, tmp_path / f"mnist_siamese_{part}_lmdb")
    log.set_level(before)
    return tmp_path


def test_digits_part(pairs, tmp_path):
    out = tmp_path / "out"
    found = run_example(SCRIPT, out, "--quick", "--pairs", pairs)
    assert_pictures(out, "pairs.png", "loss.png", "points.png")
    assert found["solver"].iter == 40 and found["losses"][-10:].mean() < 0.7 * found["losses"][:5].mean()
    assert found["before"].shape == found["after"].shape == (1000, 2)
    measure, labels = found["measure"], found["labels"]
    within_before, between_before, nearest_before = measure(found["before"], labels)
    within, between, nearest = measure(found["after"], labels)
    assert between / within > 1.4 > 1.3 > between_before / within_before
    assert nearest > 0.27 > 0.2 > nearest_before
    assert_points_are_the_nets_own(found["solver"].net, found["half"])
    assert_measure(measure)


def assert_points_are_the_nets_own(net, half):
    """One half alone says of a digit what the trained pair says."""
    net.forward()
    points = half.forward_all(data=net.blobs["data"].data)["feat"]
    np.testing.assert_allclose(points, net.blobs["feat"].data, rtol=1e-4, atol=1e-5)


def assert_measure(measure):
    """Five points by hand: a digit with two of them, one with three, and one whose nearest is another."""
    points = np.array([[0.0, 0.0], [0.0, 3.0], [4.0, 0.0], [4.0, 3.0], [1.0, 0.0]])
    within = np.mean([3, 3, 3, np.hypot(3, 3)])
    between = np.mean([4, 5, 1, 5, 4, np.hypot(1, 3)])
    assert measure(points, np.array([0, 0, 1, 1, 1])) == pytest.approx((within, between, 3 / 5))


def test_pairs_are_missing(mnist_dir, tmp_path):
    with pytest.raises(SystemExit, match=r"mnist_siamese_train_lmdb is missing: run ./examples/siamese/create_mnist"):
        run_example(SCRIPT, tmp_path / "out", "--quick", "--pairs", tmp_path)
