"""Split: shared data, summed gradients."""

import numpy as np
import pytest
from harness import check_gradient, check_rejected, make_layer, run_layer
from numpy.testing import assert_allclose, assert_array_equal

from minicaffe.errors import GraphError

SHAPE = (2, 3, 4, 5)
SPLIT = 'type: "Split"'


@pytest.mark.parametrize("tops", [1, 2, 5])
def test_tops_are_the_bottom(backend, order, rng, tops):
    x = rng.normal(size=SHAPE).astype(np.float32)
    run = run_layer(SPLIT, x, tops=tops)
    for top in run.top:
        assert_array_equal(top.data, x)
    run.top[0].data[1, 2, 3, 4] = 99
    assert run.bottom[0].data[1, 2, 3, 4] == 99


@pytest.mark.parametrize("tops", [1, 2, 5])
def test_gradient_is_the_sum_in_the_order_of_the_tops(backend, order, rng, tops):
    run = run_layer(SPLIT, SHAPE, tops=tops)
    parts = rng.normal(size=(tops, *SHAPE)).astype(np.float32)
    for top, part in zip(run.top, parts, strict=True):
        top.diff[...] = part
    expected = parts[0].copy()
    for part in parts[1:]:
        expected += part
    assert_array_equal(run.backward().bottom[0].diff, expected)
    check_gradient(SPLIT, parts[0], tops=tops)


def test_tops_follow_when_the_bottom_grows(backend, order, rng):
    run = make_layer(SPLIT, SHAPE, tops=2)
    for shape in [(2, 3, 4, 5), (6, 3, 4, 5), (1, 2, 2, 2), (7, 3), ()]:
        x = rng.normal(size=shape)
        run.feed(x).forward()
        for top in run.top:
            assert_allclose(top.data, x, rtol=1e-6)
            top.diff[...] = 2
        assert_array_equal(run.backward().bottom[0].diff, np.full(shape, 4))


def test_in_place_is_refused():
    check_rejected(SPLIT, [SHAPE], GraphError, "", "in place", "top[0]", in_place=True, tops=2)


def test_no_top():
    check_rejected(SPLIT, [SHAPE], GraphError, "", "at least 1", "it has 0", tops=0)
