"""Tile: which way the copies lie."""

import numpy as np
from harness import check_rejected, run_layer
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
    words = "is 1000000000", "480000000000 bytes", "at most 2147483647 values"
    text = 'type: "Tile" tile_param { tiles: 1000000000 }'
    check_rejected(text, [(2, 3, 4, 5)], ShapeError, "tile_param.tiles", *words)
