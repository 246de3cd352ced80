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


@pytest.mark.parametrize("shift", [-300, -80, -30, 0, 50, 88, 300])
@pytest.mark.parametrize("spread", [0.1, 10, 100])
def test_scores_of_every_size(backend, order, rng, shift, spread):
    """Whether the maximum has to be taken off or not: probabilities far below the others, too."""
    x = (shift + spread * rng.normal(size=(20, 3, 4, 5))).astype(np.float32)
    powers = np.exp(x - x.max(axis=1, keepdims=True).astype(float))
    expected = powers / powers.sum(axis=1, keepdims=True)
    found = run_layer('type: "Softmax"', x, dtype="float32").top[0].data
    # Below the smallest normal float32 digits are lost.
    assert_allclose(found, expected, rtol=3e-5, atol=1.2e-38)


@pytest.mark.parametrize("strange", [np.nan, np.inf, -np.inf])
def test_a_strange_score_changes_its_own_place_alone(backend, order, rng, strange):
    x = rng.normal(size=SHAPE)
    expected = run_layer('type: "Softmax"', x).top[0].data.copy()
    x[1, 2, 3, 4] = strange
    found = run_layer('type: "Softmax"', x).top[0].data
    if strange < 0:
        rest = np.exp(x[1, :2, 3, 4])
        expected[1, :, 3, 4] = [*(rest / rest.sum()), 0]
    else:
        expected[1, :, 3, 4] = np.nan
    if strange == np.inf:
        found[1, :2, 3, 4] = np.nan  # 0 or NaN: they are e^-inf over NaN
    assert_allclose(found, expected, rtol=1e-6)


def test_one_class(backend, order, rng):
    assert_array_equal(run_layer('type: "Softmax"', rng.normal(size=(2, 1, 4, 5))).top[0].data, np.ones((2, 1, 4, 5)))


@pytest.mark.parametrize("shape", [(0, 3, 4, 5), (2, 0, 4, 5), (2, 3, 0, 5)])
def test_empty_blobs(backend, order, shape):
    run = run_layer('type: "Softmax"', shape).backward()
    assert run.top[0].shape == run.bottom[0].diff.shape == shape
