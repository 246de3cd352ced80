"""CIFAR-10's binary files: what stands where, and files that are something else."""

import numpy as np
import pytest

from minicaffe.errors import FileError, FormatError
from minicaffe.io.cifar import read_batch

BYTES = 1 + 3072


def records(rng, count):
    """(bytes of a file, labels, pixels), put together by hand."""
    labels = (np.arange(count) * 7 % 10).astype(np.uint8)
    pixels = rng.integers(0, 256, (count, 3072), np.uint8)
    return b"".join(bytes([label]) + row.tobytes() for label, row in zip(labels, pixels, strict=True)), labels, pixels


def test_records(tmp_path, rng):
    data, labels, pixels = records(rng, 12)
    (tmp_path / "a.bin").write_bytes(data)
    images, found = read_batch(tmp_path / "a.bin", 12)
    assert images.shape == (12, 3, 32, 32) and images.dtype == np.uint8
    np.testing.assert_array_equal(found, labels)
    # Planes of red, green, blue, each row by row.
    assert images[5, 1, 2, 3] == pixels[5, 1024 + 2 * 32 + 3]
    np.testing.assert_array_equal(images.reshape(12, -1), pixels)


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (0, "is cut short: it has 0 bytes, 3 records of CIFAR-10 take 9219; unpack"),
        (2 * BYTES, "is cut short: it has 6146 bytes, 3 records"),
        (3 * BYTES - 1, "is cut short: it has 9218 bytes"),
        (3 * BYTES + 1, "has more than 9219 bytes, 3 records"),
    ],
)
def test_a_file_of_another_length(tmp_path, rng, length, text):
    (tmp_path / "a.bin").write_bytes(records(rng, 4)[0][:length])
    with pytest.raises(FormatError) as caught:
        read_batch(tmp_path / "a.bin", 3)
    assert text in str(caught.value)
    assert caught.value.file == str(tmp_path / "a.bin")


def test_ten_thousand_records_are_expected(tmp_path, rng):
    (tmp_path / "a.bin").write_bytes(records(rng, 3)[0])
    with pytest.raises(FormatError, match="10000 records of CIFAR-10 take 30730000"):
        read_batch(tmp_path / "a.bin")


def test_a_label_that_no_class_has(tmp_path, rng):
    data = bytearray(records(rng, 4)[0])
    data[2 * BYTES] = 10
    (tmp_path / "a.bin").write_bytes(data)
    with pytest.raises(FormatError, match=r"a\.bin: record 2 has the label 10, must be 0 to 9; give CIFAR-10's"):
        read_batch(tmp_path / "a.bin", 4)


def test_no_file(tmp_path):
    with pytest.raises(FileError, match=r"absent\.bin: cannot be read: no such file"):
        read_batch(tmp_path / "absent.bin")
