"""Convolution, beyond the table: any window on any image, empty tops, large pictures, other sizes, absurd sizes."""

import itertools

import numpy as np
import pytest
from harness import check_gradient, make_layer, run_layer
from hypothesis import assume, given, settings, strategies as st
from layer_table import TABLE
from net_kit import inputs, layer, make_net
from numpy.testing import assert_allclose, assert_array_equal

from minicaffe.errors import ShapeError

SHAPE = (2, 3, 4, 5)
FILL = 'weight_filler { type: "gaussian" std: 0.5 } bias_filler { type: "gaussian" }'


def prototxt(settings, layer_type="Convolution"):
    return f'type: "{layer_type}" convolution_param {{ {settings} {FILL} }}'


def check_definition(run, x):
    """The top of a run on x is what the definition gives."""
    definition = TABLE[run.layer.type].reference
    [expected] = definition(run.layer.layer_param, [x], [blob.data for blob in run.blobs])
    assert run.top[0].shape == expected.shape
    assert_allclose(run.top[0].data, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("layer_type", ["Convolution", "Deconvolution"])
@settings(max_examples=40)
@given(st.data())
def test_any_window_on_any_image(order, layer_type, data):
    """Also windows wider than the image, strides beyond the kernel, one channel, one pixel; groups; several filters.

    A dilation of 0, which Caffe does not refuse, puts all taps on one pixel.
    """
    axes = data.draw(st.integers(1, 3))
    ranges = {"image": (1, 6), "kernel_size": (1, 3), "stride": (1, 4), "pad": (0, 2), "dilation": (0, 3)}
    sizes = {
        name: data.draw(st.tuples(*[st.integers(low, high)] * axes), label=name) for name, (low, high) in ranges.items()
    }
    image = sizes.pop("image")
    batch, group, inputs, outputs = (data.draw(st.integers(1, most)) for most in (3, 3, 2, 2))
    window = " ".join(f"{name}: {list(values)}" for name, values in sizes.items())
    text = prototxt(f"num_output: {outputs * group} group: {group} {window}", layer_type)
    x = np.random.default_rng(5).normal(size=(batch, inputs * group, *image))
    try:
        run = run_layer(text, x, dtype="float64")
    except ShapeError as error:
        assume("does not fit" not in str(error))
        raise
    check_definition(run, x)
    check_gradient(text, x)


@pytest.mark.parametrize(
    "size, kernel, stride, pad, dilation, output",
    [
        (7, 3, 2, 1, 1, 4),
        (7, 3, 1, 2, 2, 7),
        (2, 3, 2, 0, 1, 1),
        (2, 3, 1, 0, 1, 0),
        (224, 7, 2, 3, 1, 112),
        (227, 11, 4, 0, 1, 55),
    ],
)
def test_output_sizes(size, kernel, stride, pad, dilation, output):
    text = f"num_output: 1 kernel_size: {kernel} stride: {stride} pad: {pad} dilation: {dilation}"
    run = make_layer(f'type: "Convolution" convolution_param {{ {text} }}', (1, 1, size, size))
    assert run.top[0].shape == (1, 1, output, output)


def test_a_window_that_reaches_behind_the_image_reads_zeros(backend, order, rng):
    """(2 - 3) / 2 is 0 when it is divided towards zero: one output, whose last row and column lie outside."""
    x, text = rng.normal(size=(2, 3, 2, 2)), prototxt("num_output: 2 kernel_size: 3 stride: 2")
    check_definition(run_layer(text, x, dtype="float64"), x)
    check_gradient(text, x)


@pytest.mark.parametrize("group", [1, 3])
@pytest.mark.parametrize("shape", [(2, 3, 2, 2), (0, 3, 4, 5), (0, 3, 2, 2)])
def test_an_empty_top(backend, order, shape, group):
    """An image one pixel smaller than the kernel, or no image at all."""
    run = run_layer(prototxt(f"num_output: 3 kernel_size: 3 group: {group}"), np.ones(shape))
    assert run.top[0].shape == (shape[0], 3, *(size - 2 for size in shape[2:]))
    run.bottom[0].diff[...] = 7
    run.backward()
    assert_array_equal(run.bottom[0].diff, np.zeros(shape))
    assert not run.blobs[0].diff.any() and not run.blobs[1].diff.any()


def test_spot_value(backend, order):
    text = "num_output: 1 kernel_size: 2 weight_filler { type: 'constant' value: 1 } bias_filler { value: 0.5 }"
    run = run_layer(f'type: "Convolution" convolution_param {{ {text} }}', np.arange(9).reshape(1, 1, 3, 3))
    assert_allclose(run.top[0].data.ravel(), [8.5, 12.5, 20.5, 24.5])


@pytest.mark.parametrize("axis, spatial", [(0, 3), (1, 2), (2, 1), (3, 0), (-1, 0), (-2, 1), (-4, 3)])
def test_any_channel_axis(backend, order, rng, axis, spatial):
    """Axes before the channels are batch; without spatial axes a convolution is an inner product."""
    x = rng.normal(size=SHAPE)
    text = prototxt(f"num_output: 3 axis: {axis} " + ("kernel_size: 2 pad: 1" if spatial else ""))
    run = run_layer(text, x, dtype="float64")
    assert run.blobs[0].shape == (3, SHAPE[axis % 4]) + (2,) * spatial
    check_definition(run, x)
    check_gradient(text, x)


def test_larger_than_one_tile(order, rng):
    """The CPU cuts the columns into pieces of two megabytes."""
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
        check_definition(run.feed(x).forward(), x)


def test_blobs_in_the_message_are_taken():
    text = "blobs { shape { dim: [1, 1, 1, 1] } data: 3 } blobs { num: 1 channels: 1 height: 1 width: 1 data: 4 }"
    run = run_layer(
        'type: "Convolution" convolution_param { num_output: 1 kernel_size: 1 } ' + text, np.ones((1, 1, 2, 2))
    )
    assert_array_equal(run.top[0].data, np.full((1, 1, 2, 2), 7))


@pytest.mark.parametrize(
    "layer_type, settings, needed",
    [
        ("Convolution", "num_output: 2000000000 kernel_size: 2", 2000000000 * 3 * 2 * 2),
        ("Deconvolution", "num_output: 2000000000 kernel_size: 2", 3 * 2000000000 * 2 * 2),
        ("Convolution", "num_output: 1 kernel_size: 1000000", 3 * 1000000**2),
        ("Deconvolution", "num_output: 1 kernel_size: 1000000", 3 * 1000000**2),
        ("Convolution", "num_output: 9 kernel_size: 1 pad: 10000", 2 * 9 * 20004 * 20005),
        ("Deconvolution", "num_output: 9 kernel_size: 1 stride: 5000", 9 * 15001 * 20001),
        ("Im2col", "kernel_size: 20000 pad: 10000", 3 * 20000**2 * 5 * 6),
    ],
)
def test_absurd_sizes_are_refused_before_memory_is_taken(layer_type, settings, needed):
    settings = f"convolution_param {{ {settings} }}"
    with pytest.raises(ShapeError) as caught:
        make_net(inputs("x", shape=SHAPE) + layer("absurd", layer_type, "x", "y", settings))
    text = str(caught.value)
    assert f'layer "absurd" ({layer_type}): convolution_param' in text and f" {4 * needed} bytes" in text
