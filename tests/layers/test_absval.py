"""AbsVal beyond the table of all types."""

import numpy as np
from harness import run_layer
from numpy.testing import assert_array_equal


def test_at_zero_there_is_no_slope(backend):
    run = run_layer('type: "AbsVal"', np.array([-2.0, 0.0, -0.0, 3.0]))
    run.top[0].diff[...] = 5
    assert_array_equal(run.backward().bottom[0].diff, [-5, 0, 0, 5])


def test_not_a_number_stays_so(backend):
    y = run_layer('type: "AbsVal"', np.array([np.nan, -np.inf])).top[0].data
    assert np.isnan(y[0]) and y[1] == np.inf
