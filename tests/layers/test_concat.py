"""Concat and Slice: one undoes the other."""

import numpy as np
import pytest
from harness import make_layer, run_layer
from numpy.testing import assert_array_equal

SHAPE = (2, 3, 4, 5)


@pytest.mark.parametrize("axis", [0, 1, 2, 3, -1, -4])
@pytest.mark.parametrize("points", [[1], [1, 2]])
def test_slice_undoes_concat(backend, order, rng, axis, points):
    x = rng.normal(size=(3, 3, 3, 3)).astype(np.float32)
    text = f'type: "Slice" slice_param {{ axis: {axis} slice_point: {points} }}'
    sliced = run_layer(text, x, tops=len(points) + 1)
    parts = [np.array(top.data) for top in sliced.top]
    joined = run_layer(f'type: "Concat" concat_param {{ axis: {axis} }}', *parts)
    assert_array_equal(joined.top[0].data, x)
    joined.top[0].diff[...] = x
    joined.backward()
    for top, blob, part in zip(sliced.top, joined.bottom, parts, strict=True):
        assert_array_equal(blob.diff, part)
        top.diff[...] = blob.diff
    assert_array_equal(sliced.backward().bottom[0].diff, x)


def test_the_last_top_of_slice_may_be_empty(backend):
    run = run_layer('type: "Slice" slice_param { slice_point: 3 }', np.ones(SHAPE), tops=2)
    assert [top.shape for top in run.top] == [SHAPE, (2, 0, 4, 5)]
    run.top[0].diff[...] = 2
    assert_array_equal(run.backward().bottom[0].diff, np.full(SHAPE, 2))


def test_concat_leaves_bottoms_that_are_not_asked_for_alone(backend, rng):
    run = run_layer('type: "Concat"', *np.ones((3, *SHAPE)))
    for blob in run.bottom:
        blob.diff[...] = 7
    run.top[0].diff[...] = 1
    run.backward([False, True, False])
    assert [float(blob.diff.max()) for blob in run.bottom] == [7, 1, 7]


def test_lengths_may_change(order, rng):
    run = make_layer('type: "Concat"', SHAPE, SHAPE)
    for channels in ((3, 3), (1, 6), (5, 0)):
        parts = [rng.normal(size=(4, c, 2, 2)).astype(np.float32) for c in channels]
        assert_array_equal(run.feed(*parts).forward().top[0].data, np.concatenate(parts, axis=1))
