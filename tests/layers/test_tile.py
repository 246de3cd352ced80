"""Tile: which way the copies lie."""

import numpy as np
import pytest
from harness import make_layer, run_layer
from numpy.testing import assert_array_equal

from minicaffe.errors import ShapeError


def test_copies_are_whole_blocks(backend):
    """a b a b, not a a b b."""
    run = run_layer('type: "Tile" tile_param { tiles: 2 }', np.array([[1, 2], [3, 4]]))
    assert_array_equal(run.top[0].data, [[1, 2, 1, 2], [3, 4, 3, 4]])
    run.top[0].diff[...] = [[1, 10, 100, 1000], [2, 20, 200, 2000]]
    assert_array_equal(run.backward().bottom[0].diff, [[101, 1010], [202, 2020]])


def test_an_empty_axis(backend, order):
    run = run_layer('type: "Tile" tile_param { tiles: 3 }', (2, 0, 4, 5)).backward()
    assert run.top[0].shape == run.bottom[0].diff.shape == (2, 0, 4, 5)


def test_too_many_tiles_for_any_memory():
    with pytest.raises(ShapeError, match="480000000000 bytes"):
        make_layer('type: "Tile" tile_param { tiles: 1000000000 }', (2, 3, 4, 5))
