"""TanH beyond the table of all types."""

import numpy as np
from harness import run_layer
from numpy.testing import assert_allclose


def test_far_ends(backend):
    run = run_layer('type: "TanH"', np.array([1e4, -1e4, 0]))
    assert_allclose(run.top[0].data, [1, -1, 0])
    run.top[0].diff[...] = 3
    assert_allclose(run.backward().bottom[0].diff, [0, 0, 3])
