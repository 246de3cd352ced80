"""Decoding image files: channels, order, depth, grey values, with OpenCV and with Pillow."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image

from minicaffe.errors import DataError, FileError
from minicaffe.io import decode as module
from minicaffe.io.decode import decode_image, load_image_file
from minicaffe.io.opencv import opencv

OPENCV = opencv()


@pytest.fixture(params=["pillow", "opencv"])
def decoder(request, monkeypatch):
    if request.param == "pillow":
        monkeypatch.setattr(module, "opencv", lambda: None)
    elif OPENCV is None:
        pytest.skip("OpenCV is not installed")
    return request.param


@pytest.fixture
def rgb(rng):
    return rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)


def packed(image, kind="PNG", **options):
    file = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, kind, **options)
    return file.getvalue()


def png16(values):
    """A grey PNG of 16 bits, from its description alone."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width, channels = values.shape
    header = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 3: 2}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
@pytest.mark.parametrize("color", [None, True])
def test_colours_come_as_blue_green_red(decoder, rgb, kind, color):
    image = decode_image(packed(rgb, kind), color)
    np.testing.assert_array_equal(image, rgb.transpose(2, 0, 1)[::-1])
    assert image.dtype == np.uint8 and image.flags.c_contiguous


def test_grey_images_keep_one_channel_or_get_three(decoder, rgb):
    gray = rgb[..., 0].copy()
    for color, expected in ((None, gray[None]), (False, gray[None]), (True, np.stack([gray] * 3))):
        np.testing.assert_array_equal(decode_image(packed(gray), color), expected)
    bits = packed(Image.fromarray(gray > 127))
    np.testing.assert_array_equal(decode_image(bits, None), np.where(gray > 127, 255, 0)[None])


def test_transparency_is_a_fourth_channel_or_gone(decoder, rng, rgb):
    rgba = rng.integers(0, 256, (4, 5, 4), dtype=np.uint8)
    bgra = rgba[..., [2, 1, 0, 3]].transpose(2, 0, 1)
    np.testing.assert_array_equal(decode_image(packed(rgba), None), bgra)
    np.testing.assert_array_equal(decode_image(packed(rgba), True), bgra[:3])
    gray_alpha = Image.merge("LA", [Image.fromarray(rgba[..., i].copy()) for i in (0, 1)])
    expected = rgba[..., [0, 0, 0, 1]].transpose(2, 0, 1)
    np.testing.assert_array_equal(decode_image(packed(gray_alpha), None), expected)


def test_palettes_are_looked_up(decoder, rgb):
    palette = Image.fromarray(rgb).quantize(7)
    expected = np.asarray(palette.convert("RGB")).transpose(2, 0, 1)[::-1]
    np.testing.assert_array_equal(decode_image(packed(palette), None), expected)
    assert decode_image(packed(palette, transparency=0), None).shape == (4, 4, 5)
    np.testing.assert_array_equal(decode_image(packed(palette, transparency=0), True), expected)


def test_grey_values_weigh_the_colours(decoder, rng):
    rgb = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    r, g, b = rgb.transpose(2, 0, 1).astype(np.int64)
    # libpng cuts off, all other formats are rounded.
    np.testing.assert_array_equal(decode_image(packed(rgb), False)[0], (9797 * r + 19234 * g + 3737 * b) // 2**15)
    rounded = (4899 * r + 9617 * g + 1868 * b + 2**13) // 2**14
    np.testing.assert_array_equal(decode_image(packed(rgb, "BMP"), False)[0], rounded)
    assert abs(rounded - (0.299 * r + 0.587 * g + 0.114 * b)).max() < 0.51


def test_grey_of_a_jpeg_is_its_luminance(decoder, rng):
    smooth = np.kron(rng.integers(0, 256, (4, 5, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    data = packed(smooth, "JPEG", quality=90)
    luminance = np.asarray(Image.open(io.BytesIO(data)).convert("YCbCr"))[..., 0].astype(int)
    assert abs(decode_image(data, False)[0].astype(int) - luminance).max() <= 2
    assert decode_image(data, None).shape == (3, 32, 40)


def test_print_colours_are_turned_into_light(decoder):
    # Pillow hands out ink: nothing, all black, all cyan.
    ink = np.zeros((8, 24, 4), np.uint8)
    ink[:, 8:16, 3] = 255
    ink[:, 16:, 0] = 255
    image = decode_image(packed(Image.frombytes("CMYK", (24, 8), ink.tobytes()), "JPEG", quality=100), None)
    assert image.shape == (3, 8, 24)
    for column, bgr in ((2, (255, 255, 255)), (12, (0, 0, 0)), (22, (255, 255, 0))):
        assert abs(image[:, 4, column].astype(int) - bgr).max() <= 6


def test_a_turned_photograph_stays_as_stored(decoder, rgb):
    exif = Image.Exif()
    exif[274] = 6
    assert decode_image(packed(rgb, "JPEG", exif=exif), True).shape == (3, 4, 5)


@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_are_refused_or_cut_to_eight(decoder, rng, channels):
    values = rng.integers(0, 2**16, (4, 5, channels))
    with pytest.raises(
        DataError, match=r"^db: record b'k' has 16 bits a channel, must have 8; convert it, or set force"
    ):
        decode_image(png16(values), None, "db", "record b'k'")
    high = np.broadcast_to((values >> 8).astype(np.uint8), (4, 5, 3)).transpose(2, 0, 1)[::-1]
    np.testing.assert_array_equal(decode_image(png16(values), True), high)
    assert decode_image(png16(values), False).shape == (1, 4, 5)


def test_floating_point_images_are_refused(decoder):
    data = packed(Image.fromarray(np.ones((4, 5), np.float32)), "TIFF")
    with pytest.raises(DataError, match=r"^the file has 32 bits a channel"):
        decode_image(data, None)


@pytest.mark.parametrize("data", [b"", b"abc", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_image_is_told(decoder, data):
    text = "is no image that (Pillow|OpenCV) can read.*; write it again, as JPEG or PNG, or leave it out"
    with pytest.raises(DataError, match=f"^db: record b'k' {text}$"):
        decode_image(data, None, "db", "record b'k'")


@given(
    position=st.integers(0, 300), new=st.binary(min_size=1, max_size=5), kind=st.sampled_from(["PNG", "JPEG", "BMP"])
)
def test_damaged_files_give_an_image_or_a_typed_error(decoder, position, new, kind):
    data = bytearray(packed(np.arange(60, dtype=np.uint8).reshape(4, 5, 3), kind))
    position %= len(data)
    data[position : position + len(new)] = new
    try:
        image = decode_image(bytes(data), None)
    except DataError as error:
        assert "is no image" in str(error) or "bits a channel" in str(error)
    else:
        assert image.ndim == 3 and image.dtype == np.uint8


def test_loads_a_file_and_resizes_it(decoder, tmp_path, rgb):
    path = tmp_path / "image with blanks.png"
    path.write_bytes(packed(rgb))
    np.testing.assert_array_equal(load_image_file(path), rgb.transpose(2, 0, 1)[::-1])
    assert load_image_file(path, color=False).shape == (1, 4, 5)
    assert load_image_file(path, True, 7, 3).shape == (3, 7, 3)
    assert load_image_file(path, True, 7, 0).shape == (3, 4, 5)


def test_files_that_are_missing_or_no_image_are_told(tmp_path):
    with pytest.raises(FileError, match=r"absent.png: cannot be read: no such file or directory"):
        load_image_file(tmp_path / "absent.png")
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(DataError, match=r"text.png: the file is no image that (Pillow|OpenCV) can read"):
        load_image_file(tmp_path / "text.png")
    with pytest.raises(FileError, match=r"a\\xe4\.png: cannot be read: no such file or directory"):
        load_image_file(os.fsencode(tmp_path) + b"/a\xe4.png")
    with pytest.raises(FileError, match=r"cannot be the name of a file: it has a zero byte"):
        load_image_file(b"a\0b")
