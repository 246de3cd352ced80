"""MVN beyond the table of all types: bottoms of fewer axes, eps, groups without variance."""

import numpy as np
import pytest
from harness import check_gradient, make_layer, run_layer
from numpy.testing import assert_allclose, assert_array_equal


def test_spot_values(backend):
    y = run_layer('type: "MVN"', np.array([1, 2, 3, 4]).reshape(1, 1, 2, 2)).top[0].data
    assert_allclose(y.ravel(), [-1.3416408, -0.4472136, 0.4472136, 1.3416408], atol=1e-6)


@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 3), (2,), (), (17, 3, 4)])
@pytest.mark.parametrize("across", ["false", "true"])
def test_the_top_always_has_four_axes(backend, order, rng, shape, across):
    prototxt = f'type: "MVN" mvn_param {{ across_channels: {across} }}'
    x = rng.normal(size=shape)
    full = x.reshape(shape + (1,) * (4 - len(shape)))
    run, wanted = run_layer(prototxt, x), run_layer(prototxt, full)
    assert run.top[0].shape == full.shape
    assert_allclose(run.top[0].data, wanted.top[0].data, atol=1e-6)
    for one in (run, wanted):
        one.top[0].diff[...] = np.linspace(-1, 1, full.size).reshape(full.shape)
        one.backward()
    assert_allclose(run.bottom[0].diff.reshape(full.shape), wanted.bottom[0].diff, atol=1e-5)
    assert run_layer(prototxt, x, in_place=True).bottom[0].shape == full.shape


def test_gradient_of_fewer_axes(order, rng):
    check_gradient('type: "MVN" mvn_param { across_channels: true }', rng.normal(size=(2, 3, 4)))


@pytest.mark.parametrize("in_place", [False, True])
def test_eps_is_part_of_the_deviation(backend, order, rng, in_place):
    """In the gradient too, which is Caffe's and no longer the exact one with a large eps."""
    x, dy = rng.normal(size=(2, 2, 3, 4, 5))
    run = run_layer('type: "MVN" mvn_param { eps: 0.5 }', x, in_place=in_place, dtype="float64")
    run.top[0].diff[...] = dy

    def mean(v):
        return v.mean(axis=(2, 3), keepdims=True)

    deviation = np.sqrt(mean((x - mean(x)) ** 2)) + 0.5
    y = (x - mean(x)) / deviation
    assert_allclose(run.top[0].data, y, rtol=1e-12)
    expected = (dy - mean(dy) - y * mean(dy * y)) / deviation
    assert_allclose(run.backward().bottom[0].diff, expected, rtol=1e-9, atol=1e-12)


def test_equal_values_become_zero(backend, order):
    assert_array_equal(run_layer('type: "MVN"', np.full((2, 3, 4, 5), 0.5)).top[0].data, np.zeros((2, 3, 4, 5)))


def test_another_shape(backend, order, rng):
    run = make_layer('type: "MVN"', (2, 3, 4, 5))
    for shape in [(5, 2, 3, 1), (2, 3, 4, 5)]:
        x = rng.normal(size=shape)
        y = run.feed(x).forward().top[0].data
        assert_allclose(y.mean(axis=(2, 3)), 0 * y[:, :, 0, 0], atol=1e-6)
        assert_allclose(y.std(axis=(2, 3)), np.ones(shape[:2]), rtol=1e-4)
