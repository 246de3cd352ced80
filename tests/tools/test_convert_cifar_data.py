"""CIFAR-10's binary files into two databases."""

import os
import re

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minicaffe.cli.main import main
from minicaffe.io import cifar
from minicaffe.io.database import open_database
from minicaffe.net.net import Net
from minicaffe.proto import caffe_pb2

FILES = [*cifar.TRAIN_FILES, cifar.TEST_FILE]
COUNT = 7


@pytest.fixture
def content(tmp_path, monkeypatch, rng):
    """The six files, with few records each; (files, records, bytes of a record)."""
    monkeypatch.setattr(cifar, "RECORDS", COUNT)
    made = rng.integers(0, 256, (len(FILES), COUNT, 3073), np.uint8)
    made[:, :, 0] %= 10
    for name, rows in zip(FILES, made, strict=True):
        (tmp_path / name).write_bytes(rows.tobytes())
    return made


def run(capsys, *words):
    """(exit status, messages, last line of stderr)."""
    status = main(["convert_cifar_data", *map(str, words)])
    text = capsys.readouterr().err
    return status, re.findall(r"^I.*?\] (.*)$", text, re.MULTILINE), text.splitlines()[-1] if text else ""


def test_records_are_as_caffes_converter_writes_them(tmp_path, content, kind, capsys):
    (tmp_path / "out").mkdir()
    status, logged, _ = run(capsys, tmp_path, tmp_path / "out", kind)
    assert status == 0
    assert logged == ["Writing Training data", *(f"Training Batch {i}" for i in range(1, 6)), "Writing Testing data"]
    for name, rows in (("train", content[:5].reshape(-1, 3073)), ("test", content[5])):
        with open_database(tmp_path / "out" / f"cifar10_{name}_{kind}", kind) as database:
            records = list(database.records())
        assert [key for key, _ in records] == [f"{i:05d}".encode() for i in range(len(rows))]
        for (_, value), row in zip(records, rows, strict=True):
            # By hand: channels 3, height 32, width 32, 3072 bytes of data, label; nothing else on the wire.
            label = caffe_pb2.Datum(label=int(row[0])).SerializeToString()
            assert value == b"\x08\x03\x10\x20\x18\x20\x22\x80\x18" + row[1:].tobytes() + label


def test_a_data_layer_gives_the_pictures_back(tmp_path, content):
    assert main(["convert_cifar_data", str(tmp_path), str(tmp_path), "lmdb"]) == 0
    source = f'data_param {{ source: "{tmp_path}/cifar10_train_lmdb" backend: LMDB batch_size: 35 }}'
    path = tmp_path / "net.prototxt"
    path.write_text(f'layer {{ name: "d" type: "Data" top: "x" top: "t" {source} }}')
    with Net(path, caffe_pb2.TEST) as net:
        net.run_forward()
        assert_array_equal(net.blobs["x"].data.reshape(35, -1), content[:5, :, 1:].reshape(35, -1))
        assert_array_equal(net.blobs["t"].data, content[:5, :, 0].ravel())


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["IN", "OUT"], "error: the following arguments are required: DB_TYPE; minicaffe convert_cifar_data -help"),
        (["IN", "OUT", "sqlite"], 'error: Unknown database backend "sqlite"; known are lmdb and leveldb'),
        (["IN", "OUT/absent", "lmdb"], "error: OUT/absent/cifar10_test_lmdb: the database cannot be written: No such"),
        (["OUT", "OUT", "lmdb"], "error: OUT/data_batch_1.bin: cannot be read: no such file or directory"),
    ],
)
def test_what_is_refused(tmp_path, content, capsys, words, text):
    (tmp_path / "out").mkdir()
    places = [word.replace("IN", str(tmp_path)).replace("OUT", f"{tmp_path}/out") for word in words]
    status, _, last = run(capsys, *places)
    assert status == 1
    assert last.startswith(text.replace("OUT", f"{tmp_path}/out"))
    assert os.listdir(tmp_path / "out") == []


@pytest.mark.parametrize("name", [cifar.TRAIN_FILES[3], cifar.TEST_FILE])
def test_a_file_that_is_cut_short_leaves_no_database(tmp_path, content, kind, capsys, name):
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:-1])
    status, _, last = run(capsys, tmp_path, tmp_path, kind)
    assert status == 1
    assert last.startswith(f"error: {path}: is cut short: it has 21510 bytes, 7 records of CIFAR-10 take 21511")
    assert sorted(os.listdir(tmp_path)) == sorted(FILES)


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_database_that_is_there_stays(tmp_path, content, capsys, part):
    there = tmp_path / f"cifar10_{part}_lmdb"
    there.mkdir()
    (there / "mine").write_text("mine")
    status, _, last = run(capsys, tmp_path, tmp_path, "lmdb")
    assert status == 1
    assert last.startswith(f"error: mkdir {there} failed: it exists already; remove it, or give another name")
    assert sorted(os.listdir(tmp_path)) == sorted([*FILES, there.name])
    assert os.listdir(there) == ["mine"]
