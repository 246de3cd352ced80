"""ArgMax: ties, NaN, shapes of its top."""

import numpy as np
import pytest
from harness import check_rejected, make_layer, run_layer
from numpy.testing import assert_array_equal

from minicaffe.errors import ShapeError


def argmax(settings):
    return f'type: "ArgMax" argmax_param {{ {settings} }}'


def test_spot_value(backend):
    assert_array_equal(run_layer(argmax("top_k: 2"), np.array([[3, 5, 5, 1]])).top[0].data, [[[2, 1]]])


@pytest.mark.parametrize(
    "settings, shape, top",
    [
        ("", (2, 3), (2, 1, 1)),
        ("top_k: 2", (2, 3), (2, 1, 2)),
        ("", (2,), (2, 1, 1)),
        ("out_max_val: true top_k: 3", (2, 3, 4, 5), (2, 2, 3, 1)),
        ("top_k: 3", (2, 3, 4, 5, 6), (2, 1, 3, 1, 1)),
        ("axis: 1 top_k: 3", (2, 3, 4, 5), (2, 3, 4, 5)),
        ("axis: -2", (2, 3, 4, 5), (2, 3, 1, 5)),
        ("axis: 0", (2,), (1,)),
        ("axis: 1 out_max_val: true", (0, 3), (0, 1)),
    ],
)
def test_shapes(backend, settings, shape, top):
    run = run_layer(argmax(settings), shape)
    assert run.top[0].shape == top and run.top[0].data.shape == top


def test_places_and_values_together_may_be_too_many():
    text, words = (
        argmax("top_k: 600000000 out_max_val: true"),
        ("is 600000000: ", "2 2 600000000 (2400000000)", "bytes"),
    )
    check_rejected(text, [(2, 600000000)], ShapeError, "argmax_param.top_k", *words)


@pytest.mark.parametrize("k, places", [(1, [3]), (2, [3, 1]), (3, [3, 1, 4]), (6, [3, 1, 4, 2, 0, 5])])
def test_nan_is_greater_than_any_number(backend, k, places):
    x = np.array([[-1, np.nan, 2, np.nan, np.inf, -np.inf]])
    assert_array_equal(run_layer(argmax(f"axis: 1 top_k: {k}"), x).top[0].data, [places])
    values = run_layer(argmax(f"axis: 1 top_k: {k} out_max_val: true"), x).top[0].data
    assert_array_equal(values, x[:, places])


@pytest.mark.parametrize("k", [1, 2, 10, 99])
def test_lines_with_and_without_ties_side_by_side(backend, order, rng, k):
    """Those without are not sorted whole, those with are."""
    x = np.where(np.arange(6)[:, None] % 2, rng.normal(size=(6, 99)), rng.integers(0, 4, size=(6, 99)))
    found = run_layer(argmax(f"axis: 1 top_k: {k}"), x, dtype="float64").top[0].data
    for line, places in zip(x, found, strict=True):
        assert_array_equal(places, sorted(range(99), key=lambda j: (-line[j], -j))[:k])


def test_another_shape(order, rng):
    run = make_layer(argmax("axis: 1"), (2, 3, 4, 5))
    for shape in [(2, 3, 4, 5), (17, 9, 1, 2), (1, 1, 6, 6)]:
        x = rng.normal(size=shape).astype(np.float32)
        assert_array_equal(run.feed(x).forward().top[0].data[:, 0], x.argmax(axis=1))
