"""HDF5 solver states: Caffe's layout, a seal, and no damage that is believed."""

import os
import random

import h5py
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minicaffe.errors import FileError, FormatError, ParamError
from minicaffe.io.solverstate import BROKEN_SEAL, SolverState, write_solverstate
from minicaffe.io.solverstate_hdf5 import read_solverstate_hdf5, write_solverstate_hdf5
from minicaffe.proto import caffe_pb2

HISTORY = [np.arange(24, dtype="f4").reshape(2, 3, 4), np.array([0.5, -1], "f8"), np.zeros((), "f4")]
MODEL = "net_iter_5000.caffemodel.h5"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net_iter_5000.solverstate.h5"


@pytest.fixture
def sealed(path):
    """The bytes of a small state as minicaffe writes it, about 4 KB."""
    write_solverstate_hdf5(path, SolverState(5000, MODEL, 2, HISTORY, b"resume exactly"))
    return path.read_bytes()


def write_as_caffe(path, history=HISTORY, **datasets):
    """What Caffe's H5LT calls leave; a dataset given as None is left out."""
    learned_net = np.array(MODEL.encode(), f"S{len(MODEL) + 1}")
    parts = {"iter": np.array([5000], "i4"), "learned_net": learned_net, "current_step": np.array([2], "i4")}
    with h5py.File(path, "w", libver="earliest") as file:
        for name, value in {**parts, **datasets}.items():
            if value is not None:
                file[name] = value
        group = file.create_group("history")
        for i, array in enumerate(history):
            group[str(i)] = array


def same_history(stored, arrays):
    assert [blob.shape for blob in stored] == [array.shape for array in arrays]
    for blob, array in zip(stored, arrays, strict=True):
        assert not blob.legacy and blob.diff is None and blob.data.dtype == array.dtype
        assert_array_equal(blob.data, array)


# --- written and read -------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 200, 60_000, 60_001, 300_000])
def test_what_is_written_is_read(path, rng, size):
    extra = rng.bytes(size)
    write_solverstate_hdf5(path, SolverState(7, "net.caffemodel", 3, HISTORY, extra))
    state = read_solverstate_hdf5(path)
    assert (state.iter, state.learned_net, state.current_step) == (7, "net.caffemodel", 3)
    assert state.extra == extra
    same_history(state.history, HISTORY)


def test_a_state_just_read_can_be_written(path, sealed):
    write_solverstate_hdf5(path, read_solverstate_hdf5(path))
    assert path.read_bytes() == sealed


def test_the_layout_is_caffes(path, sealed):
    with h5py.File(path) as file:
        assert sorted(file) == ["current_step", "history", "iter", "learned_net"]
        for name, value in (("iter", 5000), ("current_step", 2)):
            assert file[name].dtype == "<i4" and file[name].shape == (1,) and file[name][0] == value
        kind = file["learned_net"].id.get_type()
        assert file["learned_net"].shape == () and kind.get_size() == len(MODEL) + 1
        assert (kind.is_variable_str(), kind.get_strpad()) == (0, h5py.h5t.STR_NULLTERM)
        assert file["learned_net"][()] == MODEL.encode()
        assert sorted(file["history"]) == ["0", "1", "2"]
        for i, array in enumerate(HISTORY):
            assert file[f"history/{i}"].dtype == array.dtype
            assert_array_equal(file[f"history/{i}"][()], array)
        assert list(file.attrs) == ["minicaffe"] and bytes(file.attrs["minicaffe"]).endswith(b"resume exactly")


def test_a_large_extra_lies_beside_what_caffe_looks_for(path):
    write_solverstate_hdf5(path, SolverState(1, MODEL, 0, HISTORY, b"x" * 70_000))
    with h5py.File(path) as file:
        assert file["minicaffe"].dtype == np.uint8 and file["minicaffe"].shape == (70_000,)
        assert len(file.attrs["minicaffe"]) < 100


def test_what_caffe_writes_is_read(path):
    write_as_caffe(path)
    state = read_solverstate_hdf5(path)
    assert (state.iter, state.learned_net, state.current_step, state.extra) == (5000, MODEL, 2, None)
    same_history(state.history, HISTORY)


def test_other_numbers_are_converted(path):
    write_as_caffe(path, [np.arange(3), np.arange(3, dtype=">f4")], iter=np.array([9], ">i8"))
    state = read_solverstate_hdf5(path)
    assert state.iter == 9
    same_history(state.history, [np.arange(3, dtype="f4")] * 2)


def test_more_history_than_has_one_digit(path):
    history = [np.full(2, i, "f4") for i in range(23)]
    write_solverstate_hdf5(path, SolverState(1, history=history))
    same_history(read_solverstate_hdf5(path).history, history)


def test_a_state_of_nothing(path):
    write_solverstate_hdf5(path, SolverState())
    assert read_solverstate_hdf5(path) == SolverState(extra=b"")
    write_as_caffe(path, [], learned_net=None)
    assert read_solverstate_hdf5(path) == SolverState(iter=5000, current_step=2)


@pytest.mark.skipif(os.name != "posix", reason="paths that are any bytes")
def test_a_path_that_is_not_utf8(path):
    name = os.fsdecode(b"r\xe9seau.caffemodel")
    write_solverstate_hdf5(path, SolverState(1, name))
    assert read_solverstate_hdf5(path).learned_net == name


def test_history_in_any_memory_order(path):
    values = np.arange(120, dtype="f4").reshape(2, 3, 4, 5)
    turned = np.ascontiguousarray(values.transpose(1, 2, 3, 0)).transpose(3, 0, 1, 2)
    write_solverstate_hdf5(path, SolverState(1, history=[turned]))
    same_history(read_solverstate_hdf5(path).history, [values])


def test_what_cannot_be_stored_leaves_the_old_file(path, sealed):
    with pytest.raises(ParamError, match="history of int64 cannot be stored"):
        write_solverstate_hdf5(path, SolverState(history=[np.arange(3)]))
    assert path.read_bytes() == sealed and len(list(path.parent.iterdir())) == 1


# --- damage -----------------------------------------------------------------------------------------


def test_every_cut_is_found(path, sealed):
    for size in range(len(sealed)):
        path.write_bytes(sealed[:size])
        with pytest.raises(FormatError):
            read_solverstate_hdf5(path)


def test_a_flipped_bit_in_any_byte_is_found(path, sealed):
    bits = random.Random(1)
    for place in range(len(sealed)):
        flipped = bytearray(sealed)
        flipped[place] ^= 1 << bits.randrange(8)
        path.write_bytes(flipped)
        with pytest.raises(FormatError):
            read_solverstate_hdf5(path)


def test_bytes_that_were_added_are_found(path, sealed):
    path.write_bytes(sealed + b"\0")
    with pytest.raises(FormatError, match="does not match its checksum"):
        read_solverstate_hdf5(path)


def test_damage_in_what_caffe_wrote_gives_an_error_or_a_state(path):
    """Nothing tells wrong numbers there, but the library neither crashes nor hangs, nor takes all memory."""
    write_as_caffe(path)
    good, draw, failed = path.read_bytes(), random.Random(2), 0
    for turn in range(2000):
        damaged = bytearray(good)
        for _ in range(draw.choice([1, 1, 2, 5])):
            damaged[draw.randrange(len(good))] = draw.choice([0, 1, 127, 128, 255, draw.randrange(256)])
        path.write_bytes(damaged[: draw.randrange(len(good))] if turn % 4 == 0 else damaged)
        try:
            state = read_solverstate_hdf5(path)
        except FormatError as error:
            assert str(error).startswith(f"{path}: ")
            failed += 1
        else:
            assert state.iter >= 0 and all(blob.data.shape == blob.shape for blob in state.history)
    assert 500 < failed < 2000


def test_a_broken_seal_says_what_to_do(path, sealed):
    path.write_bytes(sealed[:-1] + b"\x03")
    with pytest.raises(FormatError) as caught:
        read_solverstate_hdf5(path)
    assert str(caught.value) == f"{path}: {BROKEN_SEAL}"


@pytest.mark.parametrize("value", [b"x" * 70, "text", np.zeros((8, 9), np.uint8), np.zeros(3, "f4")])
def test_an_attribute_of_somebody_else(path, value):
    write_as_caffe(path)
    with h5py.File(path, "r+") as file:
        file.attrs["minicaffe"] = value
    with pytest.raises(FormatError, match="is not what minicaffe writes there"):
        read_solverstate_hdf5(path)


# --- other files ------------------------------------------------------------------------------------

NET = caffe_pb2.NetParameter(name="LeNet", layer=[{"name": "conv1"}]).SerializeToString()


def binary_state(folder):
    write_solverstate(folder / "binary", SolverState(3, "net.caffemodel"))
    return (folder / "binary").read_bytes()


def hdf5_weights(folder):
    with h5py.File(folder / "weights", "w") as file:
        file["data/conv1/0"] = np.zeros(3)
    return (folder / "weights").read_bytes()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty, must hold a solver state in HDF5; give the .solverstate.h5 here, and weights alone"),
        (NET, "looks like weights (a NetParameter), must hold a solver state in HDF5; give the .solverstate.h5 here"),
        (b'net: "lenet.prototxt"\n', "is text, must hold a solver state in HDF5"),
        (b"\xff" * 100, "is no HDF5 file, or damaged at its beginning, must hold a solver state in HDF5"),
        (binary_state, "looks like a solver state, must hold a solver state in HDF5; it is one in binary form: take"),
        (hdf5_weights, "is HDF5 weights, must hold a solver state; give the .solverstate.h5 here, and weights alone"),
    ],
)
def test_files_of_another_kind(path, tmp_path, data, words):
    path.write_bytes(data(tmp_path) if callable(data) else data)
    refused(path, words)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"iter": None}, 'is HDF5 without "iter", must hold a solver state'),
        ({"current_step": None}, 'has no "current_step": it is not whole'),
        ({"iter": np.array([-1])}, '"iter" is -1, must be 0 or more'),
        ({"iter": np.array([2**31])}, '"iter" is 2147483648, must be 0 or more, and below 2^31'),
        ({"iter": np.array([1, 2])}, '"iter" must be one integer'),
        ({"current_step": np.array([1.0])}, '"current_step" must be one integer'),
        ({"learned_net": np.array([1])}, '"learned_net" must be one string of fixed length'),
        ({"learned_net": "variable"}, '"learned_net" must be one string of fixed length'),
        (
            {"history/1": np.array([b"x"]), "history": []},
            '"history/1" is of class STRING, must hold integers or floats',
        ),
        ({"history/1/x": np.zeros(3), "history": []}, '"history/1" is a group, must be a dataset'),
        ({"history/2": np.zeros(3), "history": []}, 'the history holds "2": its 2 arrays must be called 0, 1, 2'),
        ({"history/1": h5py.Empty("f4"), "history": []}, '"history/1" has no values'),
    ],
)
def test_what_is_no_solver_state(path, changes, words):
    changes = dict(changes)
    history = changes.pop("history", HISTORY)
    if history is HISTORY:
        write_as_caffe(path, **changes)
    else:
        write_as_caffe(path, [np.zeros(3)])
        with h5py.File(path, "r+") as file:
            for name, value in changes.items():
                file[name] = value
    refused(path, words)


def test_no_history(path):
    write_as_caffe(path)
    with h5py.File(path, "r+") as file:
        del file["history"]
    refused(path, 'has no "history"')
    with h5py.File(path, "r+") as file:
        file["history"] = np.zeros(3)
    refused(path, '"history" is a dataset, must be a group')


def test_no_other_file_is_read(path, tmp_path):
    """A file from elsewhere could name any file of ours."""
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["x"] = np.zeros(3, "f4")
    (tmp_path / "raw").write_bytes(bytes(12))
    layout = h5py.VirtualLayout((3,), "f4")
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", (3,))

    def link(file):
        file["history/0"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "x")

    def soft(file):
        file["history/0"] = h5py.SoftLink("/history/1")

    def external(file):
        file.create_dataset("history/0", (3,), "f4", external=[(str(tmp_path / "raw"), 0, 12)])

    def virtual(file):
        file.create_virtual_dataset("history/0", layout)

    for make, words in ((link, "is a link to"), (soft, "is a link to"), (external, "are in"), (virtual, "are in")):
        write_as_caffe(path, [])
        with h5py.File(path, "r+", libver="latest") as file:
            make(file)
        refused(path, f'"history/0" {words}' if words == "is a link to" else f'the values of "history/0" {words}')


def test_a_claim_beyond_the_file_is_not_allocated(path):
    write_as_caffe(path, [])
    with h5py.File(path, "r+") as file:
        file.create_dataset("history/0", (2**29,), "f4", chunks=(2**10,))
    refused(path, f'"history/0" claims {2**29} values, more than the file can hold')


def test_a_missing_file(path):
    with pytest.raises(FileError, match=r"Couldn't open .*net_iter_5000\.solverstate\.h5: no such file"):
        read_solverstate_hdf5(path)


def refused(path, words):
    with pytest.raises(FormatError) as caught:
        read_solverstate_hdf5(path)
    assert str(caught.value).startswith(f"{path}: ") and words in str(caught.value), str(caught.value)
