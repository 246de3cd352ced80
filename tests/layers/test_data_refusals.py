"""Data: databases and records that it refuses. What it refuses of its settings: tests/rows/data_database.py."""

import os

import pytest
from data_kit import assert_placed, error_in_pass, error_of, write_database
from numpy.testing import assert_array_equal

from minicaffe.errors import DataError, FileError, FormatError, ParamError
from minicaffe.io.datum import make_datum
from minicaffe.net.net import Net
from minicaffe.proto import caffe_pb2
from minicaffe.proto.caffe_pb2 import TRAIN


def assert_source_placed(error, kind, tmp_path, *words):
    assert_placed(error, kind, f'{tmp_path}/net.prototxt:9: layer "the_layer" (Data): data_param.source', *words)


def test_a_database_that_is_not_there(net_file, tmp_path, kind):
    error = error_of(net_file(f'source: "{tmp_path / "db"}" backend: {kind.upper()}'))
    assert_source_placed(error, FileError, tmp_path, f"{tmp_path / 'db'}: no such folder")
    assert isinstance(error, OSError) and "relative" not in str(error)


def test_a_relative_path_that_leads_nowhere_tells_from_where(net_file, tmp_path):
    error = error_of(net_file('source: "examples/mnist_train_lmdb" backend: LMDB'))
    assert_source_placed(error, FileError, tmp_path, f"(relative paths begin at {os.getcwd()})")


def test_no_source_at_all(net_file, tmp_path):
    error = error_of(net_file("backend: LMDB"))
    assert type(error) is ParamError
    assert str(error).endswith('layer "the_layer" (Data): data_param.source is empty, must be the folder of a database')


def test_a_database_of_the_other_kind(net_file, tmp_path, images):
    write_database(tmp_path / "db", [make_datum(images[0])], "lmdb")
    assert "LMDB" in str(error_of(net_file(f'source: "{tmp_path / "db"}"')))


def test_a_half_written_lmdb(net_file, tmp_path, images):
    db = write_database(tmp_path / "db", [make_datum(image) for image in images] * 100)
    file = tmp_path / "db" / "data.mdb"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert_source_placed(error_of(net_file(db)), FormatError, tmp_path, "data.mdb", "cut short")


def test_an_empty_database(net_file, tmp_path, kind):
    assert_source_placed(
        error_of(net_file(write_database(tmp_path / "db", [], kind))), DataError, tmp_path, "db: is empty"
    )


BAD_RECORDS = {
    "mismatch": (
        {"channels": 3, "height": 4, "width": 5, "data": b"abc"},
        DataError,
        "has 3 bytes of data, its 3 x 4",
    ),
    "no image": ({"data": b"abc", "encoded": True}, DataError, "is no image"),
    "no pixels": ({"channels": 3, "height": 4, "width": 5}, DataError, "has 0 values of float_data"),
}


@pytest.mark.parametrize("bad", BAD_RECORDS)
@pytest.mark.parametrize("place", [0, 5])
def test_a_record_that_cannot_be_used(net_file, tmp_path, kind, images, bad, place):
    fields, kind_of_error, words = BAD_RECORDS[bad]
    values = [make_datum(image) for image in images]
    values[place] = caffe_pb2.Datum(**fields).SerializeToString()
    path = net_file(write_database(tmp_path / "db", values, kind))
    if place:
        with Net(path, TRAIN) as net:
            # The batch before it comes first.
            net.forward()
            assert_array_equal(net.blobs["data"].data, images[:3])
            error = error_in_pass(net)
    else:
        error = error_of(path)
    assert_source_placed(error, kind_of_error, tmp_path, f"db: record b'{place:05d}' {words}")


def test_a_record_that_is_no_datum(net_file, tmp_path):
    error = error_of(net_file(write_database(tmp_path / "db", [b"\xff\xff"])))
    assert_source_placed(error, FormatError, tmp_path, "Failed to parse the Datum of record b'00000'")


def test_a_damaged_table_is_told_in_time(net_file, tmp_path, images):
    db = write_database(tmp_path / "db", [make_datum(image) for image in images] * 200)
    file = tmp_path / "db" / "data.mdb"
    data = bytearray(file.read_bytes())
    # Beyond the first leaves, pages of ones.
    data[8 * 4096 : -4096] = b"\xff" * (len(data) - 9 * 4096)
    file.write_bytes(data)
    with pytest.raises(FormatError) as caught:
        net = Net(net_file(db), TRAIN)
        for _ in range(1400):
            net.forward()
    assert_source_placed(caught.value, FormatError, tmp_path, "data.mdb: is damaged")


def test_an_unknown_backend(tmp_path, net_file):
    with pytest.raises(ParamError) as caught:
        Net(net_file('source: "db" backend: HDF5'), TRAIN)
    assert f"{tmp_path}/net.prototxt:9" in str(caught.value) and "LMDB" in str(caught.value)
