"""Fine-tuning: what was learned from other digits helps, and frozen layers stay as they were."""

import numpy as np
import pytest
from notebook_kit import assert_pictures, run_example

from minicaffe.tools.mnist_arrays import load_mnist

SCRIPT = "fine_tuning/fine_tune.py"


@pytest.fixture(scope="module")
def found(tmp_path_factory, mnist_dir):
    out = tmp_path_factory.mktemp("fine_tuning")
    return run_example(SCRIPT, out, "--quick"), out


def test_loaded_weights_help(found):
    found, out = found
    ends = {way: found["curves"][way, 20][0, -1] for way in found["WAYS"]}
    assert found["old_accuracy"] > 0.7
    assert min(accuracy for way, accuracy in ends.items() if way != "from scratch") > ends["from scratch"] + 0.04
    # Before it learns, none can know the new digits.
    assert all(found["curves"][way, 20][0, 0] < 0.4 for way in ends)
    assert_pictures(out, "digits.png", "fine_tuning.png")


def test_digits_are_shifted(found):
    images, labels = found[0]["load_shifted"]("test", range(5, 10), seed=3)
    np.testing.assert_array_equal(images[:500], found[0]["test_new"][0])
    assert set(labels.tolist()) == {0, 1, 2, 3, 4} and images.dtype == labels.dtype == np.float32
    plain, classes = load_mnist("test", found[0]["ROOT"] / "data/mnist")
    # The first one is a part of the plain digit with a wider border, and no other digit is.
    wider = np.pad(plain[classes >= 5][:2], ((0, 0), (4, 4), (4, 4))) / np.float32(256)
    for digit, holds in zip(wider, (True, False), strict=True):
        parts = [digit[i : i + 28, j : j + 28] for i in range(9) for j in range(9)]
        assert any(np.array_equal(part, images[0, 0]) for part in parts) is holds
    # Digits are moved, and hardly any ink is lost.
    middles = (images[:, 0].sum(axis=1) @ np.arange(28)) / images.sum(axis=(1, 2, 3))
    assert 2 < middles.std() < 3.5
    assert images.sum() > 0.98 * plain[classes >= 5].sum() / 256


@pytest.mark.parametrize("lower, moves", [(0, False), (0.1, True)])
def test_only_the_layers_that_may_learn_do(found, lower, moves):
    found = found[0]
    solver = found["make_solver"]("test", 25, "score_5_to_9", lower)
    solver.net.copy_from(found["trained"])
    solver.net.set_input_arrays(*found["few"](5, 0))
    before = {name: blobs[0].data.copy() for name, blobs in solver.net.params.items()}
    solver.step(2)
    moved = {name: not np.array_equal(before[name], blobs[0].data) for name, blobs in solver.net.params.items()}
    assert moved == {"conv1": moves, "conv2": moves, "ip1": moves, "score_5_to_9": True}
    # The test net sees the same weights without another word.
    np.testing.assert_array_equal(solver.test_nets[0].params["ip1"][0].data, solver.net.params["ip1"][0].data)
