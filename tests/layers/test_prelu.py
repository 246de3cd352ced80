"""PReLU beyond the table of all types."""

import numpy as np
from harness import make_layer, run_layer
from numpy.testing import assert_array_equal


def test_slopes_begin_at_a_quarter(backend):
    assert_array_equal(make_layer('type: "PReLU"', (2, 3)).blobs[0].data, [0.25] * 3)


def test_an_empty_filler_is_zero_not_a_quarter(backend):
    assert_array_equal(make_layer('type: "PReLU" prelu_param { filler { } }', (2, 3)).blobs[0].data, [0] * 3)


def test_a_shared_slope_is_a_scalar_that_fits_any_number_of_channels(backend):
    run = make_layer('type: "PReLU" prelu_param { channel_shared: true }', (2, 3))
    assert run.blobs[0].shape == ()
    assert_array_equal(run.feed(np.full((4, 7), -1.0)).forward().top[0].data, np.full((4, 7), -0.25))


def test_at_zero_the_slope_is_the_learned_one(backend):
    run = run_layer('type: "PReLU"', np.zeros((1, 2)))
    run.top[0].diff[...] = 4
    run.backward()
    assert_array_equal(run.bottom[0].diff, [[1, 1]])
    assert_array_equal(run.blobs[0].diff, [0, 0])


def test_nan_stays_nan_and_its_slope_is_the_learned_one(backend):
    run = run_layer('type: "PReLU"', np.array([[np.nan, 1]]))
    run.top[0].diff[...] = 4
    run.backward()
    assert_array_equal(run.top[0].data, [[np.nan, 1]])
    assert_array_equal(run.bottom[0].diff, [[1, 4]])
    assert_array_equal(run.blobs[0].diff, [np.nan, 0])
