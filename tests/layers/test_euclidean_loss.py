"""EuclideanLoss beside its row of the table: targets of other shapes and orders, what backward goes by, large sums."""

import numpy as np
import pytest
from harness import make_layer, run_layer
from numpy.testing import assert_allclose
from watch import peak_of

EUCLIDEAN = 'type: "EuclideanLoss"'


def test_spot_value(backend):
    run = run_layer(EUCLIDEAN, np.array([[1.0, 2], [3, 4]]), np.array([[0.0, 4], [3, 3]])).backward([True, True])
    assert run.loss == (1 + 4 + 0 + 1) / 4
    assert_allclose(run.bottom[0].diff, [[0.5, -1], [0, 0.5]])
    assert_allclose(run.bottom[1].diff, [[-0.5, 1], [0, -0.5]])


@pytest.mark.parametrize("shapes", [((17, 3, 4, 5), (17, 60)), ((17, 60), (17, 3, 4, 5)), ((17,), (17, 1, 1, 1))])
def test_values_meet_in_c_order(backend, order, rng, shapes):
    """Whatever the shapes, and the orders in memory, of the two."""
    a, b = (rng.normal(size=shape) for shape in shapes)
    run = run_layer(EUCLIDEAN, a, b, dtype="float64").backward([True, True])
    expected = (a.ravel() - b.ravel()) / 17
    assert_allclose(run.bottom[0].diff.ravel(), expected)
    assert_allclose(run.bottom[1].diff.ravel(), -expected)


def test_one_side_alone(backend, order, rng):
    a, b = rng.normal(size=(2, 2, 3, 4, 5))
    run = run_layer(EUCLIDEAN, a, b)
    run.bottom[0].diff[...] = 7
    run.backward([False, True])
    assert (run.bottom[0].diff == 7).all()
    assert_allclose(run.bottom[1].diff, (b - a) / 2, rtol=1e-5)


def test_the_gradient_follows_the_tops_diff(backend, rng):
    run = run_layer(f"{EUCLIDEAN} loss_weight: 3", np.ones((2, 3)), np.zeros((2, 3)))
    assert run.loss == pytest.approx(3 * 1.5)
    run.top[0].diff[...] = -4
    assert (run.backward().bottom[0].diff == -2).all()


def test_backward_goes_by_the_forward_pass(backend, rng):
    """As in Caffe, what is written over a bottom in between changes nothing: the difference is kept."""
    run = run_layer(EUCLIDEAN, np.ones((2, 3)), np.zeros((2, 3)))
    run.bottom[0].data[...] = run.bottom[1].data[...] = 100
    assert_allclose(run.backward().bottom[0].diff, np.full((2, 3), 0.5))


def test_a_large_sum_keeps_float32s_precision(order, rng):
    """Added one by one in float32, two million ones and more would be off in the third digit."""
    a = 1 + rng.random((32, 3, 160, 161)) / 100
    run = run_layer(EUCLIDEAN, a, np.zeros(a.shape))
    assert run.loss == pytest.approx(float((a**2).sum() / 64), rel=1e-6)


def test_a_step_takes_no_memory_that_grows_with_the_blobs(order):
    run = make_layer(EUCLIDEAN, (16, 8, 96, 96), (16, 8, 96, 96))
    run.forward().backward([True, True])
    # A formula's pieces are on the way, for two threads; the arrays have 4.7 MB each.
    assert peak_of(lambda: run.forward().backward([True, True])) < 4_000_000
