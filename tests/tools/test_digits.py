"""The generator of digits: repeatable, in MNIST's form, and alike enough to real digits to stand in for them."""

import numpy as np
import pytest

from minicaffe.io import idx
from minicaffe.tools import digits
from minicaffe.tools.digit_raster import centre, ink
from minicaffe.tools.digit_skeletons import SKELETONS
from minicaffe.tools.digit_strokes import BOX, draw_paths, spline_matrix

COUNT = 2000


@pytest.fixture(scope="module")
def drawn():
    return digits.draw(COUNT, 1, "train")


def test_the_seed_decides_every_pixel(drawn):
    again, other, test = digits.draw(COUNT, 1, "train"), digits.draw(COUNT, 2, "train"), digits.draw(COUNT, 1, "test")
    np.testing.assert_array_equal(again[0], drawn[0])
    np.testing.assert_array_equal(again[1], drawn[1])
    assert (other[0] != drawn[0]).any() and (test[0] != drawn[0]).any()


def test_form(drawn):
    images, labels = drawn
    assert images.shape == (COUNT, 28, 28) and images.dtype == labels.dtype == np.uint8
    np.testing.assert_array_equal(np.bincount(labels), np.full(10, COUNT // 10))
    # In random order: no digit comes much more often early than late.
    assert (np.bincount(labels[: COUNT // 2], minlength=10) > COUNT // 30).all()


def test_digits_fill_a_box_of_20_pixels_and_are_centred_by_mass(drawn):
    images = drawn[0].astype(float)
    pixels = np.arange(28) + 0.5
    for axis in (1, 2):
        inked = images.max(axis=axis) > 0
        length = 28 - inked.argmax(axis=1) - inked[:, ::-1].argmax(axis=1)
        assert length.max() == BOX
        middle = images.sum(axis=axis) @ pixels / images.sum(axis=(1, 2))
        # Whole pixels, as MNIST; a box at the border moves no further.
        assert (abs(middle - 14) <= 0.51).mean() > 0.99
    longer = np.maximum(*[(images.max(axis=axis) > 127).sum(axis=1) for axis in (1, 2)])
    assert longer.min() >= BOX - 3


def test_no_two_digits_are_the_same(drawn):
    assert len(np.unique(drawn[0].reshape(COUNT, -1), axis=0)) == COUNT


def test_skeletons_are_whole():
    assert {skeleton.digit for skeleton in SKELETONS} == set(range(10))
    for skeleton in SKELETONS:
        points = skeleton.points()
        assert {i for word in skeleton.words() for i in word} == set(range(points.shape[1])), skeleton
        assert skeleton.weight > 0
        assert points.min() >= -2 and points[..., 0].max() <= 12 and points[..., 1].max() <= 15, skeleton


@pytest.mark.parametrize("skeleton", SKELETONS, ids=lambda skeleton: f"{skeleton.digit}-{skeleton.strokes}")
def test_paths_pass_through_the_skeletons_points_and_fit_the_box(skeleton):
    matrix = spline_matrix(skeleton)
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-5)
    # A row with a single 1 is the point itself.
    assert {int(row.argmax()) for row in matrix if np.isclose(row.max(), 1, atol=1e-6)} == set(range(matrix.shape[1]))
    paths, radii = draw_paths(skeleton, 50, np.random.default_rng(0))
    low, high = paths.min(axis=1) - radii[:, None], paths.max(axis=1) + radii[:, None]
    assert low.min() >= -1e-3 and high.max() <= BOX + 1e-3
    np.testing.assert_allclose((high - low).max(axis=1), BOX, rtol=1e-4)


def test_ink_follows_the_pen():
    path = np.array([[[5, 10], [6, 10]]], np.float32)
    paper = np.zeros((1, BOX, BOX), np.float32)
    paper[0, 10, 2] = 0.25
    levels = ink(path, np.array([2], np.float32), np.array([1], np.float32), paper)
    expected = np.empty((BOX, BOX))
    for row in range(BOX):
        for column in range(BOX):
            nearest = min(np.hypot(column + 0.5 - x, row + 0.5 - 10) for x in (5, 6))
            expected[row, column] = min(max(2 - (nearest - paper[0, row, column]) + 0.5, 0), 1)
    assert 0 < expected[10, 2] < 1
    np.testing.assert_allclose(levels[0], expected, atol=1e-5)


def test_centre_moves_by_whole_pixels():
    boxes = np.zeros((2, BOX, BOX), np.float32)
    boxes[0, 3, 8], boxes[1, 10, 10] = 1, 0.5
    images = centre(boxes)
    # From (3, 8) the middle is out of reach: the box stays inside the picture.
    assert np.argwhere(images[0]).tolist() == [[11, 14]] and images[0].max() == 255
    assert np.argwhere(images[1]).tolist() == [[14, 14]] and images[1].max() == 128


def nearest_neighbour(images, known, labels):
    """Read each image as the known one at the smallest angle."""

    def unit(pictures):
        flat = pictures.reshape(len(pictures), -1).astype(np.float32)
        return flat / np.linalg.norm(flat, axis=1, keepdims=True)

    return labels[(unit(images) @ unit(known).T).argmax(axis=1)]


def test_digits_tell_each_other(drawn):
    images, labels = digits.draw(500, 3, "test")
    assert (nearest_neighbour(images, *drawn) == labels).mean() > 0.8


def test_generated_digits_read_real_ones(mnist_dir):
    files = [sorted(mnist_dir.glob(f"t10k-{what}*"))[0] for what in ("images-idx3", "labels-idx1")]
    images, labels = idx.read_pair(*files)
    read = nearest_neighbour(images[:2000], *digits.draw(10000, 1, "train"))
    assert (read == labels[:2000]).mean() > 0.8
