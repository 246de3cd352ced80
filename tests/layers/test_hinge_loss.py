"""HingeLoss beside its row of the table: spot values, the edge of the margin, NaN, what backward goes by."""

import numpy as np
import pytest
from harness import run_layer
from numpy.testing import assert_allclose


def hinge(norm="L1"):
    return f'type: "HingeLoss" hinge_loss_param {{ norm: {norm} }}'


@pytest.mark.parametrize("norm, loss, slopes", [("L1", 1.7, [-1, 0, 1]), ("L2", 1.69, [-1, 0, 2.4])])
def test_spot_values(backend, norm, loss, slopes):
    run = run_layer(hinge(norm), np.array([[0.5, -2, 0.2]]), np.array([0.0])).backward()
    assert run.loss == pytest.approx(loss, abs=1e-6)
    assert_allclose(run.bottom[0].diff, [slopes], rtol=1e-6)


@pytest.mark.parametrize("norm", ["L1", "L2"])
def test_at_the_margin_nothing_is_missing(backend, norm):
    """1 + s x = 0: no loss, no slope."""
    run = run_layer(hinge(norm), np.array([[1.0, -1, -1]]), np.array([0.0])).backward()
    assert run.loss == 0 and not run.bottom[0].diff.any()


@pytest.mark.parametrize("norm", ["L1", "L2"])
def test_nan_counts_as_0_as_in_caffe(backend, norm):
    run = run_layer(hinge(norm), np.array([[np.nan, -0.5, np.nan]]), np.array([0.0])).backward()
    assert run.loss == {"L1": 0.5, "L2": 0.25}[norm]
    assert_allclose(run.bottom[0].diff, [[0, 1, 0]])


def test_one_class(backend):
    """A score with one axis: each item is its class 0."""
    run = run_layer(hinge(), np.array([0.25, 3.0]), np.zeros(2)).backward()
    assert run.loss == pytest.approx(0.75 / 2)
    assert_allclose(run.bottom[0].diff, [-0.5, 0])


def test_fractions_of_labels_are_cut_off(backend, rng):
    x = rng.normal(size=(3, 4))
    assert run_layer(hinge(), x, np.array([2.9, -0.5, 0.99])).loss == run_layer(hinge(), x, np.array([2, 0, 0])).loss


def test_backward_goes_by_the_forward_pass(backend):
    """As in Caffe, what is written over the scores in between changes nothing; forward leaves the diffs alone."""
    run = run_layer(hinge("L2"), np.array([[0.0, 0.0]]), np.array([1.0]))
    run.bottom[0].diff[...] = 7
    run.forward()
    assert (run.bottom[0].diff == 7).all()
    run.bottom[0].data[...] = 100
    assert_allclose(run.backward().bottom[0].diff, [[2, -2]])
