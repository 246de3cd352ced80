"""Softmax beyond the table of all types."""

import numpy as np
import pytest
from harness import run_layer
from numpy.testing import assert_allclose, assert_array_equal

SHAPE = (2, 3, 4, 5)


def prototxt(axis):
    return f'type: "Softmax" softmax_param {{ axis: {axis} }}'


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
