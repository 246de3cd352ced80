"""IDX files: what is written is read again, and every damage has its text."""

import gzip
import struct

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as arrays

from minicaffe.errors import FileError, FormatError
from minicaffe.io import idx

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
LABELS = np.array([7, 255], np.uint8)


def put(path, data, packed=False):
    path.write_bytes(gzip.compress(data) if packed else data)
    return path


@pytest.mark.parametrize("packed", [False, True])
def test_reads_the_layout_of_the_description(tmp_path, packed):
    images = put(tmp_path / "i", struct.pack(">4I", 2051, 2, 3, 4) + bytes(range(24)), packed)
    labels = put(tmp_path / "l", struct.pack(">2I", 2049, 2) + bytes([7, 255]), packed)
    read_images, read_labels = idx.read_pair(images, labels)
    np.testing.assert_array_equal(read_images, IMAGES)
    np.testing.assert_array_equal(read_labels, LABELS)
    assert read_images.dtype == read_labels.dtype == np.uint8


@given(images=arrays.arrays(np.uint8, arrays.array_shapes(min_dims=3, max_dims=3, min_side=0, max_side=5)))
def test_images_survive_the_trip(tmp_path_factory, images):
    path = put(tmp_path_factory.mktemp("idx") / "images", idx.encode_images(images))
    np.testing.assert_array_equal(idx.read_images(path), images)
    assert idx.read_images(path).shape == images.shape


@given(labels=arrays.arrays(np.uint8, st.integers(0, 9)), packed=st.booleans())
def test_labels_survive_the_trip(tmp_path_factory, labels, packed):
    path = put(tmp_path_factory.mktemp("idx") / "labels", idx.encode_labels(labels), packed)
    np.testing.assert_array_equal(idx.read_labels(path), labels)


def test_encodes_only_what_fits():
    with pytest.raises(FormatError, match=r"IDX images are uint8 with 3 axes, got float64 of shape \(2, 3, 4\)"):
        idx.encode_images(IMAGES.astype(float))
    with pytest.raises(FormatError, match=r"IDX labels are uint8 with 1 axes, got uint8 of shape \(2, 3, 4\)"):
        idx.encode_labels(IMAGES)


WHOLE = idx.encode_images(IMAGES)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "is cut short: 0 bytes, the header of IDX images alone takes 16"),
        (WHOLE[:3], "is cut short: 3 bytes, the header"),
        (WHOLE[:15], "is cut short: 15 bytes, the header"),
        (WHOLE[:16], r"announces 2x3x4 images bytes \(24\), 0 are there; fetch the file again"),
        (WHOLE[:-1], r"announces 2x3x4 images bytes \(24\), 23 are there"),
        (WHOLE + b"x", r"has bytes left over behind the 2x3x4 images bytes \(24\)"),
        (b"\0\0\x08\x05" + WHOLE[4:], r"begins with the number 2053, must be 2051 \(IDX images\)"),
        (
            idx.encode_labels(LABELS),
            r"begins with the number 2049 \(IDX labels: are the two files swapped\?\), must be",
        ),
        (WHOLE[:4] + b"\xff" * 12 + WHOLE[16:], "announces 4294967295x4294967295x4294967295 images bytes"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_damaged_images(tmp_path, data, text, packed):
    path = put(tmp_path / "images", data, packed)
    with pytest.raises(FormatError, match=text) as caught:
        idx.read_images(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_labels_where_images_should_be(tmp_path):
    path = put(tmp_path / "labels", WHOLE)
    with pytest.raises(FormatError, match=r"2051 \(IDX images: are the two files swapped\?\), must be 2049"):
        idx.read_labels(path)


@pytest.mark.parametrize("damage", ["cut", "checksum", "body", "header"])
def test_damaged_gzip(tmp_path, damage):
    packed = bytearray(gzip.compress(WHOLE))
    if damage == "cut":
        del packed[-12:]
    else:
        packed[{"checksum": -8, "body": 12, "header": 2}[damage]] ^= 0xFF
    path = tmp_path / "images.gz"
    path.write_bytes(packed)
    with pytest.raises(FormatError, match=r"is a damaged gzip file.*; fetch the file again"):
        idx.read_images(path)


def test_counts_that_differ(tmp_path):
    images = put(tmp_path / "images", WHOLE)
    labels = put(tmp_path / "labels", idx.encode_labels(np.zeros(3, np.uint8)))
    with pytest.raises(FormatError, match=f"{labels}: holds 3 labels, but {images} holds 2 images"):
        idx.read_pair(images, labels)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(FileError, match="nowhere: cannot be read: No such file"):
        idx.read_images(tmp_path / "nowhere")
    with pytest.raises(FileError, match="cannot be read: Is a directory"):
        idx.read_labels(tmp_path)
