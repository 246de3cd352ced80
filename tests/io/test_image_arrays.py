"""caffe.io's images: files to arrays, and crops."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from minicaffe.errors import DataError, FileError
from minicaffe.io import load_image, oversample
from minicaffe.io.array_checks import ArrayError

H, W = 4, 5


@pytest.fixture
def pixels(rng):
    """R, G, B and alpha."""
    return rng.integers(0, 256, (H, W, 4), dtype=np.uint8)


def luminance(rgb):
    return [[[0.2125 * r + 0.7154 * g + 0.0721 * b] for r, g, b in row] for row in rgb]


def both(image, path, **options):
    """What the saved image is with and without colour."""
    image.save(path, **options)
    colored, grey = load_image(path), load_image(str(path), color=False)
    assert colored.dtype == grey.dtype == np.float32
    assert colored.shape == (H, W, 3) and grey.shape == (H, W, 1)
    assert colored.flags.writeable and grey.flags.writeable
    return colored, grey


def test_colours(tmp_path, pixels):
    rgb = pixels[..., :3]
    colored, grey = both(Image.fromarray(rgb), tmp_path / "a.png")
    assert_allclose(colored, rgb / 255, rtol=1e-6)
    assert_allclose(grey, luminance(rgb / 255), rtol=1e-6)


def test_alpha_is_left_out_and_lies_on_white_where_grey(tmp_path, pixels):
    colored, grey = both(Image.fromarray(pixels), tmp_path / "a.png")
    assert_allclose(colored, pixels[..., :3] / 255, rtol=1e-6)
    rgb, alpha = pixels[..., :3] / 255, pixels[..., 3:] / 255
    assert_allclose(grey, luminance(alpha * rgb + (1 - alpha)), rtol=1e-6)
    with_grey, grey = both(Image.fromarray(pixels[..., 2:], "LA"), tmp_path / "la.png")
    assert_allclose(with_grey, np.repeat(pixels[..., 2:3] / 255, 3, 2), rtol=1e-6)
    assert_allclose(grey, alpha * pixels[..., 2:3] / 255 + (1 - alpha), rtol=1e-5)


@pytest.mark.parametrize("kind", ["8 bits", "16 bits", "16 bits, PGM", "1 bit", "floats"])
def test_grey(tmp_path, pixels, kind):
    values = pixels[..., 0]
    image, expected, name = {
        "8 bits": (Image.fromarray(values), values / 255, "a.png"),
        "16 bits": (Image.fromarray(values.astype(np.uint16) * 250 + 7), (values * 250.0 + 7) / 65535, "a.png"),
        "16 bits, PGM": (Image.fromarray(values.astype(np.int32) * 250 + 7), (values * 250.0 + 7) / 65535, "a.pgm"),
        "1 bit": (Image.fromarray(values > 99), 1.0 * (values > 99), "a.png"),
        "floats": (Image.fromarray(values.astype(np.float32) / 9), values / 9, "a.tif"),
    }[kind]
    colored, grey = both(image, tmp_path / name)
    assert_allclose(grey[..., 0], expected, rtol=1e-6)
    assert_array_equal(colored, np.repeat(grey, 3, 2))


def test_palettes(tmp_path, pixels):
    colors = np.array([[10, 200, 30], [40, 50, 60], [250, 100, 90]], np.uint8)
    image = Image.fromarray(pixels[..., 0] % 3).convert("P")
    image.putpalette(colors.ravel().tolist())
    for options in ({}, {"transparency": 1}):
        colored, grey = both(image, tmp_path / "a.png", **options)
        assert_allclose(colored, colors[pixels[..., 0] % 3] / 255, rtol=1e-6)
        assert_allclose(grey, luminance(colored), rtol=1e-6)


def test_printers_colours(tmp_path):
    # Cyan, half of it black: no red, half of green and blue.
    Image.fromarray(np.full((H, W, 4), [255, 0, 0, 128], np.uint8), "CMYK").save(tmp_path / "a.jpg", quality=100)
    assert_allclose(load_image(tmp_path / "a.jpg"), np.full((H, W, 3), [0, 0.498, 0.498]), atol=0.02)


def test_the_first_picture_of_an_animation(tmp_path, pixels):
    frames = [Image.fromarray(np.full((H, W, 3), color, np.uint8)) for color in ([250, 10, 20], [0, 99, 7])]
    colored, _ = both(frames[0], tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert_allclose(colored[0, 0], np.array([250, 10, 20]) / 255, atol=0.03)


def test_no_turning(tmp_path, pixels):
    noted = Image.Exif()
    noted[0x0112] = 6
    both(Image.fromarray(pixels[..., :3]), tmp_path / "a.jpg", exif=noted)


def test_files_that_cannot_be_read(tmp_path):
    missing, text, cut = (tmp_path / name for name in ("missing.png", "text.png", "cut.png"))
    with pytest.raises(OSError, match=r"missing\.png: cannot be read: no such file or directory") as caught:
        load_image(missing)
    assert type(caught.value) is FileError
    text.write_text("no picture")
    with pytest.raises(DataError, match=r"text\.png: is no image that Pillow can read; write it again, as JPEG or PNG"):
        load_image(text)
    Image.fromarray(np.zeros((200, 200), np.uint8) + np.arange(200, dtype=np.uint8)).save(cut)
    cut.write_bytes(cut.read_bytes()[:120])
    with pytest.raises(DataError, match=r"cut\.png: is no image that Pillow can read: .+; write it again"):
        load_image(str(cut))
    with pytest.raises(FileError, match="cannot be read: is a directory"):
        load_image(tmp_path)


# --- crops ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("crop", [(3, 3), (2, 5), (4, 2), (4, 5), (1, 1)])
@pytest.mark.parametrize("kind", [np.asarray, list, iter])
def test_ten_crops(rng, crop, kind):
    images = rng.normal(size=(2, H, W, 3)).astype(np.float32)
    found = oversample(kind(images), crop)
    assert found.shape == (20, *crop, 3) and found.dtype == np.float32
    h, w = crop
    # The centre's fraction is cut off: of 4 rows, 3 begin at 0.
    corners = [(0, 0), (0, W - w), (H - h, 0), (H - h, W - w), (int((H - h) / 2), int((W - w) / 2))]
    for n, image in enumerate(images):
        for place, (top, left) in enumerate(corners):
            for y in range(h):
                for x in range(w):
                    assert_array_equal(found[10 * n + place, y, x], image[top + y, left + x])
                    assert_array_equal(found[10 * n + 5 + place, y, x], image[top + y, left + w - 1 - x])


@pytest.mark.parametrize(
    "images, crop, words",
    [
        ([], (2, 2), ["the list of images is empty"]),
        (np.zeros((4, 5, 3)), (2, 2), ["one image of shape (4, 5, 3)", "[image]"]),
        (np.zeros((1, 4, 5, 3), str), (2, 2), ["the array of images is an array of <U1"]),
        ([np.zeros((4, 5))], (2, 2), ["image 0 has shape (4, 5)", "H x W x K"]),
        ([np.zeros((4, 5, 3)), np.zeros((4, 6, 3))], (2, 2), ["image 1", "(4, 6, 3)", "(4, 5, 3)", "resize_image"]),
        ([np.zeros((4, 5, 3))], (5, 5), ["5 x 5 do not fit into images of 4 x 5", "resize"]),
        ([np.zeros((4, 5, 3))], (0, 5), ["crop_dims is (0, 5)"]),
    ],
)
def test_crops_that_cannot_be(images, crop, words):
    with pytest.raises(ArrayError) as caught:
        oversample(images, crop)
    assert isinstance(caught.value, ValueError) and all(word in str(caught.value) for word in words), caught.value
