"""Regrouped arrays: views where the memory order allows, copies where it does not."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minicaffe.backend import CPU, layout
from minicaffe.backend.regroup import regrouped, regrouped_out, regrouped_view
from minicaffe.backend.workspace import Workspace

SHAPE = (2, 3, 4, 5)


def make(order):
    array = layout.view(np.zeros(120), SHAPE, order)
    array[...] = np.arange(120).reshape(SHAPE)
    return array


CASES = [
    (layout.C_ORDER, (6, 20), True),
    (layout.C_ORDER, (120,), True),
    (layout.BATCH_INNERMOST, (2, 60), True),
    (layout.BATCH_INNERMOST, (2, 12, 5), True),
    (layout.BATCH_INNERMOST, SHAPE, True),
    (layout.BATCH_INNERMOST, (6, 20), False),
    (layout.BATCH_INNERMOST, (1, 2, 3, 4, 5), False),
    (layout.BATCH_INNERMOST, (120,), False),
]


@pytest.mark.parametrize("memory, shape, is_view", CASES)
def test_reading_and_writing(memory, shape, is_view):
    array, workspace = make(memory), Workspace(CPU)
    assert (regrouped_view(array, shape) is not None) == is_view
    read = regrouped(array, shape, workspace, "read")
    assert np.shares_memory(read, array) == is_view
    assert_array_equal(read, np.arange(120).reshape(shape))
    with regrouped_out(array, shape, workspace, "written") as out:
        assert out.shape == shape and np.shares_memory(out, array) == is_view
        out[...] = -np.arange(120).reshape(shape)
    assert_array_equal(array, -np.arange(120).reshape(SHAPE))
    assert (workspace.nbytes > 0) != is_view


def test_an_error_inside_copies_nothing():
    array = make(layout.BATCH_INNERMOST)
    with pytest.raises(KeyError), regrouped_out(array, (6, 20), Workspace(CPU), "written") as out:
        out[...] = 7
        raise KeyError
    assert_array_equal(array, np.arange(120).reshape(SHAPE))
