"""Exp beyond the table of all types."""

import numpy as np
from harness import run_layer
from numpy.testing import assert_allclose


def test_base_minus_one_is_e(backend, rng):
    x = rng.normal(size=5)
    assert_allclose(run_layer('type: "Exp"', x).top[0].data, np.exp(x), rtol=1e-6)
    assert_allclose(run_layer('type: "Exp" exp_param { base: 2 }', x).top[0].data, 2.0**x, rtol=1e-6)


def test_a_shift_too_large_gives_infinity_as_in_c(backend):
    assert run_layer('type: "Exp" exp_param { shift: 1e6 }', np.zeros(1)).top[0].data[0] == np.inf
    assert run_layer('type: "Exp" exp_param { shift: -1e6 }', np.zeros(1)).top[0].data[0] == 0
    assert np.isnan(run_layer('type: "Exp" exp_param { shift: nan }', np.zeros(1)).top[0].data[0])
    # Just below the largest float64.
    y = run_layer('type: "Exp" exp_param { shift: 709.5 }', np.zeros(1), dtype="float64").top[0].data
    assert_allclose(y, np.exp(709.5))
