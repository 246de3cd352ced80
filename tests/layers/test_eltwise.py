"""Eltwise: who wins a tie, NaN, products with zeros, and what in place means."""

import numpy as np
import pytest
from harness import check_gradient, make_layer, run_layer
from net_kit import make_net
from numpy.testing import assert_allclose, assert_array_equal

SHAPE = (2, 3, 4, 5)
NAN, INF = np.nan, np.inf


def eltwise(settings):
    return f'type: "Eltwise" eltwise_param {{ {settings} }}'


def winners(*columns):
    """(y, the gradient of each bottom) for numbers that meet; dy is 1, 2, 3, ..."""
    run = run_layer(eltwise("operation: MAX"), *map(np.array, columns))
    dy = np.arange(1, len(columns[0]) + 1)
    run.top[0].diff[...] = dy
    run.backward()
    return run.top[0].data, [blob.diff for blob in run.bottom]


def test_ties_of_two_go_to_the_second(backend):
    y, (d0, d1) = winners([2.0, 3, 1], [2.0, 1, 3])
    assert_array_equal(y, [2, 3, 3])
    assert_array_equal(d0, [0, 2, 0])
    assert_array_equal(d1, [1, 0, 3])


def test_later_ties_stay_with_the_earlier(backend):
    y, diffs = winners([2.0, 1, 1, 5], [2.0, 4, 1, 5], [2.0, 4, 3, 5], [2.0, 4, 3, 6])
    assert_array_equal(y, [2, 4, 3, 6])
    assert_array_equal(diffs, [[0, 0, 0, 0], [1, 2, 0, 0], [0, 0, 3, 0], [0, 0, 0, 4]])


def test_nan_is_compared_as_in_caffe(backend):
    """Nothing is greater than NaN, and NaN is greater than nothing: of the first two the second wins."""
    y, diffs = winners([NAN, 1.0, 1, NAN], [1.0, NAN, 2, NAN], [0.0, 5, NAN, 3])
    assert_array_equal(y, [1, NAN, 2, NAN])
    assert_array_equal(diffs, [[0, 0, 0, 0], [1, 2, 3, 4], [0, 0, 0, 0]])


def test_an_infinite_gradient_stays_with_the_winner(backend):
    run = run_layer(eltwise("operation: MAX"), np.array([1.0, 2]), np.array([2.0, 1]))
    run.top[0].diff[...] = INF
    run.backward()
    assert_array_equal([blob.diff for blob in run.bottom], [[0, INF], [INF, 0]])


@pytest.mark.parametrize("stable", ["true", "false"])
def test_products_with_a_zero(backend, stable):
    run = run_layer(
        eltwise(f"operation: PROD stable_prod_grad: {stable}"), np.array([0.0, 0, 2]), np.array([3.0, 0, 4])
    )
    run.top[0].diff[...] = 1
    run.backward()
    zero = 0 if stable == "true" else NAN
    assert_array_equal(run.top[0].data, [0, 0, 8])
    assert_array_equal(run.bottom[0].diff, [3 if stable == "true" else NAN, zero, 4])
    assert_array_equal(run.bottom[1].diff, [0, zero, 2])


@pytest.mark.parametrize("settings", ["", "coeff: [2, -1, 0.5]", "operation: PROD", "operation: MAX"])
def test_gradients_of_all_bottoms(backend, order, rng, settings):
    check_gradient(eltwise(settings), *rng.normal(size=(3, *SHAPE)))


@pytest.mark.parametrize("settings", ["", "operation: PROD", "operation: MAX"])
@pytest.mark.parametrize("flags", [[True, False, True], [False, False, True], [False, True, False]])
def test_some_flags(rng, settings, flags):
    """What is not asked for is left alone, and what is asked for is what it is when all are."""
    xs = rng.normal(size=(3, *SHAPE))
    whole, part = (run_layer(eltwise(settings), *xs) for _ in range(2))
    for run in (whole, part):
        run.top[0].diff[...] = np.random.default_rng(5).normal(size=SHAPE)
        for blob in run.bottom:
            blob.diff[...] = 7
    whole.backward(), part.backward(flags)
    for a, b, flag in zip(whole.bottom, part.bottom, flags, strict=True):
        assert_array_equal(b.diff, a.diff if flag else np.full(SHAPE, 7))


# --- in place -------------------------------------------------------------------------------------


@pytest.mark.parametrize("stable", ["true", "false"])
@pytest.mark.parametrize("count", [2, 3])
def test_a_product_in_place_has_the_right_gradient(backend, order, rng, stable, count):
    text = eltwise(f"operation: PROD stable_prod_grad: {stable}")
    check_gradient(text, *rng.uniform(0.5, 2, size=(count, *SHAPE)), in_place=True)


def test_in_place_a_sum_and_a_maximum_lose_the_first_bottom_as_in_caffe(backend, order, rng, capfd):
    xs = rng.normal(size=(3, *SHAPE)).astype(np.float32)
    run = run_layer(eltwise("coeff: [1, 2, 3]"), *xs, in_place=True)
    assert_allclose(run.top[0].data, 2 * xs[1] + 3 * xs[2], rtol=1e-5, atol=1e-6)
    run.top[0].diff[...] = 1
    run.backward()
    assert_array_equal([blob.diff[0, 0, 0, 0] for blob in run.bottom], [1, 2, 3])
    run = run_layer(eltwise("operation: MAX"), xs[0] + 100, *xs[1:], in_place=True)
    assert_array_equal(run.top[0].data, np.maximum(xs[1], xs[2]))
    dy = np.arange(1, 1 + xs[0].size).reshape(SHAPE)
    run.top[0].diff[...] = dy
    run.backward()
    assert_array_equal([blob.diff for blob in run.bottom], [0 * dy, dy * (xs[1] >= xs[2]), dy * (xs[1] < xs[2])])
    assert capfd.readouterr().err.count("give the top a name of its own") == 2


def test_a_later_layer_in_place_does_not_change_the_gradient_of_a_quotient():
    net = make_net(
        """
        force_backward: true
        layer { name: "a" type: "Input" top: "a" input_param { shape { dim: 3 } } }
        layer { name: "b" type: "Input" top: "b" input_param { shape { dim: 3 } } }
        layer { name: "prod" type: "Eltwise" bottom: "a" bottom: "b" top: "y"
            eltwise_param { operation: PROD stable_prod_grad: false } }
        layer { name: "relu" type: "ReLU" bottom: "y" top: "y" }
        """
    )
    net.blobs["a"].data[...] = [1, -2, 3]
    net.blobs["b"].data[...] = [4, 5, 6]
    net.forward()
    net.blobs["y"].diff[...] = 1
    net.backward()
    assert_array_equal(net.blobs["a"].diff, [4, 0, 6])
    assert_array_equal(net.blobs["b"].diff, [1, 0, 3])


def test_another_shape_takes_new_memory_for_who_won(order, rng):
    run = make_layer(eltwise("operation: MAX"), SHAPE, SHAPE)
    for batch in (2, 5, 1, 17):
        a, b = rng.normal(size=(2, batch, 3, 4, 5)).astype(np.float32)
        run.feed(a, b).forward()
        run.top[0].diff[...] = 1
        run.backward()
        assert_array_equal(run.bottom[0].diff, a > b)
