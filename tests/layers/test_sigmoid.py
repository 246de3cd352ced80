"""Sigmoid beyond the table of all types."""

import numpy as np
from harness import run_layer
from numpy.testing import assert_allclose


def test_spot_value_and_far_ends(backend):
    y = run_layer('type: "Sigmoid"', np.array([2, 1e4, -1e4])).top[0].data
    assert_allclose(y, [0.8807971, 1, 0], atol=1e-7)
