"""Scale and Bias beyond the table of all types: two bottoms, first values, gradients that add up."""

import numpy as np
import pytest
from harness import check_gradient, make_layer, run_layer
from numpy.testing import assert_allclose, assert_array_equal

SHAPE = (2, 3, 4, 5)
# axis, shape of bottom[1]
OPERANDS = [
    (1, (3,)),
    (1, (3, 4)),
    (0, (2,)),
    (0, (2, 3)),
    (0, SHAPE),
    (2, (4, 5)),
    (-1, (5,)),
    (1, (3, 4, 5)),
    (7, ()),
]
LAYERS = ["bias_param {", "scale_param {", "scale_param { bias_term: true"]


def prototxt(settings, more=""):
    return f'type: "{"Scale" if "scale" in settings else "Bias"}" {settings} {more} }}'


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("axis, shape", OPERANDS)
@pytest.mark.parametrize("settings", LAYERS)
def test_gradient_of_two_bottoms(order, rng, settings, axis, shape, in_place):
    x, operand = rng.normal(size=SHAPE), rng.normal(size=shape)
    check_gradient(prototxt(settings, f"axis: {axis}"), x, operand, in_place=in_place)


@pytest.mark.parametrize("axis, shape", OPERANDS)
@pytest.mark.parametrize("settings", LAYERS)
def test_devices_agree_on_two_bottoms(fake_gpu, rng, settings, axis, shape):
    bottoms, dy, found = (rng.normal(size=SHAPE), rng.normal(size=shape)), rng.normal(size=SHAPE), []
    for backend in (None, fake_gpu):
        run = run_layer(prototxt(settings, f"axis: {axis}"), *bottoms, backend=backend, dtype="float64")
        run.top[0].diff[...] = dy
        found.append([blob.diff for blob in run.backward().bottom + run.blobs])
    for a, b in zip(*found, strict=True):
        assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("settings", LAYERS)
def test_the_operand_as_large_as_a_batch_of_many(order, rng, settings):
    """From 16 pictures on bottom[1] may lie in another memory order than a blob of its axes would alone."""
    check_gradient(prototxt(settings, "axis: 0"), rng.normal(size=(17, 2, 1, 3)), rng.normal(size=(17, 2, 1)))


def test_first_values(backend):
    run = make_layer(prototxt("scale_param {", "bias_term: true"), SHAPE)
    assert_array_equal([blob.data for blob in run.blobs], [[1, 1, 1], [0, 0, 0]])
    assert_array_equal(make_layer(prototxt("bias_param {"), SHAPE).blobs[0].data, [0, 0, 0])


def test_an_empty_filler_is_zero_not_one(backend):
    assert_array_equal(make_layer(prototxt("scale_param {", "filler { }"), SHAPE).blobs[0].data, [0, 0, 0])


def test_fillers_are_used(backend):
    more = "bias_term: true filler { value: 3 } bias_filler { value: 4 }"
    run = run_layer(prototxt("scale_param {", more), np.full(SHAPE, 2.0))
    assert_array_equal(run.top[0].data, np.full(SHAPE, 10))
    run = run_layer(prototxt("bias_param {", "filler { value: 3 }"), np.full(SHAPE, 2.0))
    assert_array_equal(run.top[0].data, np.full(SHAPE, 5))


def test_with_two_bottoms_only_the_bias_is_learned(backend, rng):
    run = make_layer(prototxt("scale_param {", "bias_term: true"), SHAPE, (3, 4))
    assert [blob.shape for blob in run.blobs] == [(3, 4)]
    assert make_layer(prototxt("scale_param {"), SHAPE, (3, 4)).blobs == []


@pytest.mark.parametrize("more, shape", [("", (1, 3, 4, 5)), ("axis: 0 num_axes: -1", SHAPE), ("axis: 0", SHAPE)])
def test_gradients_add_up_where_caffe_overwrites(backend, order, more, shape):
    run = run_layer(prototxt("scale_param {", more), np.ones(shape))
    run.top[0].diff[...] = 1
    once = run.backward().blobs[0].diff.copy()
    assert np.all(once > 0)
    assert_array_equal(run.backward().blobs[0].diff, 2 * once)


@pytest.mark.parametrize("settings", LAYERS)
@pytest.mark.parametrize("in_place", [False, True])
def test_backward_does_not_need_the_top(backend, order, rng, settings, in_place):
    x, found = rng.normal(size=SHAPE), []
    for overwritten in (False, True):
        run = run_layer(prototxt(settings), x, in_place=in_place)
        if overwritten:
            run.top[0].data[...] = 7
        run.top[0].diff[...] = 1
        run.backward()
        found.append([blob.diff.copy() for blob in run.bottom + run.blobs])
    for a, b in zip(*found, strict=True):
        assert_array_equal(a, b)


@pytest.mark.parametrize("settings", LAYERS)
def test_other_sizes_beside_the_operand(backend, order, rng, settings):
    run = make_layer(prototxt(settings), SHAPE)
    for shape in [(1, 3, 2, 2), (17, 3, 1, 4), (5, 3)]:
        x = rng.normal(size=shape)
        assert_allclose(run.feed(x).forward().top[0].data, x, rtol=1e-6, atol=1e-7)
