"""InnerProduct against the sum it is."""

import numpy as np
import pytest
from harness import check_gradient, check_rejected, make_layer, run_layer
from numpy.testing import assert_allclose, assert_array_equal
from watch import peak_of

from minicaffe.errors import ParamError, ShapeError

SHAPE = (2, 3, 4, 5)
FILL = 'weight_filler { type: "gaussian" std: 0.5 } bias_filler { type: "gaussian" }'


def prototxt(settings):
    return f'type: "InnerProduct" inner_product_param {{ {settings} {FILL} }}'


@pytest.mark.parametrize("axis, rows", [(0, 1), (1, 2), (2, 6), (3, 24), (-1, 24), (-3, 2)])
@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_forward_is_the_definition(backend, order, rng, axis, rows, transpose, bias):
    x = rng.normal(size=SHAPE)
    flags = f"transpose: {str(transpose).lower()} bias_term: {str(bias).lower()}"
    run = run_layer(prototxt(f"num_output: 7 axis: {axis} {flags}"), x, dtype="float64")
    weight = run.blobs[0].data
    assert weight.shape == ((120 // rows, 7) if transpose else (7, 120 // rows))
    assert run.top[0].shape == (*SHAPE[: axis % 4], 7)
    assert len(run.blobs) == 1 + bias
    matrix = x.reshape(rows, -1)
    for m, o in np.ndindex(rows, 7):
        weights = weight[:, o] if transpose else weight[o]
        expected = sum(a * b for a, b in zip(matrix[m], weights, strict=True)) + (run.blobs[1].data[o] if bias else 0)
        assert run.top[0].data.reshape(rows, 7)[m, o] == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("axis", [0, 1, 2, 3])
@pytest.mark.parametrize("flags", ["", "transpose: true", "bias_term: false"])
def test_gradient(backend, order, rng, axis, flags):
    check_gradient(prototxt(f"num_output: 3 axis: {axis} {flags}"), rng.normal(size=SHAPE))


@pytest.mark.parametrize("shape", [(1, 3, 4, 5), (5, 1, 1, 1), (1, 1), (4, 2, 1, 3)])
@pytest.mark.parametrize("outputs", [1, 4])
def test_one_row_one_input_one_output(backend, order, rng, shape, outputs):
    check_gradient(prototxt(f"num_output: {outputs}"), rng.normal(size=shape))


def test_any_number_of_axes(backend, order, rng):
    for shape, axis in [((4,), 0), ((2, 3), 1), ((2, 3, 4), 2), ((2, 1, 3, 1, 2), 3)]:
        check_gradient(prototxt(f"num_output: 2 axis: {axis}"), rng.normal(size=shape))


def test_no_rows(backend, order):
    run = run_layer(prototxt("num_output: 3"), (0, 4, 2, 2)).backward()
    assert run.top[0].shape == (0, 3) and not run.blobs[0].diff.any() and not run.blobs[1].diff.any()


def test_the_batch_may_change(backend, order, rng):
    run = make_layer(prototxt("num_output: 3"), SHAPE, dtype="float64")
    for shape in [(2, 3, 4, 5), (5, 3, 5, 4), (1, 60)]:
        x = rng.normal(size=shape)
        run.feed(x)
        expected = x.reshape(shape[0], -1) @ run.blobs[0].data.T + run.blobs[1].data
        assert_allclose(run.forward().top[0].data, expected)


def test_an_axis_from_the_end_moves_with_the_number_of_axes(backend, order, rng):
    """As in Caffe: only the inputs a row, which the weights have, may not change."""
    run = make_layer(prototxt("num_output: 3 axis: -1"), SHAPE, dtype="float64")
    for shape in [(2, 3, 4, 5), (6, 5), (5,), (2, 1, 3, 2, 5)]:
        x = rng.normal(size=shape)
        expected = x @ run.blobs[0].data.T + run.blobs[1].data
        assert_allclose(run.feed(x).forward().top[0].data, expected)
    run.feed(rng.normal(size=(5, 4)))
    with pytest.raises(ShapeError, match=r"shape 5 4 \(20\): 4 inputs a row, must be 5"):
        run.forward()


@pytest.mark.parametrize("transpose", ["true", "false"])
def test_a_step_copies_nothing(order, transpose):
    """Whichever way the bottom lies, the products read it, and write its gradient, where it is."""
    run = run_layer(prototxt(f"num_output: 8 transpose: {transpose}"), (64, 32, 8, 8)).backward()
    assert peak_of(lambda: run.forward().backward()) < run.bottom[0].data.nbytes / 10


def test_float32_follows_float64(order, rng):
    x = rng.normal(size=(6, 8, 5, 5))
    double = run_layer(prototxt("num_output: 9"), x, dtype="float64")
    single = run_layer(prototxt("num_output: 9"), x, blobs=[blob.data for blob in double.blobs])
    assert single.top[0].data.dtype == np.float32
    assert_allclose(single.top[0].data, double.top[0].data, rtol=1e-4, atol=1e-4)


def test_blobs_in_the_message_are_taken(backend):
    text = 'type: "InnerProduct" inner_product_param { num_output: 1 bias_term: false }'
    stored = "blobs { num: 1 channels: 1 height: 1 width: 3 data: [1, 2, 3] }"
    assert_array_equal(run_layer(f"{text} {stored}", np.ones((2, 3))).top[0].data, [[6], [6]])
    stored = "blobs { shape { dim: 3 dim: 1 } data: [1, 2, 3] }"
    check_rejected(f"{text} {stored}", [(2, 3)], ShapeError, "blobs[0]", "3 1 (3)", "1 3 (3)")


@pytest.mark.parametrize("settings", ["", "num_output: 0"])
def test_no_outputs(settings):
    check_rejected(prototxt(settings), [SHAPE], ParamError, "inner_product_param.num_output", "is 0")


@pytest.mark.parametrize(
    "settings, shape, size",
    [
        ("", SHAPE, "480000000000 bytes"),
        ("transpose: true", SHAPE, "480000000000 bytes"),
        ("axis: 3", (2, 3, 4, 1), "192000000000 bytes"),
    ],
)
def test_more_outputs_than_any_blob_holds(settings, shape, size):
    """Too large are the weights, or the top alone; no memory is taken before that is known."""
    text = prototxt(f"num_output: 2000000000 {settings}")
    words = "is 2000000000", size, "at most 2147483647 values"
    check_rejected(text, [shape], ShapeError, "inner_product_param.num_output", *words)


def test_a_batch_too_large_for_the_outputs():
    def grow(run):
        run.bottom[0].reshape(30_000, 1)
        run.forward()

    words = "is 100000", "30000 100000", "12000000000 bytes"
    text = prototxt("num_output: 100000")
    check_rejected(text, [(1, 1)], ShapeError, "inner_product_param.num_output", *words, act=grow)


@pytest.mark.parametrize("axis", [4, -5])
def test_an_axis_that_is_not_there(axis):
    text = prototxt(f"num_output: 2 axis: {axis}")
    check_rejected(text, [SHAPE], ShapeError, "inner_product_param.axis", f"is {axis}", "numbered -4 to 3")


@pytest.mark.parametrize(
    "shape, field, words",
    [((2, 3, 4, 6), "", "must be 60"), ((2,), "inner_product_param.axis", "is 1: axis 1 does not exist")],
)
def test_the_inputs_of_a_row_are_frozen(shape, field, words):
    def reshape(run):
        run.bottom[0].reshape(*shape)
        run.forward()

    check_rejected(prototxt("num_output: 2"), [SHAPE], ShapeError, field, words, act=reshape)


def test_rows_of_nothing():
    text = prototxt("num_output: 2")
    check_rejected(text, [(2, 0, 3)], ShapeError, "inner_product_param.weight_filler", "cannot fill an empty blob")


@pytest.mark.parametrize("name", ["weight_filler", "bias_filler"])
def test_a_bad_filler(name):
    text = f'type: "InnerProduct" inner_product_param {{ num_output: 2 {name} {{ type: "uniform" min: 2 max: 1 }} }}'
    check_rejected(text, [SHAPE], ParamError, f"inner_product_param.{name}", "min 2")
