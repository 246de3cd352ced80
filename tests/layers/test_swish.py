"""Swish beyond the table of all types."""

import numpy as np
from harness import run_layer
from numpy.testing import assert_allclose


def test_spot_value_and_far_ends(backend):
    run = run_layer('type: "Swish"', np.array([2, 1e4, -1e4]))
    assert_allclose(run.top[0].data, [1.7615942, 1e4, 0], rtol=1e-6)
    run.top[0].diff[...] = 3
    assert_allclose(run.backward().bottom[0].diff[1:], [3, 0], atol=1e-6)
