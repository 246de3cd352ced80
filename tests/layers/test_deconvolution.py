"""Deconvolution, beyond the table: spot values, sizes, interpolation, and its place as a convolution's gradient."""

import numpy as np
import pytest
from harness import make_layer, run_layer
from numpy.testing import assert_allclose, assert_array_equal

ONES = "weight_filler { type: 'constant' value: 1 }"


def prototxt(settings):
    return f'type: "Deconvolution" convolution_param {{ {settings} }}'


def test_spot_values(backend, order):
    text = prototxt(f"num_output: 1 kernel_size: 3 stride: 2 {ONES}")
    run = run_layer(text, np.array([[[[1, 2], [3, 4]]]]))
    wanted = [[1, 1, 3, 2, 2], [1, 1, 3, 2, 2], [4, 4, 10, 6, 6], [3, 3, 7, 4, 4], [3, 3, 7, 4, 4]]
    assert_array_equal(run.top[0].data[0, 0], wanted)


@pytest.mark.parametrize(
    "image, settings, output",
    [
        ((6, 4), "kernel_size: 3 stride: 2", (13, 9)),
        ((6, 4), "kernel_size: 3 stride: 2 pad: 1 dilation: 2", (13, 9)),
        ((1, 1), "kernel_size: 4 pad: 2", (0, 0)),
        ((3, 1), "kernel_h: 2 kernel_w: 5 stride_h: 4 stride_w: 1", (10, 5)),
    ],
)
def test_output_sizes(image, settings, output):
    run = make_layer(prototxt(f"num_output: 2 {settings}"), (2, 3, *image))
    assert run.top[0].shape == (2, 2, *output)
    assert run.blobs[0].shape[:2] == (3, 2)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_enlarging_by_interpolation(backend, order, factor):
    """Each channel by itself; an image that rises evenly goes on rising evenly, away from its border."""
    kernel, pad = 2 * factor - factor % 2, (factor - 1 + 1) // 2
    sizes = f"kernel_size: {kernel} stride: {factor} pad: {pad}"
    filler = 'weight_filler { type: "bilinear" } bias_term: false'
    x = np.arange(4.0)[:, None] * [10] + np.arange(5.0)
    x = np.stack([x, -3 * x])[None]
    run = run_layer(prototxt(f"num_output: 2 group: 2 {sizes} {filler}"), x)
    assert len(run.blobs) == 1
    y = run.top[0].data
    assert y.shape == (1, 2, 4 * factor, 5 * factor)
    inner = y[:, :, factor:-factor, factor:-factor]
    assert_allclose(np.diff(inner[0, 0], axis=0), 10 / factor, rtol=1e-5)
    assert_allclose(np.diff(inner[0, 0], axis=1), 1 / factor, rtol=1e-4)
    assert_allclose(inner[0, 1], -3 * inner[0, 0], rtol=1e-5)


@pytest.mark.parametrize("group", [1, 2])
def test_it_is_the_gradient_of_a_convolution(backend, order, rng, group):
    """With the same weights, without bias: forward is Convolution's backward, and the other way round."""
    window = f"kernel_size: [3, 2] stride: [2, 1] pad: 1 group: {group} bias_term: false"
    x, dx = rng.normal(size=(2, 4, 5, 6)), rng.normal(size=(2, 6, 9, 5))
    run = run_layer(prototxt(f"num_output: 6 {window} weight_filler {{ type: 'gaussian' }}"), x, dtype="float64")
    text = f'type: "Convolution" convolution_param {{ num_output: 4 {window} }}'
    other = run_layer(text, dx, blobs=[run.blobs[0].data], dtype="float64")
    other.top[0].diff[...] = x
    assert_allclose(run.top[0].data, other.backward().bottom[0].diff, rtol=1e-10, atol=1e-12)
    run.top[0].diff[...] = dx
    assert_allclose(run.backward().bottom[0].diff, other.top[0].data, rtol=1e-10, atol=1e-12)
    assert_allclose(run.blobs[0].diff, other.blobs[0].diff, rtol=1e-10, atol=1e-12)


def test_padding_may_leave_nothing(backend, order):
    """An empty top: no gradient comes back."""
    run = run_layer(prototxt(f"num_output: 2 kernel_size: 2 pad: 1 {ONES}"), np.ones((2, 3, 1, 4)))
    assert run.top[0].shape == (2, 2, 0, 3)
    run.bottom[0].diff[...] = 7
    run.backward()
    assert_array_equal(run.bottom[0].diff, np.zeros((2, 3, 1, 4)))
    assert not run.blobs[0].diff.any() and not run.blobs[1].diff.any()


def test_no_image_leaves_the_bias(backend, order):
    """stride (0 - 1) + kernel rows of nothing but the bias."""
    text = prototxt(f"num_output: 2 kernel_size: 4 stride: 2 {ONES} bias_filler {{ value: 3 }}")
    run = run_layer(text, np.ones((2, 3, 0, 2)))
    assert_array_equal(run.top[0].data, np.full((2, 2, 2, 6), 3))
    run.top[0].diff[...] = 1
    run.backward()
    assert not run.blobs[0].diff.any()
    assert_array_equal(run.blobs[1].diff, [24, 24])
