"""BatchReindex: items taken several times, and sums that do not depend on who is quicker."""

import numpy as np
import pytest
from harness import run_layer
from numpy.testing import assert_array_equal

from minicaffe.errors import DataError

REINDEX = 'type: "BatchReindex"'


@pytest.mark.parametrize("rows", [[2, 0, 1], [1, 1, 1, 1], [0], [], [2.9, -0.0, 1.2]])
def test_items_and_their_gradients(backend, order, rng, rows):
    x = rng.normal(size=(3, 2, 4, 5)).astype(np.float32)
    run = run_layer(REINDEX, x, np.array(rows))
    taken = np.trunc(rows).astype(int)
    assert_array_equal(run.top[0].data, x[taken])
    dy = run.top[0].diff[...] = rng.normal(size=(len(rows), 2, 4, 5)).astype(np.float32)
    run.bottom[0].diff[...] = 7
    run.backward([True, False])
    expected = np.zeros_like(x)
    for row, gradient in zip(taken, dy, strict=True):
        expected[row] += gradient
    assert_array_equal(run.bottom[0].diff, expected)


def test_one_number_an_item(backend):
    run = run_layer(REINDEX, np.array([5.0, 6, 7]), np.array([2, 2]))
    assert_array_equal(run.top[0].data, [7, 7])


def test_numbers_that_a_layer_computed_are_looked_at_on_the_device(backend, rng):
    """They do not lie on the host then."""
    run = run_layer(REINDEX, rng.normal(size=(3, 2)), np.array([0, 2]))
    run.inner_bottom[1].data[...] = 9
    with pytest.raises(DataError, match=r"bottom\[1\] holds 9 at position 0, must hold numbers between 0 and 2"):
        run.forward()
