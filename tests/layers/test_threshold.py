"""Threshold beyond the table of all types."""

import numpy as np
from harness import run_layer
from numpy.testing import assert_array_equal


def test_the_limit_itself_is_not_above_it(backend):
    values = np.array([0.5, 0.50001, 0.4, np.nan, np.inf, -np.inf])
    y = run_layer('type: "Threshold" threshold_param { threshold: 0.5 }', values).top[0].data
    assert_array_equal(y, [0, 1, 0, 0, 1, 0])


def test_without_its_flag_backward_does_nothing(backend):
    run = run_layer('type: "Threshold"', np.array([1.0, -1.0]))
    run.bottom[0].diff[...] = 7
    assert_array_equal(run.backward([False]).bottom[0].diff, [7, 7])
