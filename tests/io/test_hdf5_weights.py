"""HDF5 weight files, without a net: what is in them, what is refused, and disks that fill."""

import hashlib
import os
import random

import h5py
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minicaffe.errors import FileError, FormatError
from minicaffe.io.hdf5_weights import read_hdf5_weights, write_hdf5_weights
from minicaffe.io.solverstate import SolverState
from minicaffe.io.solverstate_hdf5 import write_solverstate_hdf5

DATA = {
    "conv1": {0: np.arange(120, dtype="f4").reshape(2, 3, 4, 5), 1: np.array([0.5, -1], "f4")},
    "relu1": {},
    "bn": {i: np.full((), i, "f8") for i in range(12)},
    "none": {0: np.zeros((0, 3), "f4")},
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "w.caffemodel.h5"


def test_what_is_written_is_read(path):
    written = write_hdf5_weights(path, DATA)
    assert (written.size, written.sha256) == (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
    layers = read_hdf5_weights(path, DATA)
    assert [layer.name for layer in layers] == sorted(DATA)
    for layer in layers:
        assert layer.names == sorted(map(str, DATA[layer.name])) and sorted(layer.blobs) == sorted(DATA[layer.name])
        for i, array in layer.blobs.items():
            expected = DATA[layer.name][i]
            assert (array.dtype, array.shape) == (expected.dtype, expected.shape)
            assert_array_equal(array, expected)


def test_a_file_is_the_same_each_time(path):
    write_hdf5_weights(path, DATA, DATA)
    first = path.read_bytes()
    write_hdf5_weights(path, DATA, DATA)
    assert path.read_bytes() == first


def test_what_is_not_wanted_is_not_read(path):
    write_hdf5_weights(path, DATA)
    with h5py.File(path, "r+") as file:
        file["data/text"] = "no layer at all"
    layers = read_hdf5_weights(path, {"conv1"})
    assert [layer.name for layer in layers if layer.blobs] == ["conv1"]
    assert "text" in [layer.name for layer in layers]


def test_gradients_lie_in_a_tree_of_their_own(path):
    write_hdf5_weights(path, DATA, {"conv1": DATA["conv1"]})
    with h5py.File(path) as file:
        assert sorted(file) == ["data", "diff"] and list(file["diff"]) == ["conv1"]
        assert_array_equal(file["diff/conv1/0"][()], DATA["conv1"][0])


def test_many_layers(path):
    """More names in one group than one node of its tree holds."""
    data = {f"layer {i}": {0: np.full(3, i, "f4")} for i in range(700)}
    write_hdf5_weights(path, data)
    layers = read_hdf5_weights(path, data)
    assert len(layers) == 700 and all(layer.blobs[0][0] == int(layer.name.split()[1]) for layer in layers)


def test_compressed_weights(path):
    """Not as Caffe writes them, but as it reads them: h5repack makes them."""
    with h5py.File(path, "w") as file:
        file.create_dataset("data/a/0", data=np.zeros((500, 500), "f4"), compression="gzip", chunks=(100, 500))
    assert path.stat().st_size < 10_000
    assert read_hdf5_weights(path, {"a"})[0].blobs[0].shape == (500, 500)


def set_file(path, **members):
    with h5py.File(path, "w") as file:
        for name, value in members.items():
            file[name.replace("_", "/")] = value


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({}, 'is HDF5 without a group "data", must hold weights; give a .caffemodel.h5'),
        ({"iter": np.array([1]), "history_0": np.zeros(3)}, "is an HDF5 solver state, must hold weights; give a"),
        ({"data": np.zeros(3)}, '"data" is a dataset, must be a group'),
        ({"data_a": np.zeros(3)}, '"data/a" is a dataset, must be a group'),
        ({"data_a_0_x": np.zeros(3)}, '"data/a/0" is a group, must be a dataset'),
        ({"data_a_0": ["x"]}, '"data/a/0" is of class STRING, must hold integers or floats'),
        ({"data_a_0": np.array([True])}, '"data/a/0" is of class ENUM (bool, say), must hold'),
        ({"data_a_0": h5py.ExternalLink("/etc/hostname", "x")}, '"data/a/0" is a link to elsewhere'),
        ({"data_a": h5py.ExternalLink("/etc/hostname", "x")}, '"data/a" is a link to elsewhere'),
    ],
)
def test_what_is_no_weight_file(path, members, words):
    set_file(path, **members)
    with pytest.raises(FormatError) as caught:
        read_hdf5_weights(path, {"a"})
    assert str(caught.value).startswith(f"{path}: ") and words in str(caught.value), str(caught.value)


def test_damage_gives_an_error_or_arrays(path):
    write_hdf5_weights(path, {"a": DATA["conv1"], "b": {}})
    good, draw, failed = path.read_bytes(), random.Random(3), 0
    for turn in range(1500):
        damaged = bytearray(good)
        for _ in range(draw.choice([1, 1, 2, 5])):
            damaged[draw.randrange(len(good))] = draw.choice([0, 1, 127, 128, 255, draw.randrange(256)])
        path.write_bytes(damaged[: draw.randrange(len(good))] if turn % 4 == 0 else damaged)
        try:
            layers = read_hdf5_weights(path, {"a", "b"})
        except FormatError as error:
            assert str(error).startswith(f"{path}: ")
            failed += 1
        else:
            assert all(isinstance(array, np.ndarray) for layer in layers for array in layer.blobs.values())
    assert 300 < failed < 1500


@pytest.mark.skipif(os.name != "posix", reason="limits of POSIX")
@pytest.mark.parametrize(
    "write",
    [
        lambda path: write_hdf5_weights(path, DATA, DATA),
        lambda path: write_solverstate_hdf5(path, SolverState(5, "net", 1, list(DATA["bn"].values()), b"x" * 70_000)),
    ],
    ids=["weights", "solver state"],
)
def test_a_full_disk_anywhere_leaves_the_old_file(path, write):
    """A file size limit at every 4 KiB."""
    resource = pytest.importorskip("resource")
    write(path)
    size = path.stat().st_size
    path.write_bytes(b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in [*range(0, size, 4096), size - 1]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            with pytest.raises(FileError, match="cannot be written: file too large"):
                write(path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert path.read_bytes() == b"old" and os.listdir(path.parent) == [path.name]
