"""Im2col, beyond the table: the order of the taps, other sizes, empty tops, and what a convolution makes of it."""

import numpy as np
import pytest
from harness import make_layer, run_layer
from numpy.testing import assert_allclose, assert_array_equal


def prototxt(settings):
    return f'type: "Im2col" convolution_param {{ {settings} }}'


def test_channels_first_then_taps_row_by_row(backend, order):
    run = run_layer(prototxt("kernel_size: 2"), np.arange(12).reshape(1, 2, 2, 3))
    assert_array_equal(run.top[0].data[0, :, 0, 0], [0, 1, 3, 4, 6, 7, 9, 10])
    assert_array_equal(run.top[0].data[0, 0, 0], [0, 1])


def test_a_convolution_is_a_product_with_it(backend, order, rng):
    x = rng.normal(size=(2, 3, 4, 5))
    window = "kernel_size: 3 stride: 2 pad: 1"
    col = run_layer(prototxt(window), x).top[0].data
    text = f'type: "Convolution" convolution_param {{ num_output: 4 {window} weight_filler {{ type: "xavier" }} }}'
    run = run_layer(text, x)
    product = np.einsum("of,nfhw->nohw", run.blobs[0].data.reshape(4, -1), col)
    assert_allclose(run.top[0].data, product, rtol=1e-4, atol=1e-5)


def test_backward_counts_the_windows_that_read_a_pixel(backend, order):
    run = run_layer(prototxt("kernel_size: 2"), np.ones((2, 1, 3, 3)))
    run.top[0].diff[...] = 1
    assert_array_equal(run.backward().bottom[0].diff[0, 0], [[1, 2, 1], [2, 4, 2], [1, 2, 1]])


@pytest.mark.parametrize("shape", [(2, 3, 2, 2), (0, 3, 4, 5)])
def test_an_empty_top(backend, order, shape):
    run = run_layer(prototxt("kernel_size: 3"), np.ones(shape))
    assert run.top[0].shape == (shape[0], 27, *(size - 2 for size in shape[2:]))
    run.bottom[0].diff[...] = 7
    assert_array_equal(run.backward().bottom[0].diff, np.zeros(shape))


def test_batch_channels_and_image_may_change(backend, order, rng):
    run = make_layer(prototxt("kernel_size: 2 stride: 2"), (2, 3, 4, 5))
    for shape in [(2, 3, 4, 5), (3, 1, 6, 2), (1, 4, 2, 3)]:
        x = rng.normal(size=shape).astype("float32")
        run.feed(x).forward()
        n, c, h, w = shape
        windows = x[:, :, : h // 2 * 2, : w // 2 * 2].reshape(n, c, h // 2, 2, w // 2, 2)
        expected = windows.transpose(0, 1, 3, 5, 2, 4).reshape(n, 4 * c, h // 2, w // 2)
        assert_array_equal(run.top[0].data, expected)
