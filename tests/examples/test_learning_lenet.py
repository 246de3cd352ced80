"""LeNet written in Python learns to read digits, step by step, and so does the experiment's net."""

import numpy as np
import pytest
from notebook_kit import assert_pictures, run_example

from minicaffe.io import idx
from minicaffe.tools.convert_mnist_data import convert
from minicaffe.tools.mnist_arrays import load_mnist

SCRIPT = "learning_lenet/learn_lenet.py"


@pytest.fixture(scope="module")
def data(tmp_path_factory, mnist_dir):
    """A folder with both databases, of the first digits of MNIST."""
    folder = tmp_path_factory.mktemp("mnist")
    for part, count in (("train", 40 * 64), ("test", 300)):
        images, labels = (array[:count] for array in load_mnist(part, mnist_dir))
        (folder / "images").write_bytes(idx.encode_images(images))
        (folder / "labels").write_bytes(idx.encode_labels(labels))
        convert(folder / "images", folder / "labels", folder / f"mnist_{part}_lmdb", "lmdb")
    return folder


def test_it_learns(tmp_path, data):
    found = run_example(SCRIPT, tmp_path, "--quick", "--data", data)
    # An untrained net guesses; 2560 digits later it does not.
    assert found["first_loss"] == pytest.approx(np.log(10), abs=0.3)
    for losses, accuracies in found["runs"].values():
        assert len(losses) == 40 and list(accuracies) == [10, 20, 30, 40]
        assert np.mean(losses[-5:]) < 1 < np.mean(losses[:5])
        assert accuracies[40] > 0.7
    assert [found["parameters"](found[name].net) for name in ("solver", "my_solver")] == [431080, 31594]
    # The eight digits: read at random first, then mostly rightly.
    assert found["history"].shape == (40, 8, 10)
    np.testing.assert_allclose(found["history"].sum(axis=-1), 1, rtol=1e-5)
    assert found["history"][0].max() < 0.4
    assert np.mean(found["history"][-1].argmax(axis=-1) == found["eight_labels"]) > 0.6
    rows = ["train_digits.png", "test_digits.png", "eight_digits.png"]
    curves = ["loss_and_accuracy.png", "experiment.png"]
    assert_pictures(tmp_path, *rows, *curves, "first_update.png", "filters.png")


def test_what_to_run_without_databases(tmp_path):
    with pytest.raises(SystemExit, match=r"mnist_train_lmdb is missing: run \./examples/mnist/create_mnist\.sh first"):
        run_example(SCRIPT, tmp_path / "out", "--data", tmp_path)
