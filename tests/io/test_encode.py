"""Image files that are written: the same pixels when read again, and what is refused."""

import io

import numpy as np
import pytest
from PIL import Image

from minicaffe.errors import DataError
from minicaffe.io import encode
from minicaffe.io.decode import decode_image
from minicaffe.io.encode import KINDS, encode_image
from minicaffe.io.opencv import opencv

OPENCV = opencv()


@pytest.fixture(params=["pillow", "opencv"], autouse=True)
def writer(request, monkeypatch):
    if request.param == "pillow":
        monkeypatch.setattr(encode, "opencv", lambda: None)
    elif OPENCV is None:
        pytest.skip("OpenCV is not installed")
    return request.param


@pytest.fixture
def image():
    """A smooth picture, (3, 24, 32): that JPEG stores well."""
    rows, columns = np.mgrid[:24, :32]
    return np.stack([rows * 8, columns * 6, 255 - rows * 4 - columns * 3]).astype(np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_the_pixels_come_back(image, kind, channels):
    image = image[:channels]
    data = encode_image(image, kind)
    found = decode_image(data, channels == 3)
    assert found.shape == image.shape
    difference = np.abs(found.astype(int) - image)
    assert difference.max() <= (10 if kind in ("jpg", "jpeg") else 0)


@pytest.mark.parametrize(("kind", "name"), [("PNG", "PNG"), ("Jpeg", "JPEG"), ("jpg", "JPEG"), ("tif", "TIFF")])
def test_the_type_in_any_case(image, kind, name):
    with Image.open(io.BytesIO(encode_image(image, kind))) as file:
        assert file.format == name


def test_jpeg_of_quality_95(image):
    with Image.open(io.BytesIO(encode_image(image, "jpg"))) as file:
        # What the scale of libjpeg makes of its first luminance step, 16, at 95: (16 * 10 + 50) // 100.
        assert file.quantization[0][0] == 2


@pytest.mark.parametrize("kind", ["gif", "", ".png", "b/img"])
def test_other_types_are_told(image, kind):
    with pytest.raises(DataError) as caught:
        encode_image(image, kind)
    assert str(caught.value) == f'cannot be stored as "{kind}"; the types that can be written are {", ".join(KINDS)}'


def test_an_image_that_a_type_has_no_room_for(writer):
    text = r"an image of 70000 x 1 pixels cannot be stored as jpg by (Pillow: .*|OpenCV); choose another type"
    with pytest.raises(DataError, match=text):
        encode_image(np.zeros((3, 1, 70000), np.uint8), "jpg")
