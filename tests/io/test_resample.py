"""Resizing by splines, against loops over pixels."""

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from minicaffe.errors import ParamError
from minicaffe.io.array_checks import ArrayError
from minicaffe.io.b_spline import b_spline, coefficients
from minicaffe.io.image_arrays import resize_image


def gaussian_line(line, new_size, border):
    """The line that is sampled: smoothed where it shrinks."""
    size = len(line)
    sigma = (size / new_size - 1) / 2
    if sigma <= 0:
        return list(line)
    radius = int(4 * sigma + 0.5)
    weights = [math.exp(-((k / sigma) ** 2) / 2) for k in range(-radius, radius + 1)]
    return [
        sum(w * (line[i + k - radius] if 0 <= i + k - radius < size else border) for k, w in enumerate(weights))
        / sum(weights)
        for i in range(size)
    ]


def areas_line(line, new_size, order, border):
    """Pixels as areas, `border` around them."""
    size, smooth, result = len(line), gaussian_line(line, new_size, border), []
    for i in range(new_size):
        x = (i + 0.5) * size / new_size - 0.5
        if order == 0:
            result.append(smooth[math.floor(x + 0.5)])
            continue
        left, near = math.floor(x), x - math.floor(x)
        a, b = (smooth[k] if 0 <= k < size else border for k in (left, left + 1))
        result.append((1 - near) * a + near * b)
    return result


def by_loops(image, new_dims, line):
    """Each column, then each row, of each channel."""
    rows = np.array([[line(image[:, j, k], new_dims[0]) for j in range(image.shape[1])] for k in range(image.shape[2])])
    both = np.array([[line(rows[k, :, i], new_dims[1]) for i in range(new_dims[0])] for k in range(image.shape[2])])
    return both.transpose(1, 2, 0)


@pytest.mark.parametrize("interp_order", [0, 1])
@pytest.mark.parametrize("shape", [(5, 6, 3), (7, 4, 1), (1, 1, 3), (2, 9, 1)])
@pytest.mark.parametrize("new_dims", [(5, 6), (11, 13), (3, 2), (1, 1), (40, 1)])
def test_one_and_three_channels(rng, interp_order, shape, new_dims):
    image = rng.normal(10, 3, shape).astype(np.float32)
    found = resize_image(image, new_dims, interp_order)
    assert found.dtype == np.float32
    expected = by_loops(image, new_dims, lambda line, size: areas_line(line, size, interp_order, image.min()))
    if image.size == 1:
        # Constant: filled.
        expected[...] = image
    assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("new_dims", [(5, 6), (9, 13), (3, 2), (1, 1), (26, 1)])
def test_other_channels_keep_the_corners(rng, new_dims):
    image = rng.normal(size=(8, 6, 2))

    def points_line(line, new_size):
        steps = max(new_size - 1, 1)
        return np.interp([i * (len(line) - 1) / steps for i in range(new_size)], range(len(line)), line)

    found = resize_image(image, new_dims)
    assert_allclose(found, by_loops(image, new_dims, points_line), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("interp_order", [2, 3, 4, 5])
def test_a_spline_goes_through_the_pixels(rng, interp_order):
    """The definition of the coefficients, mirrored at both ends."""
    pixels = rng.normal(size=(7, 2))
    c = coefficients(pixels, interp_order)
    mirrored = np.concatenate([c[:0:-1], c, c[-2::-1]])
    for k in range(7):
        weights = b_spline(np.arange(len(mirrored)) - 6.0 - k, interp_order)
        assert_allclose(weights @ mirrored, pixels[k], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("interp_order", range(6))
def test_b_splines_add_up_to_one(interp_order):
    x = np.linspace(-0.49, 0.49, 9)
    taps = np.arange(-3, 4) if interp_order else np.zeros(1)
    assert_allclose(sum(b_spline(x - tap, interp_order) for tap in taps), 1)
    if interp_order:
        # The convolution of B of the order below with a box one pixel wide.
        inner = np.linspace(-0.2, 0.8, 2001)
        below = b_spline(inner, interp_order - 1) if interp_order > 1 else 1.0 * (abs(inner) < 0.5)
        mean = np.trapezoid(below, inner)
        assert_allclose(b_spline(np.array([0.3]), interp_order), mean, atol=1e-3)


@pytest.mark.parametrize("interp_order", [2, 3, 4, 5])
@pytest.mark.parametrize("channels", [1, 2])
def test_higher_orders_draw_a_smooth_picture_better(interp_order, channels):
    """A wave on 24 pixels, taken at 70 places, away from the border."""
    places = (np.arange(70) + 0.5) * 24 / 70 - 0.5 if channels == 1 else np.arange(70) * 23 / 69
    image = np.sin(np.arange(24) / 2).reshape(24, 1, 1).repeat(5, 1).repeat(channels, 2)
    found, rough = (resize_image(image, (70, 5), k)[12:-12, 2, 0] for k in (interp_order, 1))
    error, rough_error = (abs(line - np.sin(places / 2)[12:-12]).max() for line in (found, rough))
    assert error < rough_error / 5


# What scikit-image 0.26 and scipy 1.17 make of the test's image as (3, 5), by way of [0, 1] as pycaffe; five digits.
RECORDED = {
    (
        "areas",
        0,
    ): "6.6684 6.6684 9.2628 12.303 12.303 42.252 42.252 47.527 53.013 53.013 73.659 73.659 79.89 86.291 86.291",
    (
        "areas",
        1,
    ): "4.6624 6.7753 8.1963 9.8895 8.8147 28.018 36.994 39.95 43.043 36.084 57.834 74.702 78.318 82.03 67.603",
    (
        "areas",
        2,
    ): "4.5821 6.6903 7.929 10.922 9.3799 29.297 39.289 39.69 47.461 38.563 63.485 83.524 81.171 93.693 75.015",
    (
        "areas",
        3,
    ): "4.559 6.5635 7.9294 10.934 9.239 28.968 38.88 39.658 47.297 37.98 63.383 83.677 81.963 94.243 74.696",
    (
        "areas",
        4,
    ): "4.6289 6.4843 7.9343 11.062 9.2916 29.159 38.674 39.547 47.455 38.104 64.233 84.032 82.345 95.121 75.529",
    (
        "areas",
        5,
    ): "4.676 6.4215 7.9472 11.101 9.3021 29.157 38.309 39.395 47.25 37.995 64.661 83.958 82.626 95.31 75.883",
    ("points", 1): "0 0.5 1 1.9142 2.8284 34.285 36.766 39.247 41.84 44.433 96.234 99.712 103.19 106.75 110.3",
    (
        "points",
        2,
    ): "-1.6827e-16 0.2643 1 2.1499 2.8284 34.009 35.649 38.985 42.432 44.182 96.234 98.539 103.19 107.92 110.3",
    (
        "points",
        3,
    ): "1.6132e-15 0.23483 1 2.1794 2.8284 33.966 35.503 38.948 42.502 44.148 96.234 98.393 103.19 108.07 110.3",
    (
        "points",
        4,
    ): "3.8662e-16 0.21468 1 2.1995 2.8284 33.881 35.348 38.872 42.504 44.078 96.234 98.292 103.19 108.17 110.3",
    (
        "points",
        5,
    ): "-1.1376e-15 0.20998 1 2.2042 2.8284 33.797 35.25 38.797 42.45 44.008 96.234 98.269 103.19 108.19 110.3",
}


@pytest.mark.parametrize("pixels, interp_order", RECORDED)
def test_other_programs_values(pixels, interp_order):
    image = (np.arange(24.0) ** 1.5).reshape(8, 3, 1).repeat(1 if pixels == "areas" else 2, 2)
    expected = [float(value) for value in RECORDED[pixels, interp_order].split()]
    assert_allclose(resize_image(image, (3, 5), interp_order)[..., 0].ravel(), expected, rtol=1e-4, atol=1e-6)


@given(
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(1, 12),
    st.integers(1, 12),
    st.integers(0, 5),
    st.sampled_from("134"),
)
@settings(max_examples=60)
def test_properties(height, width, new_height, new_width, interp_order, channels):
    image = np.random.default_rng(height * width).uniform(2, 3, (height, width, int(channels)))
    new_dims = new_height, new_width
    found = resize_image(image, new_dims, interp_order)
    assert found.shape == (*new_dims, int(channels))
    if channels != "4":
        assert found.min() >= np.float32(image.min()) and found.max() <= np.float32(image.max())
    # Left and right, top and bottom are alike; but order 0 rounds ties to one side, and one point is the first one.
    if interp_order and (channels != "4" or min(new_dims) > 1):
        assert_allclose(resize_image(image[::-1, ::-1], new_dims, interp_order)[::-1, ::-1], found, rtol=1e-5)
    turned = resize_image(image.transpose(1, 0, 2), new_dims[::-1], interp_order)
    assert_allclose(turned.transpose(1, 0, 2), found, rtol=1e-5)
    assert_allclose(resize_image(image, (height, width), interp_order), image, rtol=1e-6)
    assert_allclose(resize_image(2 * image - 7, new_dims, interp_order), 2 * found - 7, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64", "float16", "float64", "bool"])
def test_other_numbers_than_float32(rng, dtype):
    image = rng.integers(0, 2 if dtype == "bool" else 200, (6, 5, 3)).astype(dtype)
    before = image.copy()
    assert_allclose(resize_image(image, (9, 3)), resize_image(image.astype(np.float32), (9, 3)), rtol=1e-5, atol=1e-5)
    assert_array_equal(image, before)


def test_of_four_channels_whole_numbers_give_whole_numbers():
    image = np.array([0, 5, 255, 10], np.uint8).reshape(1, 4, 1).repeat(4, 2)
    # 2.5 and 132.5 go away from zero, and cubic swings stay within uint8.
    assert resize_image(image, (1, 7))[0, :, 0].tolist() == [0, 3, 5, 130, 255, 133, 10]
    assert resize_image(-image.astype(np.int16), (1, 7))[0, :, 0].tolist() == [0, -3, -5, -130, -255, -133, -10]
    cubic = resize_image(image, (1, 31), 3)
    assert cubic.min() == 0 and cubic.max() == 255


def test_nan_and_constant_images():
    image = np.full((4, 5, 3), 7.5, np.float32)
    assert_array_equal(resize_image(image, (6, 2)), np.full((6, 2, 3), 7.5, np.float32))
    image[1, 2, 0] = np.nan
    assert np.isnan(resize_image(image, (6, 2))).all()
    four = np.ones((4, 5, 4))
    four[0, 0, 0] = np.nan
    found = resize_image(four, (8, 9))
    assert np.isnan(found[0, 0, 0]) and np.isfinite(found[..., 1:]).all() and np.isfinite(found[4:]).all()


def test_the_result_is_a_new_array(rng):
    for channels in (1, 2, 3):
        image = rng.normal(size=(4, 5, channels)).astype(np.float32)
        found = resize_image(image, (4, 5))
        assert_allclose(found, image, rtol=1e-6)
        assert not np.shares_memory(found, image)
        assert found.flags.writeable


@pytest.mark.parametrize(
    "image, new_dims, words",
    [
        (np.zeros((4, 5)), (2, 2), ["shape (4, 5)", "H x W x K", "im[:, :, numpy.newaxis]"]),
        (np.zeros((1, 4, 5, 3)), (2, 2), ["shape (1, 4, 5, 3)", "three axes"]),
        (np.zeros((0, 5, 3)), (2, 2), ["shape (0, 5, 3)", "nothing in it"]),
        (np.zeros((4, 5, 3), complex), (2, 2), ["complex128", "real numbers"]),
        ([[1], [1, 2]], (2, 2), ["the image is no array"]),
        (np.zeros((4, 5, 3)), (0, 2), ["new_dims is (0, 2)", "(height, width)", "from 1 on"]),
        (np.zeros((4, 5, 3)), (2.5, 2), ["new_dims is (2.5, 2)"]),
        (np.zeros((4, 5, 3)), (2, 2, 3), ["new_dims is (2, 2, 3)"]),
        (np.zeros((4, 5, 3)), "22", ["new_dims is 22"]),
    ],
)
def test_what_is_refused(image, new_dims, words):
    with pytest.raises(ArrayError) as caught:
        resize_image(image, new_dims)
    assert isinstance(caught.value, ValueError)
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize("interp_order", [-1, 6, 1.5, "1"])
def test_an_order_that_there_is_none_of(interp_order):
    with pytest.raises(
        ParamError, match=rf"interp_order is {interp_order}, must be one of 0 \(nearest\), 1 \(bilinear\)"
    ):
        resize_image(np.zeros((4, 5, 3)), (2, 2), interp_order)
