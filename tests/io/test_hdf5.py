"""HDF5 files: what is read from them, what is refused, and how they are written."""

import os
import re
import threading

import h5py
import numpy as np
import pytest
from hdf5_kit import write_file
from numpy.testing import assert_array_equal

from minicaffe.errors import DataError, FileError, FormatError, ShapeError
from minicaffe.io.hdf5 import SIGNATURE, read_datasets, read_shapes, write_datasets

SHAPE = (2, 3, 4, 5)
NUMBERS = ["u1", "i1", ">i2", "i4", "i8", "u8", "f2", "f4", ">f4", "f8"]


@pytest.mark.parametrize("stored", NUMBERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_are_converted(tmp_path, rng, stored, dtype):
    values = rng.integers(0, 100, SHAPE).astype(stored)
    path = write_file(tmp_path / "a.h5", x=values, label=np.arange(3))
    label, x = read_datasets(path, ["label", "x"], dtype)
    assert x.dtype == label.dtype == dtype
    assert_array_equal(x, values)
    assert_array_equal(label, [0, 1, 2])
    assert read_shapes(path, ["label", "x"]) == [(3,), SHAPE]


def test_compressed_chunks_and_groups(tmp_path, rng):
    values = rng.normal(size=SHAPE).astype(np.float32)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("group/x", data=values, compression="gzip", chunks=(1, 3, 2, 5))
        file["none"] = np.zeros((0, 3))
    x, none = read_datasets(tmp_path / "a.h5", ["group/x", "none"])
    assert_array_equal(x, values)
    assert none.shape == (0, 3)


@pytest.mark.parametrize(
    "value, kind, words",
    [
        (np.array([True]), DataError, ["is of class ENUM (bool, say)", "astype('float32')"]),
        (["a", "b"], DataError, ["is of class STRING", "integers or floats"]),
        (np.zeros(3, complex), DataError, ["is of class COM"]),
        (np.zeros(3, [("a", "i4")]), DataError, ["is of class COMPOUND"]),
        (np.zeros(3, "V3"), DataError, ["is of class OPAQUE"]),
        (np.dtype("f4"), DataError, ["is a datatype, must be a dataset"]),
        (np.float32(3), ShapeError, ["has no axis"]),
        (h5py.Empty("f4"), ShapeError, ["has no axis"]),
        (h5py.SoftLink("/nothing"), FormatError, ["damaged"]),
    ],
)
@pytest.mark.parametrize("read", [read_shapes, read_datasets])
def test_what_is_no_array_of_numbers(tmp_path, read, value, kind, words):
    path = write_file(tmp_path / "a.h5", the_name=value)
    check_refused(read, path, ["the_name"], kind, *words, *(["the_name"] if kind is not FormatError else []))


@pytest.mark.parametrize(
    "name, words",
    [
        ("dat", ['has no dataset "dat"', "it has data, group, label - did you mean data?"]),
        ("zebra", ['has no dataset "zebra"; it has data, group, label']),
        ("group", ['"group" is a group, must be a dataset; it has x']),
        ("group/y", ['has no dataset "group/y"']),
    ],
)
def test_missing_names(tmp_path, name, words):
    path = write_file(tmp_path / "a.h5", **{"data": np.zeros(2), "label": np.zeros(2), "group/x": np.zeros(2)})
    check_refused(read_shapes, path, ["data", name], DataError, *words)


def test_long_and_empty_lists_of_names(tmp_path):
    many = write_file(tmp_path / "many.h5", **{f"x{i:02d}": np.zeros(2) for i in range(30)})
    check_refused(read_shapes, many, ["zebra"], DataError, "it has x00, x01, ", "x19, ...")
    check_refused(
        read_shapes, write_file(tmp_path / "none.h5"), ["x"], DataError, 'no dataset "x"; there is nothing in it'
    )


def test_more_than_any_memory_holds(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", (2**50, 2**9), "f4", chunks=(1024, 1))
    assert os.path.getsize(tmp_path / "a.h5") < 10**5
    sizes = f"{2**50} x {2**9} values of 4 bytes"
    check_refused(read_datasets, str(tmp_path / "a.h5"), ["x"], ShapeError, '"x"', sizes, "split the file")


def test_files_that_cannot_be_opened(tmp_path):
    missing, folder, text, locked = (str(tmp_path / name) for name in ("missing.h5", "folder", "text", "locked.h5"))
    os.mkdir(folder)
    with open(text, "w") as file:
        file.write("a.h5\n")
    write_file(locked, x=np.zeros(2))
    os.chmod(locked, 0)
    check_refused(read_shapes, missing, ["x"], FileError, "no such file")
    check_refused(read_shapes, folder, ["x"], FileError, "is no plain file")
    check_refused(read_shapes, text, ["x"], FormatError, "is no HDF5 file, or damaged", "signature not found")
    if not os.access(locked, os.R_OK):
        check_refused(read_shapes, locked, ["x"], FileError, "cannot be read: permission denied")


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    check_refused(read_shapes, str(tmp_path / "pipe"), ["x"], FileError, "is no plain file")


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_damaged_files(tmp_path, rng, compression):
    """Any bytes give values or one of the errors that are told."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=rng.normal(size=(10, 3, 4)), chunks=(2, 3, 4), compression=compression)
    good, kinds = path.read_bytes(), set()
    for turn in range(300):
        bad = bytearray(good if turn % 3 else good[: rng.integers(len(good))])
        for place in rng.integers(0, max(len(bad), 1), 4 if bad else 0):
            bad[place] = rng.integers(256)
        path.write_bytes(bad)
        try:
            assert read_datasets(path, ["x"])[0].dtype == np.float32
        except (FormatError, DataError, ShapeError) as error:
            assert str(error).startswith(f"{path}: ")
            kinds.add(type(error))
    assert FormatError in kinds


def check_refused(read, path, names, kind, *words):
    with pytest.raises(kind) as caught:
        read(path, names)
    assert type(caught.value) is kind, repr(caught.value)
    assert caught.value.file == path
    for word in words:
        assert word in str(caught.value), f"{word!r} is not in: {caught.value}"


# --- writing --------------------------------------------------------------------------------------


def test_what_is_written_is_read_again(tmp_path, rng):
    path = tmp_path / "out.h5"
    data, label = rng.normal(size=SHAPE).astype(np.float32), np.zeros((0, 1, 1, 1))
    write_datasets(path, {"data": data, "label": label})
    with h5py.File(path, "r") as file:
        assert sorted(file) == ["data", "label"]
        assert file["data"].dtype == np.float32 and file["label"].dtype == np.float64
        assert_array_equal(file["data"][...], data)
        assert file["label"].shape == (0, 1, 1, 1)
    assert_array_equal(read_datasets(path, ["data"])[0], data)


def test_bytes_are_of_the_oldest_format_and_the_same_each_time(tmp_path, rng):
    """Superblock 0, right behind the signature: what HDF5 1.8 and older read."""
    arrays = {"data": rng.normal(size=SHAPE).transpose(3, 2, 1, 0)}
    images = []
    for name in "ab":
        write_datasets(tmp_path / name, arrays)
        images.append((tmp_path / name).read_bytes())
    assert images[0] == images[1]
    assert images[0][: len(SIGNATURE) + 1] == SIGNATURE + b"\0"


def test_an_empty_file_and_one_that_is_replaced(tmp_path):
    path = tmp_path / "out.h5"
    write_datasets(path, {})
    with h5py.File(path, "r") as before:
        write_datasets(path, {"x": np.ones(3)})
        assert list(before) == []
    with h5py.File(path, "r") as file:
        assert list(file) == ["x"]
    assert os.listdir(tmp_path) == ["out.h5"]


def test_threads_write_at_the_same_time(tmp_path, monkeypatch):
    """While one file is being made, so is another."""
    inner = tmp_path / "inner.h5"

    create = h5py.File.create_dataset

    def create_dataset(file, name, data):
        if name == "slow":
            thread = threading.Thread(target=write_datasets, args=(inner, {"x": data}))
            thread.start()
            thread.join(10)
        return create(file, name, data=data)

    monkeypatch.setattr(h5py.File, "create_dataset", create_dataset)
    write_datasets(tmp_path / "outer.h5", {"slow": np.ones(3)})
    assert read_shapes(inner, ["x"]) == read_shapes(tmp_path / "outer.h5", ["slow"]) == [(3,)]


def test_what_cannot_be_written_leaves_the_old_file(tmp_path):
    path = tmp_path / "out.h5"
    write_datasets(path, {"x": np.ones(3)})
    before = path.read_bytes()
    with pytest.raises(TypeError):
        write_datasets(path, {"x": np.array([object()])})
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["out.h5"]
    with pytest.raises(FileError, match=re.escape(f"{tmp_path}/no/out.h5: cannot be written: no such file")):
        write_datasets(tmp_path / "no" / "out.h5", {})


# --- what lies in other files ------------------------------------------------------------------


def elsewhere(folder, how):
    """A file of which the dataset "g/x" has its values in another file; its path."""
    path, other = folder / "one.h5", folder / "other.h5"
    with h5py.File(other, "w") as file:
        file["x"] = np.arange(6.0)
    with h5py.File(path, "w") as file:
        group = file.create_group("g") if how != "a link to a group" else None
        if how == "a link":
            group["x"] = h5py.ExternalLink("other.h5", "x")
        elif how == "a link to a group":
            file["g"] = h5py.ExternalLink("other.h5", "/")
        elif how == "external":
            group.create_dataset("x", (6,), "f8", external=[(str(folder / "raw"), 0, 48)])
        else:
            layout = h5py.VirtualLayout((6,), "f8")
            layout[:] = h5py.VirtualSource(other, "x", (6,))
            group.create_virtual_dataset("x", layout)
    return path


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("a link", '"g/x" is a link to another file; copy what it means into this one'),
        ("a link to a group", '"g" is a link to another file; copy what it means into this one'),
        ("virtual", 'the values of dataset "g/x" are in other files; copy them into this one'),
        ("external", 'the values of dataset "g/x" are in other files; copy them into this one'),
    ],
)
def test_no_other_file_is_read(tmp_path, how, text):
    """A file that was downloaded could name any on this machine."""
    path = elsewhere(tmp_path, how)
    for read in (read_datasets, read_shapes):
        with pytest.raises(DataError) as caught:
            read(path, ["g/x"])
        assert str(caught.value) == f"{path}: {text}"


def test_a_link_within_the_file_is_followed(tmp_path):
    with h5py.File(tmp_path / "one.h5", "w") as file:
        file["x"] = np.arange(6.0)
        file["y"] = h5py.SoftLink("/x")
    (values,) = read_datasets(tmp_path / "one.h5", ["y"])
    assert values.tolist() == [0, 1, 2, 3, 4, 5]
