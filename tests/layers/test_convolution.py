"""Convolution against its definition in plain loops."""

import itertools
import math

import numpy as np
import pytest
from harness import check_gradient, check_rejected, make_layer, run_layer
from hypothesis import assume, given, settings, strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from minicaffe.errors import ParamError, ShapeError

SHAPE = (2, 3, 4, 5)
FILL = 'weight_filler { type: "gaussian" std: 0.5 } bias_filler { type: "gaussian" }'


def prototxt(settings):
    return f'type: "Convolution" convolution_param {{ {settings} {FILL} }}'


def convolve(x, weight, bias, kernel, stride, pad, dilation, group):
    """The definition: x (N, C, *image), one output after the other."""
    batch, channels, *image = x.shape
    outputs = weight.shape[0]
    extent = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    spans = [i + 2 * p - e for i, p, e in zip(image, pad, extent, strict=True)]
    size = [math.trunc(span / s) + 1 for span, s in zip(spans, stride, strict=True)]
    y = np.zeros((batch, outputs, *size))
    for n, o, *p in np.ndindex(*y.shape):
        first = o // (outputs // group) * (channels // group)
        total = bias[o]
        for c, *j in np.ndindex(channels // group, *kernel):
            place = [a * s - q + b * d for a, s, q, b, d in zip(p, stride, pad, j, dilation, strict=True)]
            if all(0 <= v < i for v, i in zip(place, image, strict=True)):
                total += weight[(o, c, *j)] * x[(n, first + c, *place)]
        y[(n, o, *p)] = total
    return y


def check_against_loops(settings, x, kernel, stride, pad, dilation, group=1):
    run = run_layer(prototxt(settings), x, dtype="float64")
    weight, bias = (blob.data for blob in run.blobs)
    expected = convolve(x, weight, bias, kernel, stride, pad, dilation, group)
    assert run.top[0].shape == expected.shape
    assert_allclose(run.top[0].data, expected, rtol=1e-10, atol=1e-12)


CASES = {
    "kernel_size: 3": ((3, 3), (1, 1), (0, 0), (1, 1), 1),
    "kernel_size: 3 stride: 2 pad: 1": ((3, 3), (2, 2), (1, 1), (1, 1), 1),
    "kernel_size: 2 kernel_size: 3 stride: 1 stride: 2 pad: 0 pad: 2": ((2, 3), (1, 2), (0, 2), (1, 1), 1),
    "kernel_h: 1 kernel_w: 4 stride_h: 3 stride_w: 1 pad_h: 0 pad_w: 3": ((1, 4), (3, 1), (0, 3), (1, 1), 1),
    "kernel_size: 2 stride_h: 2 stride_w: 1 pad_w: 1": ((2, 2), (2, 1), (0, 1), (1, 1), 1),
    "kernel_size: 2 dilation: 2 pad: 1": ((2, 2), (1, 1), (1, 1), (2, 2), 1),
    "kernel_size: 2 dilation: 1 dilation: 3 force_nd_im2col: true": ((2, 2), (1, 1), (0, 0), (1, 3), 1),
    "kernel_size: 1": ((1, 1), (1, 1), (0, 0), (1, 1), 1),
    "kernel_size: 1 stride: 2": ((1, 1), (2, 2), (0, 0), (1, 1), 1),
    "kernel_size: 1 pad: 2": ((1, 1), (1, 1), (2, 2), (1, 1), 1),
    "kernel_size: 2 stride: 3": ((2, 2), (3, 3), (0, 0), (1, 1), 1),
    "kernel_size: 3 group: 3 engine: CAFFE": ((3, 3), (1, 1), (0, 0), (1, 1), 3),
    "kernel_size: 1 group: 3": ((1, 1), (1, 1), (0, 0), (1, 1), 3),
}


@pytest.mark.parametrize("settings", CASES)
def test_forward_is_the_definition(backend, order, rng, settings):
    check_against_loops("num_output: 6 " + settings, rng.normal(size=SHAPE), *CASES[settings])


@pytest.mark.parametrize("settings", CASES)
def test_gradient(backend, order, rng, settings):
    check_gradient(prototxt("num_output: 3 " + settings), rng.normal(size=SHAPE))


@settings(max_examples=60)
@given(st.data())
def test_any_window_on_any_image(order, data):
    """Also windows wider than the image, strides beyond the kernel, one channel, one pixel."""
    axes = data.draw(st.integers(1, 3))
    sizes = {
        name: data.draw(st.tuples(*[st.integers(low, high)] * axes), label=name)
        for name, low, high in (
            ("image", 1, 6),
            ("kernel", 1, 3),
            ("stride", 1, 4),
            ("pad", 0, 2),
            ("dilation", 1, 3),
        )
    }
    image = sizes.pop("image")
    batch, group = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 2))
    extent = [d * (k - 1) + 1 for k, d in zip(sizes["kernel"], sizes["dilation"], strict=True)]
    assume(all(i + 2 * p >= e for i, p, e in zip(image, sizes["pad"], extent, strict=True)))
    text = f"num_output: {2 * group} group: {group} " + " ".join(
        f"{'kernel_size' if name == 'kernel' else name}: {size}" for name, values in sizes.items() for size in values
    )
    x = np.random.default_rng(5).normal(size=(batch, group, *image))
    check_against_loops(text, x, *sizes.values(), group)
    check_gradient(prototxt(text), x)


@pytest.mark.parametrize(
    "size, kernel, stride, pad, dilation, output",
    [(7, 3, 2, 1, 1, 4), (7, 3, 1, 2, 2, 7), (2, 3, 2, 0, 1, 1), (224, 7, 2, 3, 1, 112), (227, 11, 4, 0, 1, 55)],
)
def test_output_sizes(size, kernel, stride, pad, dilation, output):
    text = f"num_output: 1 kernel_size: {kernel} stride: {stride} pad: {pad} dilation: {dilation}"
    run = make_layer(f'type: "Convolution" convolution_param {{ {text} }}', (1, 1, size, size))
    assert run.top[0].shape == (1, 1, output, output)


def test_a_window_that_reaches_behind_the_image_reads_zeros(backend, order, rng):
    """(2 - 3) / 2 is 0 when it is divided towards zero: one output, whose last row and column lie outside."""
    check_against_loops(
        "num_output: 2 kernel_size: 3 stride: 2", rng.normal(size=(2, 3, 2, 2)), (3, 3), (2, 2), (0, 0), (1, 1)
    )
    check_gradient(prototxt("num_output: 2 kernel_size: 3 stride: 2"), rng.normal(size=(2, 3, 2, 2)))


@pytest.mark.parametrize("shape", [(2, 3, 2, 2), (0, 3, 4, 5), (0, 3, 2, 2)])
def test_an_empty_top(backend, order, shape):
    """An image one pixel smaller than the kernel, or no image at all."""
    run = run_layer(prototxt("num_output: 4 kernel_size: 3"), np.ones(shape))
    assert run.top[0].shape == (shape[0], 4, *(size - 2 for size in shape[2:]))
    run.bottom[0].diff[...] = 7
    run.backward()
    assert_array_equal(run.bottom[0].diff, np.zeros(shape))
    assert not run.blobs[0].diff.any() and not run.blobs[1].diff.any()


def test_spot_value(backend, order):
    text = "num_output: 1 kernel_size: 2 weight_filler { type: 'constant' value: 1 } bias_filler { value: 0.5 }"
    run = run_layer(f'type: "Convolution" convolution_param {{ {text} }}', np.arange(9).reshape(1, 1, 3, 3))
    assert_allclose(run.top[0].data.ravel(), [8.5, 12.5, 20.5, 24.5])


# --- axes, pairs, parameters ----------------------------------------------------------------------


@pytest.mark.parametrize("axis, spatial", [(0, 3), (1, 2), (2, 1), (3, 0), (-1, 0), (-2, 1), (-4, 3)])
def test_any_channel_axis(backend, order, rng, axis, spatial):
    """Axes before the channels are batch; without spatial axes a convolution is an inner product."""
    x = rng.normal(size=SHAPE)
    start = axis % 4
    text = f"num_output: 3 axis: {axis} " + ("kernel_size: 2 pad: 1" if spatial else "")
    run = run_layer(prototxt(text), x, dtype="float64")
    weight, bias = (blob.data for blob in run.blobs)
    assert weight.shape == (3, SHAPE[start]) + (2,) * spatial
    flat = x.reshape(-1, *SHAPE[start:])
    ones = (1,) * spatial
    expected = convolve(flat, weight, bias, (2,) * spatial, ones, ones, ones, 1)
    assert run.top[0].shape == (*SHAPE[:start], *expected.shape[1:])
    assert_allclose(run.top[0].data.ravel(), expected.ravel(), rtol=1e-10)
    check_gradient(prototxt(text), x)


def test_several_pairs_share_the_weights(backend, order, rng):
    first, second = rng.normal(size=(2, *SHAPE))
    text = prototxt("num_output: 4 kernel_size: 2")
    run = run_layer(text, first, second, tops=2)
    weights = [blob.data for blob in run.blobs]
    for x, top in zip((first, second), run.top, strict=True):
        assert_allclose(top.data, run_layer(text, x, blobs=weights).top[0].data, rtol=1e-5, atol=1e-6)
    check_gradient(text, first, second, tops=2)


def test_no_bias(backend, order, rng):
    text = prototxt("num_output: 4 kernel_size: 2 bias_term: false")
    x = rng.normal(size=SHAPE)
    run = run_layer(text, x)
    assert len(run.blobs) == 1
    expected = convolve(x, run.blobs[0].data, np.zeros(4), (2, 2), (1, 1), (0, 0), (1, 1), 1)
    assert_allclose(run.top[0].data, expected, rtol=1e-4, atol=1e-5)
    check_gradient(text, x)


def test_float32_follows_float64(order, rng):
    text, x = prototxt("num_output: 8 kernel_size: 3 pad: 1"), rng.normal(size=(4, 16, 9, 9))
    double = run_layer(text, x, dtype="float64")
    single = run_layer(text, x, blobs=[blob.data for blob in double.blobs])
    assert single.top[0].data.dtype == np.float32
    assert_allclose(single.top[0].data, double.top[0].data, rtol=1e-4, atol=1e-4)


def test_larger_than_one_tile(order, rng):
    """The CPU cuts the columns into pieces of a megabyte."""
    x = rng.normal(size=(2, 16, 40, 40))
    run = run_layer(prototxt("num_output: 2 kernel_size: 5 stride: 2 pad: 2"), x, dtype="float64")
    weight, bias = (blob.data for blob in run.blobs)
    padded = np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5), (2, 3))[:, :, ::2, ::2]
    assert_allclose(run.top[0].data, np.einsum("nchwij,ocij->nohw", windows, weight) + bias[:, None, None])
    run.top[0].diff[...] = dy = rng.normal(size=run.top[0].shape)
    run.backward()
    assert_allclose(run.blobs[0].diff, np.einsum("nchwij,nohw->ocij", windows, dy))
    assert_allclose(run.blobs[1].diff, dy.sum(axis=(0, 2, 3)))
    dx = np.zeros(padded.shape)
    for i, j in itertools.product(range(5), repeat=2):
        dx[:, :, i : i + 40 : 2, j : j + 40 : 2] += np.einsum("nohw,oc->nchw", dy, weight[:, :, i, j])
    assert_allclose(run.bottom[0].diff, dx[:, :, 2:-2, 2:-2], atol=1e-12)


def test_image_and_batch_may_change(backend, order, rng):
    run = make_layer(prototxt("num_output: 4 kernel_size: 3"), SHAPE, dtype="float64")
    for shape in [(2, 3, 4, 5), (3, 3, 6, 7), (1, 3, 3, 3)]:
        x = rng.normal(size=shape)
        run.feed(x).forward()
        weight, bias = (blob.data for blob in run.blobs)
        expected = convolve(x, weight, bias, (3, 3), (1, 1), (0, 0), (1, 1), 1)
        assert_allclose(run.top[0].data, expected, rtol=1e-10)


def test_blobs_in_the_message_are_taken():
    text = "blobs { shape { dim: [1, 1, 1, 1] } data: 3 } blobs { num: 1 channels: 1 height: 1 width: 1 data: 4 }"
    run = run_layer(
        'type: "Convolution" convolution_param { num_output: 1 kernel_size: 1 } ' + text, np.ones((1, 1, 2, 2))
    )
    assert_array_equal(run.top[0].data, np.full((1, 1, 2, 2), 7))


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings, field, words",
    [
        ("kernel_size: 3", "num_output", "is 0"),
        ("num_output: 2", "kernel_size", "given 0 times"),
        ("num_output: 2 kernel_size: 0", "kernel_size", "is 0"),
        ("num_output: 2 kernel_size: [1, 2, 3]", "kernel_size", "given 3 times"),
        ("num_output: 2 kernel_h: 2", "kernel_w", "is 0 or absent"),
        ("num_output: 2 kernel_w: 2", "kernel_h", "is 0 or absent"),
        ("num_output: 2 kernel_size: 2 kernel_h: 2 kernel_w: 2", "kernel_h", "beside kernel_size"),
        ("num_output: 2 kernel_size: 2 stride: 0", "stride", "is 0"),
        ("num_output: 2 kernel_size: 2 stride: [1, 1, 1]", "stride", "given 3 times"),
        ("num_output: 2 kernel_size: 2 stride_h: 2", "stride_w", "is 0 or absent"),
        ("num_output: 2 kernel_size: 2 stride: 2 stride_w: 2", "stride_w", "beside stride"),
        ("num_output: 2 kernel_size: 2 pad: [1, 1, 1]", "pad", "given 3 times"),
        ("num_output: 2 kernel_size: 2 pad: 1 pad_h: 1", "pad_h", "beside pad"),
        ("num_output: 2 kernel_size: 2 dilation: [1, 1, 1]", "dilation", "given 3 times"),
        ("num_output: 2 kernel_size: 2 group: 0", "group", "is 0"),
        ("num_output: 2 kernel_size: 2 group: 2", "group", "is 2"),
        ("num_output: 4 kernel_size: 2 group: 3", "group", "is 3"),
        ("num_output: 2 kernel_h: 2 kernel_w: 2 axis: 0", "kernel_h", "the bottom has 3"),
        ("num_output: 2 kernel_size: 2 stride_h: 2 axis: 2", "stride_h", "the bottom has 1"),
        ("num_output: 2 kernel_size: 2 pad_w: 2 axis: 2", "pad_w", "the bottom has 1"),
        ("num_output: 2 kernel_size: 2 pad: 4000000000", "pad", "is 4000000000"),
        ("num_output: 2 kernel_size: 2 stride: 4000000000", "stride", "is 4000000000"),
    ],
)
def test_settings_that_are_refused(settings, field, words):
    check_rejected(prototxt(settings), [SHAPE], ParamError, f"convolution_param.{field}", words)


@pytest.mark.parametrize("axis", [4, -5])
def test_an_axis_that_is_not_there(axis):
    text = prototxt(f"num_output: 2 kernel_size: 2 axis: {axis}")
    check_rejected(text, [SHAPE], ShapeError, "convolution_param.axis", f"is {axis}")


def test_channels_must_divide():
    check_rejected(
        prototxt("num_output: 3 kernel_size: 1 group: 3"),
        [(2, 4, 5, 5)],
        ParamError,
        "convolution_param.group",
        "4 channels",
    )


@pytest.mark.parametrize("settings", ["kernel_size: 6", "kernel_size: 3 dilation: 4", "kernel_h: 7 kernel_w: 1"])
def test_a_window_far_beyond_the_image(settings):
    check_rejected(prototxt("num_output: 2 " + settings), [(2, 3, 4, 4)], ShapeError, "convolution_param", "[4, 4]")


def test_absurd_padding_is_refused_before_memory_is_taken():
    text = prototxt("num_output: 1 kernel_size: 1 pad: 100000 stride: 100000")
    check_rejected(text, [SHAPE], ShapeError, "convolution_param.pad", "100000")


@pytest.mark.parametrize(
    "settings", ["num_output: 2000000000 kernel_size: 2", "num_output: 9 kernel_size: 1 pad: 10000"]
)
def test_absurd_blobs_are_refused(settings):
    with pytest.raises(ShapeError, match="blob size exceeds INT_MAX"):
        make_layer(prototxt(settings), (2, 1, 4, 5))


def test_bottoms_of_different_shapes():
    text = prototxt("num_output: 2 kernel_size: 2")
    check_rejected(text, [SHAPE, (2, 3, 5, 4)], ShapeError, "", "bottom[1]", "2 3 5 4", tops=2)


@pytest.mark.parametrize(
    "shape, words", [((2, 4, 4, 5), "4 channels"), ((2, 3, 4), "4 axes"), ((2, 3, 4, 5, 6), "4 axes")]
)
def test_channels_and_axes_are_frozen(shape, words):
    def reshape(run):
        run.bottom[0].reshape(*shape)
        run.forward()

    check_rejected(prototxt("num_output: 2 kernel_size: 2"), [SHAPE], ShapeError, "", words, act=reshape)


@pytest.mark.parametrize(
    "blobs, field, words",
    [
        ("blobs { shape { dim: 1 } data: 1 }", "blobs", "holds 1 blobs, this layer has 2"),
        ("blobs { shape { dim: 2 } data: [1, 2] } blobs { shape { dim: 1 } data: 1 }", "blobs[0]", "2 (2)"),
    ],
)
def test_stored_blobs_must_fit(blobs, field, words):
    text = f'type: "Convolution" convolution_param {{ num_output: 1 kernel_size: 1 }} {blobs}'
    check_rejected(text, [(1, 1, 2, 2)], ShapeError, field, words)


@pytest.mark.parametrize("name", ["weight_filler", "bias_filler"])
def test_an_unknown_filler(name):
    text = f'type: "Convolution" convolution_param {{ num_output: 1 kernel_size: 1 {name} {{ type: "oops" }} }}'
    check_rejected(text, [SHAPE], ParamError, f"convolution_param.{name}", '"oops"', "xavier")
