"""MNIST as arrays: from a folder, packed or not, or from the one that the environment names."""

import gzip

import numpy as np
import pytest

from minicaffe.errors import FileError
from minicaffe.io import idx
from minicaffe.tools.mnist_arrays import load_mnist
from minicaffe.tools.mnist_files import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS, marker_text

IMAGES = np.arange(3 * 28 * 28, dtype=np.uint8).reshape(3, 28, 28)
LABELS = np.array([4, 0, 9], np.uint8)


@pytest.fixture(autouse=True)
def nowhere(monkeypatch):
    monkeypatch.delenv("MINICAFFE_MNIST_DIR", raising=False)


def write_test_part(folder, digits=IMAGES):
    folder.mkdir(exist_ok=True)
    (folder / TEST_IMAGES.name).write_bytes(idx.encode_images(digits))
    (folder / TEST_LABELS.name).write_bytes(idx.encode_labels(LABELS[: len(digits)]))


def test_plain_and_packed(tmp_path):
    (tmp_path / TRAIN_IMAGES.name).write_bytes(idx.encode_images(IMAGES))
    (tmp_path / f"{TRAIN_LABELS.name}.gz").write_bytes(gzip.compress(idx.encode_labels(LABELS)))
    write_test_part(tmp_path, IMAGES[:2])
    for part, count in (("train", 3), ("test", 2)):
        images, labels = load_mnist(part, tmp_path)
        np.testing.assert_array_equal(images, IMAGES[:count])
        np.testing.assert_array_equal(labels, LABELS[:count])
        assert images.dtype == labels.dtype == np.uint8


def test_the_environment_helps_where_the_folder_lacks_a_file(tmp_path, monkeypatch):
    named, half = tmp_path / "named", tmp_path / "half"
    write_test_part(named)
    half.mkdir()
    (half / TEST_LABELS.name).write_bytes(idx.encode_labels(LABELS[::-1].copy()))
    monkeypatch.setenv("MINICAFFE_MNIST_DIR", str(named))
    np.testing.assert_array_equal(load_mnist("test", half)[1], LABELS)
    write_test_part(half, IMAGES[:1])
    assert len(load_mnist("test", half)[0]) == 1


def test_generated_digits_are_told(tmp_path, capsys):
    write_test_part(tmp_path)
    load_mnist("test", tmp_path)
    assert capsys.readouterr().err == ""
    images = (tmp_path / TEST_IMAGES.name).read_bytes()
    (tmp_path / "NOT_MNIST.txt").write_text(marker_text({TEST_IMAGES.name: images}, 1))
    load_mnist("test", tmp_path)
    assert "WARNING: generated digits, NOT MNIST" in capsys.readouterr().err


def test_errors(tmp_path):
    with pytest.raises(
        FileError, match=r"lacks t10k-images.* or t10k-labels.*run data/mnist/get_mnist\.sh first"
    ) as one:
        load_mnist("test", tmp_path)
    assert one.value.file == str(tmp_path)
    with pytest.raises(ValueError, match='parts "train" and "test", not \'t10k\''):
        load_mnist("t10k", tmp_path)
