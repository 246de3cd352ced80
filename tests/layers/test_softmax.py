"""Softmax against its definition."""

import math

import numpy as np
import pytest
from harness import check_gradient, check_rejected, run_layer
from numpy.testing import assert_allclose, assert_array_equal

from minicaffe.errors import ShapeError

SHAPE = (2, 3, 4, 5)
AXES = [0, 1, 2, 3, -1, -3]


def prototxt(axis):
    return f'type: "Softmax" softmax_param {{ axis: {axis} }}'


def definition(line):
    powers = [math.exp(v) for v in line]
    return np.array(powers) / sum(powers)


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("in_place", [False, True])
def test_forward_is_the_definition(backend, order, rng, axis, in_place):
    x = rng.normal(size=SHAPE)
    y = run_layer(prototxt(axis), x, in_place=in_place).top[0].data
    assert_allclose(y, np.apply_along_axis(definition, axis, x), rtol=1e-5)


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("in_place", [False, True])
def test_gradient(backend, order, rng, axis, in_place):
    check_gradient(prototxt(axis), rng.normal(size=SHAPE), in_place=in_place)


def test_the_default_axis_is_the_channels(backend, order, rng):
    x = rng.normal(size=SHAPE)
    assert_array_equal(run_layer('type: "Softmax"', x).top[0].data, run_layer(prototxt(1), x).top[0].data)


def test_spot_value(backend):
    y = run_layer(prototxt(-1), np.array([1, 2, 3])).top[0].data
    assert_allclose(y, [0.0900306, 0.2447285, 0.6652410], atol=1e-7)


def test_large_scores_do_not_overflow(backend, order):
    x = np.zeros(SHAPE)
    x[:, 0], x[:, 1] = 1e30, -1e30
    expected = np.zeros(SHAPE)
    expected[:, 0] = 1
    assert_array_equal(run_layer('type: "Softmax"', x).top[0].data, expected)


def test_one_class(backend, order, rng):
    assert_array_equal(run_layer('type: "Softmax"', rng.normal(size=(2, 1, 4, 5))).top[0].data, np.ones((2, 1, 4, 5)))


@pytest.mark.parametrize("shape", [(0, 3, 4, 5), (2, 0, 4, 5), (2, 3, 0, 5)])
def test_empty_blobs(backend, order, shape):
    run = run_layer('type: "Softmax"', shape).backward()
    assert run.top[0].shape == run.bottom[0].diff.shape == shape


def test_float32_follows_float64(order, rng):
    x = 5 * rng.normal(size=(4, 30, 3, 3)).astype(np.float32)
    single, double = (run_layer('type: "Softmax"', x, dtype=dtype).top[0].data for dtype in ("float32", "float64"))
    assert single.dtype == np.float32
    assert_allclose(single, double, rtol=1e-5)


@pytest.mark.parametrize("axis, shape", [(4, SHAPE), (-5, SHAPE), (1, (7,)), (0, ())])
def test_an_axis_that_is_not_there(axis, shape):
    check_rejected(prototxt(axis), [shape], ShapeError, "softmax_param.axis", f"is {axis}")
