"""ReLU against its definition."""

import numpy as np
import pytest
from harness import check_gradient, make_layer, run_layer
from numpy.testing import assert_allclose, assert_array_equal

SHAPE = (2, 3, 4, 5)
SLOPES = [0.0, 0.1, 1.5, -0.5]


def prototxt(slope):
    return f'type: "ReLU" relu_param {{ negative_slope: {slope} }}' if slope else 'type: "ReLU"'


@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("in_place", [False, True])
def test_forward_is_the_definition(backend, order, rng, slope, in_place):
    x = rng.normal(size=SHAPE)
    expected = [v if v > 0 else slope * v for v in x.flat]
    run = run_layer(prototxt(slope), x, in_place=in_place)
    assert_allclose(run.top[0].data.ravel(), expected, rtol=1e-6, atol=1e-7)
    if not in_place:
        assert_array_equal(run.bottom[0].data, x.astype(np.float32))


@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("in_place", [False, True])
def test_gradient(backend, order, rng, slope, in_place):
    check_gradient(prototxt(slope), rng.normal(size=SHAPE), in_place=in_place, kink=0)


@pytest.mark.parametrize("slope", [0.0, 0.25])
def test_at_zero_the_slope_is_the_lower_one(backend, slope):
    run = run_layer(prototxt(slope), np.zeros((2, 3)))
    run.top[0].diff[...] = 2
    assert_array_equal(run.backward().bottom[0].diff, np.full((2, 3), 2 * slope))


@pytest.mark.parametrize("slope", SLOPES)
def test_nan_goes_through_with_the_lower_slope(backend, slope):
    run = run_layer(prototxt(slope), np.array([np.nan, 1]))
    run.top[0].diff[...] = 2
    assert_array_equal(run.top[0].data, [np.nan, 1])
    assert_allclose(run.backward().bottom[0].diff, [2 * slope, 2])


def test_minus_infinity_without_a_slope_is_zero(backend):
    assert run_layer(prototxt(0), np.array([-np.inf])).top[0].data == 0


@pytest.mark.parametrize("shape", [(), (7,), (2, 0, 4, 5), (1, 1, 1, 1, 1, 2)])
def test_any_shape(backend, order, shape):
    run = run_layer('type: "ReLU"', np.full(shape, -1.0))
    assert_array_equal(run.top[0].data, np.zeros(shape))


@pytest.mark.parametrize("slope", SLOPES)
def test_float32_follows_float64(order, rng, slope):
    x = rng.normal(size=SHAPE).astype(np.float32)
    single, double = (run_layer(prototxt(slope), x, dtype=dtype).top[0].data for dtype in ("float32", "float64"))
    assert single.dtype == np.float32 and double.dtype == np.float64
    assert_allclose(single, double, rtol=1e-6)


@pytest.mark.parametrize("slope", [0.0, -0.5])
def test_another_batch_size(order, rng, slope):
    run = make_layer(prototxt(slope), SHAPE)
    for batch in (2, 5, 1):
        x = rng.normal(size=(batch, 3, 4, 5))
        y = run.feed(x).forward().top[0].data
        assert_allclose(y, np.where(x > 0, x, slope * x), rtol=1e-6)
        run.top[0].diff[...] = 1
        assert_allclose(run.backward().bottom[0].diff, np.where(x > 0, 1, slope))
