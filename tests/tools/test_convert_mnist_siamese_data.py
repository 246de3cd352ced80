"""Pairs of digits: what a record holds, how they are drawn, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from minicaffe.io import idx
from minicaffe.io.database import open_database
from minicaffe.proto import caffe_pb2
from minicaffe.tools import convert_mnist_siamese_data
from minicaffe.tools.command import run_command
from minicaffe.tools.convert_mnist_siamese_data import records
from minicaffe.tools.mnist_files import MARKER, marker_text

COUNT, SHAPE = 60, (4, 5)


def convert(*arguments):
    return run_command(convert_mnist_siamese_data.main, [str(argument) for argument in arguments])


@pytest.fixture
def files(tmp_path, rng):
    """Images that all differ, so that each tells which it is, and labels."""
    images = rng.integers(0, 256, (COUNT, *SHAPE), np.uint8)
    labels = rng.integers(0, 10, COUNT, np.uint8)
    paths = tmp_path / "images", tmp_path / "labels"
    for path, data in zip(paths, (idx.encode_images(images), idx.encode_labels(labels)), strict=True):
        path.write_bytes(data)
    return paths, images, labels


def contents(path, kind):
    with open_database(path, kind) as database:
        found = list(database.records())
        return [key for key, _ in found], [caffe_pb2.Datum.FromString(value) for _, value in found], database.note


def test_each_record_is_a_pair(tmp_path, files, kind):
    paths, images, labels = files
    assert convert("-backend", kind, *paths, tmp_path / "db") == 0
    keys, datums, note = contents(tmp_path / "db", kind)
    assert keys == [b"%08d" % i for i in range(COUNT)] and note == ""
    by_pixels = dict(zip([image.tobytes() for image in images], labels.tolist(), strict=True))
    size = SHAPE[0] * SHAPE[1]
    for datum in datums:
        assert (datum.channels, datum.height, datum.width) == (2, *SHAPE)
        first, second = by_pixels[datum.data[:size]], by_pixels[datum.data[size:]]
        assert datum.label == int(first == second)
    assert {datum.label for datum in datums} == {0, 1}


def test_a_seed_decides_the_pairs(tmp_path, files):
    paths, _, _ = files
    for name, flags in (("one", []), ("again", ["--seed", 1]), ("two", ["--seed=2"])):
        assert convert(*flags, *paths, tmp_path / name) == 0
    one, again, two = (contents(tmp_path / name, "lmdb") for name in ("one", "again", "two"))
    assert one == again != two


@given(seed=st.integers(0, 2**32))
def test_every_digit_may_meet_every_other(seed):
    """600 independent fair draws of each half, of which a tenth or so meet themselves."""
    images = np.arange(10, dtype=np.uint8).reshape(10, 1, 1)
    images, labels = np.repeat(images, 60, axis=0), np.repeat(np.arange(10, dtype=np.uint8), 60)
    datums = [caffe_pb2.Datum.FromString(value) for _, value in records(images, labels, seed)]
    halves = np.array([list(datum.data) for datum in datums])
    for half in halves.T:
        # 60 expected of each, with a standard deviation of 7.3.
        assert np.bincount(half, minlength=10).min() > 15
    assert 20 < sum(datum.label for datum in datums) < 120
    assert [datum.label for datum in datums] == (halves[:, 0] == halves[:, 1]).tolist()


def test_generated_digits_carry_their_warning(tmp_path, files, capsys):
    paths, _, _ = files
    (tmp_path / MARKER).write_text(marker_text({path.name: path.read_bytes() for path in paths}, 1))
    assert convert(*paths, tmp_path / "db") == 0
    assert "NOT MNIST" in contents(tmp_path / "db", "lmdb")[2]
    assert "WARNING: generated digits, NOT MNIST" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["images", "labels", "images"], "exists already; remove it, or give another name"),
        (["labels", "labels", "db"], "labels"),
        (["images", "missing", "db"], "missing"),
        (["images", "labels"], "the following arguments are required: DB"),
        (["images", "labels", "db", "--backend", "sqlite"], "sqlite"),
        (["images", "labels", "db", "--seed", "x"], "x"),
        (["images", "labels", "db", "--sed", "1"], "do you mean --seed?"),
        (["empty", "no labels", "db"], "holds no images, so there is nothing to pair"),
    ],
)
def test_what_is_refused(tmp_path, files, capsys, monkeypatch, arguments, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").write_bytes(idx.encode_images(np.zeros((0, *SHAPE), np.uint8)))
    (tmp_path / "no labels").write_bytes(idx.encode_labels(np.zeros(0, np.uint8)))
    before = sorted(path.name for path in tmp_path.iterdir())
    assert convert(*arguments) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ") and text in error
    # No half-written database, and no temporary one.
    assert sorted(path.name for path in tmp_path.iterdir()) == before
