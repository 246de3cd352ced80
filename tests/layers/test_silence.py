"""Silence: zeros where a gradient is asked for."""

import numpy as np
from harness import run_layer


def test_only_flagged_bottoms_get_zeros(backend, order):
    run = run_layer('type: "Silence"', *np.ones((3, 2, 3, 4, 5)), tops=0)
    for blob in run.bottom:
        blob.diff[...] = 7
    run.backward([True, False, True])
    assert [set(np.unique(blob.diff)) for blob in run.bottom] == [{0}, {7}, {0}]
