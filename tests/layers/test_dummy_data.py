"""DummyData: shapes, fillers, and which of them draw anew."""

import numpy as np
import pytest
from harness import check_rejected, make_layer
from numpy.testing import assert_array_equal

from minicaffe.errors import FormatError, GraphError, ParamError, ShapeError


def prototxt(settings):
    return f'type: "DummyData" dummy_data_param {{ {settings} }}'


CONSTANT = 'data_filler { type: "constant" value: 3 }'
GAUSSIAN = 'data_filler { type: "gaussian" }'


@pytest.mark.parametrize(
    "settings, expected",
    [
        ("shape { dim: 2 dim: 3 }", [(2, 3)] * 2),
        ("shape { dim: [2, 3, 4, 5] } shape { }", [(2, 3, 4, 5), ()]),
        ("num: 2 channels: 3 height: 4 width: 5", [(2, 3, 4, 5)] * 2),
        ("num: 2 num: 7 channels: 3 height: [4, 1] width: 5", [(2, 3, 4, 5), (7, 3, 1, 5)]),
    ],
)
def test_shapes(backend, order, settings, expected):
    run = make_layer(prototxt(settings), tops=2)
    assert [top.shape for top in run.top] == expected
    for top in run.forward().top:
        assert_array_equal(top.data, np.zeros(top.shape))


def test_constants_are_filled_once(backend, order):
    run = make_layer(prototxt(f"shape {{ dim: [2, 3, 4, 5] }} {CONSTANT}"))
    assert_array_equal(run.top[0].data, np.full((2, 3, 4, 5), 3))
    run.top[0].data[1, 2] = 8
    assert (run.forward().backward().top[0].data[1, 2] == 8).all()


def test_others_draw_anew(backend, order):
    run = make_layer(prototxt(f"shape {{ dim: 500 }} {CONSTANT} {GAUSSIAN}"), tops=2)
    assert not run.top[1].data.any()
    first = run.forward().top[1].data.copy()
    second = run.forward().top[1].data.copy()
    assert (first != second).all()
    assert_array_equal(run.top[0].data, np.full(500, 3))
    assert abs(first.mean()) < 0.25 and 0.85 < first.std() < 1.15


def test_one_filler_for_all_tops(backend):
    run = make_layer(prototxt(f"shape {{ dim: 50 }} {GAUSSIAN}"), tops=3).forward()
    assert (run.top[0].data != run.top[1].data).all() and (run.top[1].data != run.top[2].data).all()


def test_draws_depend_on_the_count_alone():
    """Not on the memory order, nor on what ran before: a restored layer draws what it would have drawn."""
    text = prototxt(f"shape {{ dim: [2, 3, 4, 5] }} {GAUSSIAN}")
    draws = []
    for order in ("c", "batch_innermost"):
        run = make_layer(text, order=order)
        draws.append([run.forward().top[0].data.copy() for _ in range(3)])
    assert_array_equal(draws[0], draws[1])
    fresh = make_layer(text)
    fresh.layer.restore({"forward_count": 2})
    assert_array_equal(fresh.forward().top[0].data, draws[0][2])
    assert fresh.layer.state() == {"forward_count": 3}
    with pytest.raises(FormatError, match=r'"the_layer" \(DummyData\): cannot go on .* its forward_count is -4'):
        fresh.layer.restore({"forward_count": -4})


@pytest.mark.parametrize(
    "settings, field, words",
    [
        ("", "shape", "given 0 times"),
        ("shape { dim: 2 } shape { dim: 2 }", "shape", "given 2 times"),
        ("shape { dim: 2 } num: 2", "num", "Both shape and legacy fields"),
        ("shape { dim: 2 } width: 2", "width", "Both shape and legacy fields"),
        ("num: 2 channels: 3 height: 4", "width", "given 0 times"),
        ("num: [2, 3] channels: 3 height: 4 width: 5", "num", "given 2 times"),
        (f"shape {{ dim: 2 }} {CONSTANT} {GAUSSIAN}", "data_filler", "given 2 times"),
        ('shape { dim: 2 } data_filler { type: "oops" }', "data_filler", '"oops"'),
        ('shape { dim: 2 } data_filler { type: "gaussian" std: 0 }', "data_filler", "std 0"),
    ],
)
def test_settings_that_are_refused(settings, field, words):
    check_rejected(prototxt(settings), [], ParamError, f"dummy_data_param.{field}", words, tops=3)


@pytest.mark.parametrize(
    "settings, field, words",
    [
        ("shape { dim: [2, 0] }", "shape", "top[0] empty"),
        ("num: 2 channels: 3 height: 0 width: 1", "height", "top[0] empty, with the shape 2 3 0 1 (0)"),
        ("shape { dim: [2, -3] }", "shape", "negative"),
        ("shape { dim: [100000, 100000] }", "shape", "INT_MAX"),
        ('shape { dim: 2 } data_filler { type: "bilinear" }', "data_filler", "4 axes"),
    ],
)
def test_shapes_that_are_refused(settings, field, words):
    check_rejected(prototxt(settings), [], ShapeError, f"dummy_data_param.{field}", words)


def test_blob_counts():
    check_rejected(prototxt("shape { dim: 2 }"), [], GraphError, "", "at least 1", tops=0)
    check_rejected(prototxt("shape { dim: 2 }"), [(2,)], GraphError, "", "takes 0 bottom")
