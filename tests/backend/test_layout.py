"""Memory orders: views, and contents that survive a change of order."""

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_array_equal

from minicaffe.backend import layout
from minicaffe.backend.layout import BATCH_INNERMOST, C_ORDER

ORDERS = [C_ORDER, BATCH_INNERMOST]
shapes = st.lists(st.integers(0, 4), max_size=5).map(tuple)


def test_the_rule():
    assert layout.by_batch_size((8, 3, 4, 5)) == BATCH_INNERMOST
    assert layout.by_batch_size((7, 3, 4, 5)) == C_ORDER
    for shape in [(64, 10), (64,), (), (64, 3, 4)]:
        assert layout.by_batch_size(shape) == layout.batch_innermost(shape) == C_ORDER
    assert layout.batch_innermost((1, 3, 4, 5)) == layout.batch_innermost((2, 1, 2, 3, 4)) == BATCH_INNERMOST
    assert layout.c_order((64, 3, 4, 5)) == C_ORDER
    assert set(layout.LAYOUTS) == {"auto", "c", "batch_innermost"}


def test_a_view_is_the_same_memory():
    flat = np.arange(200)
    assert_array_equal(layout.view(flat, (2, 3, 4, 5), C_ORDER), np.arange(120).reshape(2, 3, 4, 5))
    inner = layout.view(flat, (2, 3, 4, 5), BATCH_INNERMOST)
    for n, c, h, w in np.ndindex(inner.shape):
        assert inner[n, c, h, w] == ((c * 4 + h) * 5 + w) * 2 + n
    inner[1, 2, 3, 4] = -1
    assert flat[119] == -1


@given(shapes, st.sampled_from(ORDERS))
def test_views_of_any_shape(shape, order):
    flat = np.arange(math.prod(shape) + 3)
    view = layout.view(flat, shape, order)
    assert view.shape == shape and (not view.size or np.shares_memory(view, flat))
    assert sorted(view.ravel()) == list(range(view.size))


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 3, 1, 1), (3, 2, 2, 2, 2)])
@pytest.mark.parametrize("memory", ORDERS)
def test_order_of(shape, memory):
    assert layout.order_of(layout.view(np.zeros(math.prod(shape)), shape, memory)) == memory


@pytest.mark.parametrize("shape", [(1, 3, 4, 5), (7, 1, 1, 1), (0, 3, 4, 5), (4,), ()])
def test_where_both_would_do_it_is_c_order(shape):
    assert layout.order_of(layout.view(np.zeros(math.prod(shape)), shape, BATCH_INNERMOST)) == C_ORDER


def test_a_slice_has_no_order():
    with pytest.raises(ValueError, match="neither memory order"):
        layout.order_of(np.zeros((2, 3, 4, 5))[:, :, 1:])


def test_batch_last():
    array = layout.view(np.arange(120), (2, 3, 4, 5), BATCH_INNERMOST)
    assert layout.batch_last(array).shape == (3, 4, 5, 2)
    assert_array_equal(layout.batch_last(array).ravel(), np.arange(120))
    assert layout.batch_last(np.zeros(3)).shape == (3,)


@given(shapes, st.sampled_from(ORDERS), shapes, st.sampled_from(ORDERS))
def test_rearranging_keeps_the_contents_in_c_order(shape, old, new_shape, new):
    """Also those beyond the old shape, which lie in C order."""
    size = max(math.prod(shape), math.prod(new_shape)) + 2
    flat, contents = np.full(size, -1), np.arange(size)
    layout.view(flat, shape, old)[...] = contents[: math.prod(shape)].reshape(shape)
    flat[math.prod(shape) :] = contents[math.prod(shape) :]
    layout.rearrange(flat, shape, old, new_shape, new)
    count = math.prod(new_shape)
    assert_array_equal(layout.view(flat, new_shape, new).ravel(), contents[:count])
    assert_array_equal(flat[count:], contents[count:])


def test_texts_and_leading():
    array = layout.view(np.zeros(120), (2, 3, 4, 5), BATCH_INNERMOST)
    assert layout.strides_text(array) == "shape (2, 3, 4, 5), strides (1, 40, 10, 2)"
    assert (layout.leading((7, 3)), layout.leading(())) == (7, 1)
