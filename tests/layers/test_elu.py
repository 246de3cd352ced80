"""ELU beyond the table of all types."""

import numpy as np
from harness import run_layer
from numpy.testing import assert_allclose


def test_spot_values(backend):
    y = run_layer('type: "ELU"', np.array([-1.0, 0.0, 1.0])).top[0].data
    assert_allclose(y, [-0.6321206, 0, 1], rtol=1e-6)


def test_small_numbers_keep_their_digits(backend):
    """e^x - 1 would lose them all."""
    assert_allclose(run_layer('type: "ELU"', np.array([-1e-9])).top[0].data, [-1e-9], rtol=1e-6)


def test_large_numbers_do_not_overflow(backend):
    run = run_layer('type: "ELU" elu_param { alpha: 2 }', np.array([1e4, -1e4]))
    assert_allclose(run.top[0].data, [1e4, -2])
    run.top[0].diff[...] = 3
    assert_allclose(run.backward().bottom[0].diff, [3, 0])
