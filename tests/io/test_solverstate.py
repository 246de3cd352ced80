"""Solver states: exchanged with Caffe, and known for damaged wherever they were cut or changed."""

import os

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.testing import assert_array_equal

from minicaffe.errors import FileError, FormatError, ParamError
from minicaffe.io import solverstate
from minicaffe.io.solverstate import EXTRA, SolverState, read_solverstate, write_solverstate
from minicaffe.io.wire import Wire, len_field, varint_field
from minicaffe.proto import caffe_pb2

HISTORY = [np.arange(24, dtype="f4").reshape(2, 3, 4), np.array([0.5, -1], "f8"), np.zeros((), "f4")]


def message(**fields):
    state = caffe_pb2.SolverState(iter=5000, learned_net="net_iter_5000.caffemodel", current_step=2)
    for array in HISTORY:
        values = {"double_data" if array.dtype == "f8" else "data": array.ravel()}
        state.history.add(shape={"dim": array.shape} if array.shape else None, **values)
    state.MergeFrom(caffe_pb2.SolverState(**fields))
    return state


def same_history(stored, arrays):
    assert [blob.shape for blob in stored] == [array.shape for array in arrays]
    for blob, array in zip(stored, arrays, strict=True):
        assert blob.data.dtype == array.dtype
        assert_array_equal(blob.data, array)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net_iter_5000.solverstate"


@pytest.fixture
def sealed(path):
    """A small state as minicaffe writes it, about 300 bytes."""
    write_solverstate(path, SolverState(5000, "net_iter_5000.caffemodel", 2, HISTORY, b"resume exactly"))
    return path.read_bytes()


@pytest.mark.parametrize("extra", [None, b"", b"x" * 200, bytes(range(256)) * 100])
def test_what_is_written_is_read(path, extra):
    write_solverstate(path, SolverState(7, "net.caffemodel", 3, HISTORY, extra))
    state = read_solverstate(path)
    assert (state.iter, state.learned_net, state.current_step) == (7, "net.caffemodel", 3)
    assert state.extra == (extra or b"")
    same_history(state.history, HISTORY)


def test_a_state_just_read_can_be_written(path, sealed):
    write_solverstate(path, read_solverstate(path))
    assert path.read_bytes() == sealed


def test_caffe_reads_it_as_its_own(sealed):
    seal = next(Wire(sealed).fields())
    assert seal.number == EXTRA == 7001
    # Without the field that Caffe skips: byte for byte what protobuf writes.
    assert sealed[seal.end :] == message().SerializeToString()
    assert caffe_pb2.SolverState.FromString(sealed).iter == 5000


def test_what_caffe_writes_is_read(path):
    path.write_bytes(message().SerializeToString())
    state = read_solverstate(path)
    assert (state.iter, state.learned_net, state.current_step) == (5000, "net_iter_5000.caffemodel", 2)
    assert state.extra is None
    same_history(state.history, HISTORY)


def test_a_state_of_nothing(path):
    write_solverstate(path, SolverState())
    assert read_solverstate(path) == SolverState(extra=b"")
    path.write_bytes(varint_field(1, 3))
    assert read_solverstate(path) == SolverState(iter=3)


def test_fields_of_other_programs_are_skipped(path):
    path.write_bytes(message().SerializeToString() + len_field(5, b"newer") + varint_field(3, 9))
    assert len(read_solverstate(path).history) == len(HISTORY)


@pytest.mark.skipif(os.name != "posix", reason="paths that are any bytes")
def test_a_path_that_is_not_utf8(path):
    name = os.fsdecode(b"r\xe9seau.caffemodel")
    write_solverstate(path, SolverState(1, name))
    assert read_solverstate(path).learned_net == name


def test_history_in_any_memory_order(path):
    values = np.arange(120, dtype="f4").reshape(2, 3, 4, 5)
    turned = np.ascontiguousarray(values.transpose(1, 2, 3, 0)).transpose(3, 0, 1, 2)
    write_solverstate(path, SolverState(1, history=[turned]))
    same_history(read_solverstate(path).history, [values])


def test_every_cut_is_found(path, sealed):
    for size in range(len(sealed)):
        path.write_bytes(sealed[:size])
        with pytest.raises(FormatError):
            read_solverstate(path)


def test_every_flipped_bit_is_found(path, sealed):
    for bit in range(8 * len(sealed)):
        flipped = bytearray(sealed)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        with pytest.raises(FormatError):
            read_solverstate(path)


@settings(max_examples=300)
@given(st.data())
def test_damage_in_what_caffe_wrote_gives_an_error_or_a_state(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "caffes.solverstate"
    damaged = bytearray(message().SerializeToString())
    for bit in data.draw(st.lists(st.integers(0, 8 * len(damaged) - 1), min_size=1, max_size=4)):
        damaged[bit // 8] ^= 1 << bit % 8
    path.write_bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
    try:
        state = read_solverstate(path)
    except FormatError as error:
        assert str(error).startswith(f"{path}: ")
        return
    expected = caffe_pb2.SolverState.FromString(path.read_bytes())
    assert (state.iter, len(state.history)) == (expected.iter, len(expected.history))


def test_a_broken_seal_says_what_to_do(path, sealed):
    path.write_bytes(sealed[:-1] + b"\x03")
    with pytest.raises(FormatError) as caught:
        read_solverstate(path)
    text = "does not match its checksum: it was cut short or changed since it was written; resume from an older one"
    assert str(caught.value) == f"{path}: {text}"


NET = caffe_pb2.NetParameter(name="LeNet", layer=[{"name": "conv1"}]).SerializeToString()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "is empty, must hold a solver state, binary"),
        (NET, "looks like weights (a NetParameter), must hold a solver state, binary; give the .solverstate here, and"),
        (b'net: "lenet.prototxt"\n', "is text, must hold a solver state"),
        (message().SerializeToString()[:-1], "Failed to parse SolverState: at byte "),
        (message(history=[caffe_pb2.BlobProto()]).SerializeToString(), "a blob of shape (1) has 0 values of data"),
        (varint_field(1, -5), "iter -5 and current_step 0 cannot be negative"),
        (varint_field(1, 5) + varint_field(4, -1), "iter 5 and current_step -1 cannot be negative"),
        (varint_field(1, 5) + len_field(EXTRA, b"x" * 60), "field 7001 is not what minicaffe writes there"),
    ],
)
def test_what_is_no_solver_state(path, data, text):
    path.write_bytes(data)
    with pytest.raises(FormatError) as caught:
        read_solverstate(path)
    assert str(caught.value).startswith(f"{path}: ") and text in str(caught.value)


def test_a_missing_file(path):
    with pytest.raises(FileError, match=r"Couldn't open .*net_iter_5000\.solverstate: no such file"):
        read_solverstate(path)


def test_a_failed_save_leaves_the_old_file(path, sealed, monkeypatch):
    with pytest.raises(ParamError, match="values of int64"):
        write_solverstate(path, SolverState(history=[np.arange(3)]))
    monkeypatch.setattr(solverstate, "MAX_BYTES", len(sealed) - 1)
    with pytest.raises(ParamError, match=f"a solver state of {len(sealed)} bytes does not fit a binary file"):
        write_solverstate(path, read_solverstate(path))
    assert path.read_bytes() == sealed and len(list(path.parent.iterdir())) == 1


def test_a_real_state(models_dir, path):
    real = models_dir / "lenet-2014" / "lenet_iter_5000.solverstate"
    state = read_solverstate(real)
    assert (state.iter, state.learned_net, state.extra) == (5000, "examples/mnist/lenet_iter_5000.caffemodel", None)
    assert [blob.shape for blob in state.history][-2:] == [(1, 1, 10, 500), (1, 1, 1, 10)]
    assert all(blob.legacy for blob in state.history)
    expected = caffe_pb2.SolverState.FromString(real.read_bytes())
    for blob, proto in zip(state.history, expected.history, strict=True):
        assert_array_equal(blob.data.ravel(), np.array(proto.data, "f4"))
    write_solverstate(path, state)
    same_history(read_solverstate(path).history, [blob.data for blob in state.history])
