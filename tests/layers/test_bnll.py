"""BNLL beyond the table of all types."""

import numpy as np
import pytest
from harness import run_layer
from numpy.testing import assert_allclose


def test_spot_value(backend):
    assert_allclose(run_layer('type: "BNLL"', np.array([2.0])).top[0].data, 2.1269280, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_numbers_do_not_overflow(backend, dtype):
    run = run_layer('type: "BNLL"', np.array([1e4, 100, -100, -1e4]), dtype=dtype)
    assert_allclose(run.top[0].data, [1e4, 100, np.exp(-100), 0], rtol=1e-6, atol=1e-38)
    run.top[0].diff[...] = 3
    assert_allclose(run.backward().bottom[0].diff, [3, 3, 0, 0], atol=1e-37)
