"""Reduction: signs, overflow of order, and accuracy."""

import numpy as np
import pytest
from harness import check_gradient, run_layer
from numpy.testing import assert_allclose, assert_array_equal


def reduction(settings):
    return f'type: "Reduction" reduction_param {{ {settings} }}'


def test_the_slope_of_a_magnitude_is_0_at_0(backend):
    run = run_layer(reduction("operation: ASUM coeff: 2"), np.array([-3.0, 0, 5, -0.0]))
    assert run.top[0].data == 16
    run.top[0].diff[...] = 10
    assert_array_equal(run.backward().bottom[0].diff, [-20, 0, 20, 0])


@pytest.mark.parametrize("operation", ["SUM", "ASUM", "SUMSQ", "MEAN"])
def test_the_top_is_a_loss_with_its_weight(backend, rng, operation):
    x = rng.normal(size=(2, 3))
    run = run_layer(reduction(f"operation: {operation}") + " loss_weight: 0.5", x)
    value = {"SUM": x.sum(), "ASUM": abs(x).sum(), "SUMSQ": (x * x).sum(), "MEAN": x.mean()}[operation]
    assert run.loss == pytest.approx(0.5 * value, rel=1e-5)
    slope = {"SUM": 0.5, "ASUM": 0.5 * np.sign(x), "SUMSQ": x, "MEAN": 0.5 / 6}[operation]
    assert_allclose(run.backward().bottom[0].diff, np.broadcast_to(slope, x.shape), rtol=1e-5)


@pytest.mark.parametrize("axis", [0, 1, 3])
def test_sums_of_many_values_keep_their_digits(order, axis):
    """100000 times 0.1 in float32, added one after the other, would be off in the fourth digit."""
    x = np.full((4, 5, 200, 100), 0.1, np.float32)
    y = run_layer(reduction(f"axis: {axis}"), x).top[0].data
    assert_allclose(y, np.full(y.shape, np.float64(x[0, 0, 0, 0]) * (x.size // y.size)), rtol=5e-5)


def test_five_axes(order, rng):
    for operation in ("SUM", "ASUM", "SUMSQ", "MEAN"):
        check_gradient(reduction(f"operation: {operation} axis: 4"), rng.uniform(1, 2, size=(2, 1, 3, 2, 2)))


@pytest.mark.parametrize("operation", ["SUM", "ASUM", "SUMSQ"])
def test_nothing_sums_to_0(backend, order, operation):
    run = run_layer(reduction(f"operation: {operation} axis: 1"), (2, 0, 4, 5))
    assert_array_equal(run.top[0].data, [0, 0])
    assert run.backward().bottom[0].diff.shape == (2, 0, 4, 5)
