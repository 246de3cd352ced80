"""Input: shapes out of the prototxt, and nothing else."""

import numpy as np
import pytest
from harness import check_rejected, make_layer
from numpy.testing import assert_array_equal

from minicaffe.errors import GraphError, ParamError, ShapeError


def prototxt(*shapes):
    text = " ".join(f"shape {{ {' '.join(f'dim: {dim}' for dim in shape)} }}" for shape in shapes)
    return f'type: "Input" input_param {{ {text} }}'


@pytest.mark.parametrize("shapes, expected", [([(2, 3)], [(2, 3)] * 2), ([(2, 3, 4, 5), ()], [(2, 3, 4, 5), ()])])
def test_shapes(backend, order, shapes, expected):
    run = make_layer(prototxt(*shapes), tops=2)
    assert [top.shape for top in run.top] == expected
    for top in run.top:
        assert_array_equal(top.data, np.zeros(top.shape))


def test_without_a_shape_the_program_gives_one():
    run = make_layer('type: "Input"')
    assert run.top[0].count == 0
    run.top[0].reshape(4, 3)
    assert run.forward().top[0].shape == (4, 3)


def test_values_and_shapes_stay(backend, order):
    run = make_layer(prototxt((2, 3, 4, 5)))
    run.top[0].reshape(1, 2, 3, 4)
    run.top[0].data[...] = 5
    run.forward().backward()
    assert_array_equal(run.top[0].data, np.full((1, 2, 3, 4), 5))


def test_number_of_shapes():
    text = prototxt((2,), (3,))
    check_rejected(text, [], ParamError, "input_param.shape", "given 2 times", "3 tops", tops=3)
    check_rejected(text, [], ParamError, "input_param.shape", "given 2 times", "1 top", tops=1)


@pytest.mark.parametrize(
    "shape, words",
    [((2, -1), "negative"), ((2**31,), "INT_MAX"), ((2**62, 2**62), "INT_MAX"), ((1,) * 33, "at most 32 axes")],
)
def test_impossible_shapes(shape, words):
    check_rejected(prototxt((2,), shape), [], ShapeError, "input_param.shape[1]", str(shape[0]), words, tops=2)


def test_no_top_and_a_bottom():
    check_rejected(prototxt(), [], GraphError, "", "at least 1", tops=0)
    check_rejected(prototxt(), [(2,)], GraphError, "", "takes 0 bottom")
