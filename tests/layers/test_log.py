"""Log beyond the table of all types."""

import numpy as np
from harness import run_layer
from numpy.testing import assert_allclose


def test_to_base_10(backend):
    y = run_layer('type: "Log" log_param { base: 10 }', np.array([1, 10, 1000])).top[0].data
    assert_allclose(y, [0, 1, 3], atol=1e-6)


def test_zero_and_below(backend):
    y = run_layer('type: "Log"', np.array([0.0, -1.0])).top[0].data
    assert y[0] == -np.inf and np.isnan(y[1])
