"""Crop: what is cut, and what is left alone."""

import numpy as np
import pytest
from harness import make_layer, run_layer
from numpy.testing import assert_array_equal


def test_the_window_and_what_lies_around_it(backend, order, rng):
    x = rng.normal(size=(2, 3, 6, 7)).astype(np.float32)
    run = run_layer('type: "Crop" crop_param { offset: [1, 2] }', x, (2, 9, 4, 3))
    assert_array_equal(run.top[0].data, x[:, :, 1:5, 2:5])
    dy = run.top[0].diff[...] = rng.normal(size=run.top[0].shape).astype(np.float32)
    run.bottom[0].diff[...] = run.bottom[1].diff[...] = 7
    run.backward([True, True])
    expected = np.zeros_like(x)
    expected[:, :, 1:5, 2:5] = dy
    assert_array_equal(run.bottom[0].diff, expected)
    assert_array_equal(run.bottom[1].diff, np.full((2, 9, 4, 3), 7), "the blob that gives the size has no gradient")


def test_five_axes(backend, rng):
    x = rng.normal(size=(2, 3, 4, 5, 6))
    run = run_layer('type: "Crop" crop_param { axis: -2 offset: [1, 3] }', x, (1, 1, 1, 3, 2), dtype="float64")
    assert_array_equal(run.top[0].data, x[..., 1:4, 3:5])


def test_the_blob_that_gives_the_size_may_have_more_axes():
    assert make_layer('type: "Crop"', (2, 3, 6, 7), (2, 3, 4, 5, 9)).top[0].shape == (2, 3, 4, 5)


@pytest.mark.parametrize("sizes", [(4, 5), (6, 7), (1, 1)])
def test_the_size_may_change(order, rng, sizes):
    run = make_layer('type: "Crop"', (2, 3, 6, 7), (2, 3, 2, 2))
    x = rng.normal(size=(2, 3, 6, 7)).astype(np.float32)
    run.feed(x, np.zeros((2, 3, *sizes))).forward()
    assert_array_equal(run.top[0].data, x[:, :, : sizes[0], : sizes[1]])
