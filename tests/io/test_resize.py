"""Resizing: the definition, both ways of computing it, and what OpenCV gives."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from minicaffe.io import resize as module
from minicaffe.io.opencv import opencv
from minicaffe.io.resize import resize, resize_with_numpy


@pytest.fixture(params=["numpy", "opencv"])
def resizer(request, monkeypatch):
    if request.param == "numpy":
        monkeypatch.setattr(module, "opencv", lambda: None)
    elif opencv() is None:
        pytest.skip("OpenCV is not installed")


def resized_by_definition(image, height, width):
    """The bilinear value at each new pixel's centre, in exact arithmetic."""
    _, old_height, old_width = image.shape
    result = np.empty((len(image), height, width))
    for i in range(height):
        for j in range(width):
            y = min(max((i + 0.5) * old_height / height - 0.5, 0), old_height - 1)
            x = min(max((j + 0.5) * old_width / width - 0.5, 0), old_width - 1)
            top, left = int(y), int(x)
            bottom, right = min(top + 1, old_height - 1), min(left + 1, old_width - 1)
            down, across = y - top, x - left
            upper = image[:, top, left] * (1 - across) + image[:, top, right] * across
            lower = image[:, bottom, left] * (1 - across) + image[:, bottom, right] * across
            result[:, i, j] = upper * (1 - down) + lower * down
    return result


@pytest.mark.parametrize("size", [(4, 5), (1, 1), (2, 5), (7, 3), (9, 11), (3, 2)])
def test_resizing_is_bilinear_between_pixel_centres(resizer, rng, size):
    image = rng.integers(0, 256, (3, 4, 5), dtype=np.uint8)
    result = resize(image, *size)
    assert result.dtype == np.uint8 and result.shape == (3, *size)
    assert abs(result - resized_by_definition(image, *size)).max() < 1  # OpenCV cuts bits off


def test_resizing_gives_what_opencv_gives(resizer):
    # From cv2.resize (5.0) of this image to 3 wide and 2 high.
    image = (np.arange(3 * 4 * 5).reshape(1, 12, 5) * 37 % 256).astype(np.uint8)
    np.testing.assert_array_equal(resize(image, 2, 3)[0], [[91, 153, 129], [177, 111, 87]])


def test_beyond_the_border_both_products_are_rounded_as_in_opencv(resizer):
    # From cv2.resize (5.0) to 5 wide and 9 high: the first and the last row.
    image = (np.arange(4 * 3).reshape(1, 4, 3) * 41 % 256).astype(np.uint8)
    np.testing.assert_array_equal(resize(image, 9, 5)[0, [0, -1]], [[0, 16, 41, 65, 82], [113, 129, 154, 178, 195]])


def test_a_constant_image_stays_constant(resizer):
    image = np.full((1, 5, 7), 255, np.uint8)
    assert (resize(image, 13, 3) == 255).all()


def test_of_a_part_of_an_image(resizer, rng):
    image = rng.integers(0, 256, (3, 20, 30), dtype=np.uint8)
    part = image[:, 3:17, 5:16]
    np.testing.assert_array_equal(resize(part, 9, 8), resize(part.copy(), 9, 8))


def test_an_image_of_that_size_is_left_alone(resizer, rng):
    image = rng.integers(0, 256, (3, 4, 5), dtype=np.uint8)
    assert resize(image, 4, 5) is image


sizes = st.tuples(st.integers(1, 40), st.integers(1, 40))


@pytest.mark.skipif(opencv() is None, reason="OpenCV is not installed")
@given(old=sizes, new=sizes, seed=st.integers(0, 9))
def test_without_opencv_it_is_the_same(old, new, seed):
    image = np.random.default_rng(seed).integers(0, 256, (3, *old), dtype=np.uint8)
    theirs = opencv().resize(image.transpose(1, 2, 0), new[::-1]).reshape(*new, 3).transpose(2, 0, 1)
    np.testing.assert_array_equal(resize_with_numpy(image, *new), theirs)


@pytest.mark.skipif(opencv() is None, reason="OpenCV is not installed")
@pytest.mark.parametrize("size", [(256, 256), (77, 133), (300, 499), (1, 1)])
def test_resizing_photographs_is_opencvs(rng, size):
    image = rng.integers(0, 256, (3, 300, 500), dtype=np.uint8)
    theirs = opencv().resize(image.transpose(1, 2, 0), size[::-1]).transpose(2, 0, 1)
    np.testing.assert_array_equal(resize_with_numpy(image, *size), theirs)
