"""Blobs as pictures: which value becomes which pixel, and what stands below."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

import minicaffe as caffe
from minicaffe.blob import DATA, DIFF, Blob, HostBlob
from minicaffe.blob_picture import BAR, GAP, GROUND, LARGEST, NOT_FINITE, blob_picture, stacked

SHAPE = (2, 3, 4, 5)


def tile_of(pixels, row, column, high, wide, zoom):
    """A tile of the grid, a pixel a value."""
    top, left = (GAP + at * (side * zoom + GAP) for at, side in ((row, high), (column, wide)))
    tile = pixels[top : top + high * zoom, left : left + wide * zoom]
    small = tile[::zoom, ::zoom]
    assert (small.repeat(zoom, 0).repeat(zoom, 1) == tile).all()
    return small


def zoom_of(pixels, columns, wide):
    return (pixels.shape[1] - GAP - columns * GAP) // (columns * wide)


def shades(values, least, greatest):
    return np.floor((values.astype(np.float64) - least) / (greatest - least) * 255 + 0.5).astype(np.uint8)


def test_channels_as_tiles_a_row_an_item(rng):
    values = rng.normal(size=SHAPE).astype(np.float32)
    picture = blob_picture(values, channel_order="")
    zoom = zoom_of(picture.pixels, 3, 5)
    assert zoom > 4 and picture.pixels.shape[0] == GAP + 2 * (4 * zoom + GAP)
    for n in range(2):
        for c in range(3):
            expected = shades(values[n, c], values.min(), values.max())
            assert (tile_of(picture.pixels, n, c, 4, 5, zoom) == expected[..., None]).all()
    assert (picture.pixels[:GAP] == GROUND).all() and (picture.pixels[:, -GAP:] == GROUND).all()
    least, greatest = f"{values.min():.6g}", f"{values.max():.6g}"
    assert picture.caption == f"2x3x4x5: {least} to {greatest}\na row an item, of 3 channels"


@pytest.mark.parametrize(("channels", "step"), [("BGR", -1), ("RGB", 1)])
def test_three_channels_are_colours(rng, channels, step):
    values = rng.normal(size=SHAPE)
    picture = blob_picture(values, channels)
    zoom = zoom_of(picture.pixels, 2, 5)
    for n in range(2):
        expected = shades(values[n], values.min(), values.max()).transpose(1, 2, 0)[..., ::step]
        assert (tile_of(picture.pixels, 0, n, 4, 5, zoom) == expected).all()
    assert picture.caption.endswith(f"channels are {channels}")


def test_colours_are_blue_green_red_unless_one_says_otherwise():
    blue = np.zeros((1, 3, 2, 2))
    blue[0, 0] = 1
    assert blob_picture(blue).pixels[GAP, GAP].tolist() == [0, 0, 255]
    with pytest.raises(ValueError, match="channel_order is 'bgr', must be 'BGR', 'RGB', or '' for grey tiles"):
        blob_picture(blue, "bgr")


@pytest.mark.parametrize("shape", [(20, 1, 5, 5), (1, 20, 5, 5), (20, 5, 5)])
def test_twenty_tiles_make_about_a_square(rng, shape):
    values = rng.normal(size=shape)
    pixels = blob_picture(values).pixels
    zoom = zoom_of(pixels, 5, 5)
    last = tile_of(pixels, 3, 4, 5, 5, zoom)
    assert (last[..., 0] == shades(values.reshape(20, 5, 5)[19], values.min(), values.max())).all()
    assert 300 < pixels.shape[0] < pixels.shape[1] < 500


def test_more_channels_than_a_row_has_room_for():
    values = np.zeros((10, 96, 55, 55), np.float32)
    values[0, 95, 0, 0] = 1
    picture = blob_picture(values)
    assert picture.caption == "10x96x55x55: 0 to 1\nthe channels of the first of 10 items"
    assert (picture.pixels == 255).all(axis=2).sum() == 1


def test_what_has_no_room_is_left_out_and_said_to_be():
    picture = blob_picture(np.zeros((64, 20, 24, 24), np.float32))
    assert "\nthe first 720 of 1,280 tiles\na row an item, of 20 channels" in picture.caption
    assert max(picture.pixels.shape) <= LARGEST
    many = blob_picture(np.zeros((70_000, 1, 1, 2), np.float32))
    assert max(many.pixels.shape) <= LARGEST and "of 70,000 tiles" in many.caption


def test_a_large_matrix_is_shrunk_to_means():
    values = np.zeros((1900, 3000), np.float32)
    values[:4, :4] = 4
    values[1899, 2999] = np.nan
    picture = blob_picture(values)
    assert picture.pixels.shape == (475 + 2 * GAP, 750 + 2 * GAP, 3)
    assert picture.pixels[GAP, GAP].tolist() == [255] * 3 and picture.pixels[GAP, GAP + 1].tolist() == [0] * 3
    assert tuple(picture.pixels[GAP + 474, GAP + 749]) == NOT_FINITE
    assert picture.caption.endswith("each pixel the mean of 4 x 4 values")


def test_a_narrow_matrix_stays_visible():
    picture = blob_picture(np.arange(10_000.0).reshape(1, 1, 2, 5000))
    assert picture.pixels.shape[0] == 2 + 2 * GAP and picture.caption.endswith("the mean of 1 x 6 values")


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 1, 1)])
def test_rows_of_values(shape):
    values = np.arange(12.0).reshape(shape)
    pixels = blob_picture(values).pixels
    tile = tile_of(pixels, 0, 0, 3, 4, zoom_of(pixels, 1, 4))
    assert (tile[..., 0] == shades(values.reshape(3, 4), 0, 11)).all()


@pytest.mark.parametrize("shape", [(4,), (4, 1), (1, 4), (4, 1, 1, 1), (1, 4, 1, 1)])
def test_bars_from_zero(shape):
    pixels = blob_picture(np.array([1.0, -1.0, 0.5, np.inf]).reshape(shape)).pixels
    # Pixels that are bar in the middle column of each.
    bars = [np.flatnonzero((pixels[:, 120 * i + 60] == BAR).all(axis=1)) for i in range(4)]
    zero = 120 / 2
    assert bars[0].min() == 0 and bars[0].max() < zero <= bars[1].max() == 119 and bars[1].min() > zero - 2
    assert bars[2].min() == pytest.approx(30, abs=1) and bars[2].max() < zero
    assert not bars[3].size and (pixels[:, 420] == NOT_FINITE).all()


def test_more_bars_than_pixels():
    values = np.zeros(5000)
    values[1234] = 5
    picture = blob_picture(values)
    assert picture.pixels.shape[1] <= LARGEST and picture.caption.endswith("each bar the range of 6 values")
    tall = np.flatnonzero((picture.pixels[10] == BAR).all(axis=1))
    assert tall.tolist() == [1234 // 6]


@pytest.mark.parametrize(
    ("values", "caption"),
    [
        (np.float32(0.5), "scalar: the one value is 0.5"),
        (np.full((1, 1, 1, 1), np.nan), "1x1x1x1: the one value is nan"),
        (np.zeros((0, 3)), "0x3: empty"),
        (np.full((2, 3), -1.5), "2x3: all values -1.5"),
        (np.array([[1, np.nan], [np.inf, 3]]), "2x2: 1 to 3; 2 NaN or infinite (magenta)"),
        (np.full((2, 2), np.nan), "2x2: no finite value; 4 NaN or infinite (magenta)"),
        (np.array([[3e38, -3e38], [0, 0]], np.float32), "2x2: -3e+38 to 3e+38"),
        (np.array([1.7e308, -1.7e308]), "2: -1.7e+308 to 1.7e+308"),
        (np.full(3, np.nan), "3: no finite value; 3 NaN or infinite (magenta)"),
    ],
)
def test_what_stands_below(values, caption):
    picture = blob_picture(np.asarray(values))
    assert picture.caption == caption
    with Image.open(io.BytesIO(picture.png())) as image:
        assert image.format == "PNG" and min(image.getpixel((0, image.height - 1))) == 255
        # The text is there.
        assert image.convert("L").crop((0, image.height - 16, image.width, image.height)).getextrema()[0] < 100


def test_alike_is_grey_and_not_finite_is_magenta():
    pixels = blob_picture(np.full((2, 3), 7.0)).pixels
    assert pixels[GAP, GAP].tolist() == [128] * 3
    values = np.array([[0.0, np.nan], [-np.inf, 1.0]])
    pixels = blob_picture(values).pixels
    tile = tile_of(pixels, 0, 0, 2, 2, zoom_of(pixels, 1, 2))
    assert tile.tolist() == [[[0] * 3, list(NOT_FINITE)], [list(NOT_FINITE), [255] * 3]]


numbers = arrays.arrays(
    np.float64, arrays.array_shapes(min_dims=0, max_dims=6, min_side=0, max_side=7), elements=st.floats()
)


@given(numbers, st.sampled_from(["BGR", ""]))
@settings(deadline=None, max_examples=60)
def test_any_array_has_a_picture(values, channels):
    picture = blob_picture(values, channels)
    assert (picture.pixels is None) == (values.size < 2)
    assert picture.pixels is None or max(picture.pixels.shape) <= LARGEST


def test_pictures_below_each_other():
    first, second = blob_picture(np.zeros((2, 3))), blob_picture(np.zeros(50))
    whole = stacked([first, second])
    images = first.image(), second.image()
    assert whole.size == (max(image.width for image in images), sum(image.height for image in images))


# --- blobs of nets -----------------------------------------------------------------------------


def test_a_blob_shows_its_values_and_its_gradient(rng):
    blob = HostBlob(Blob(SHAPE))
    assert blob.picture().caption.startswith("2x3x4x5: all values 0")
    # Nothing was allocated to show zeros.
    assert not blob._blob.storage(DATA).allocated and not blob._blob.storage(DIFF).allocated
    blob.data[...], blob.diff[...] = rng.normal(size=SHAPE), 2
    assert (blob.picture().pixels == blob_picture(blob.data).pixels).all()
    assert blob.picture(diff=True, channel_order="").caption == "2x3x4x5: all values 2\na row an item, of 3 channels"
    assert blob._repr_png_() == blob_picture(blob.data).png()
    assert repr(blob) == "<Blob 2 3 4 5 (120)>"
    assert repr(blob.picture(diff=True)) == "<BlobPicture 2x3x4x5: all values 2>"


def test_a_blob_without_a_shape_or_without_values():
    assert HostBlob(Blob()).picture().caption == "0: empty"
    assert HostBlob(Blob((0, 3))).picture().caption == "0x3: empty"


def test_looking_leaves_the_newer_copy_on_the_gpu(fake_gpu):
    lenet = Path(__file__).parents[1] / "examples" / "mnist" / "lenet.prototxt"
    net = caffe.Net(str(lenet), caffe.TEST)
    net.blobs["data"].data[...] = 0.5
    assert net.blobs["data"].picture().caption == "64x1x28x28: all values 0.5"
    net.forward()
    state = net.blobs["conv1"]._blob.storage(DATA).state
    assert "64x20x24x24: " in net.blobs["conv1"].picture().caption
    assert net.blobs["conv1"]._blob.storage(DATA).state == state


def test_the_first_filters_of_lenet(models_dir):
    """LeNet as trained in 2014: 20 tiles of 5 x 5."""
    net = caffe.Net(str(Path(__file__).parents[1] / "examples" / "mnist" / "lenet.prototxt"), caffe.TEST)
    net.copy_from(str(models_dir / "lenet-2014" / "lenet_iter_10000.caffemodel"))
    weight = net.params["conv1"][0]
    picture = weight.picture()
    assert picture.caption == "20x1x5x5: -0.497358 to 0.523299"
    n, _, h, w = np.unravel_index(weight.data.argmax(), weight.shape)
    tile = tile_of(picture.pixels, n // 5, n % 5, 5, 5, zoom_of(picture.pixels, 5, 5))
    assert tile[h, w].tolist() == [255] * 3
    assert net.params["conv1"]._repr_png_() == stacked_png(net.params["conv1"])


def stacked_png(blobs):
    file = io.BytesIO()
    stacked([blob.picture() for blob in blobs]).save(file, "PNG")
    return file.getvalue()
