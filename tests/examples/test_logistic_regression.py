"""Logistic regression step by step: NumPy and Caffe find one line, and the hidden layer finds where it bends."""

import h5py
import numpy as np
import pytest
from notebook_kit import assert_pictures, run_example


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    return out, run_example("hdf5_classification/logistic_regression.py", out, "--quick")


def test_newton_finds_the_top(run):
    """The gradient of the likelihood is zero there, computed from the files anew."""
    out, found = run
    files = [h5py.File(out / "data" / f"train_{k}.h5") for k in (1, 2)]
    x, y = (np.concatenate([file[name][:] for file in files]) for name in ("data", "label"))
    score = x @ found["w"][:4] + found["w"][4]
    away = 1 / (1 + np.exp(-score)) - y
    np.testing.assert_allclose([*(away @ x), away.sum()], 0, atol=1e-4 * len(x) ** 0.5)


def test_caffe_learns_the_same_line(run):
    _, found = run
    np.testing.assert_allclose(found["learned"], found["w"], atol=0.06)
    assert found["accuracy"]["one layer"] == pytest.approx(found["accuracy"]["by hand"], abs=0.01)


def test_the_hidden_layer_bends_it(run):
    _, found = run
    accuracy = found["accuracy"]
    assert list(accuracy) == ["by hand", "one layer", "hidden layer", "best possible"]
    assert accuracy["one layer"] + 0.15 < accuracy["hidden layer"] <= accuracy["best possible"] + 0.005
    assert_pictures(run[0], "data.png", "regions.png")


def test_probabilities_are_the_nets(run):
    """In the middles of the heaps: by the weights that were learned, and, with the bend, nearly sure."""
    _, found = run
    middles = found["make_data"].CENTRES.reshape(4, 2)  # two of class 0, two of class 1
    line, bend = (
        found["probability"](found[body], found[net], middles) for body, net in (("linear", "line"), ("hidden", "bend"))
    )
    assert (bend[:2] < 0.3).all() and (bend[2:] > 0.7).all()
    w = found["learned"]
    np.testing.assert_allclose(line, 1 / (1 + np.exp(-(middles @ w[:2] + w[4]))), rtol=1e-4)
