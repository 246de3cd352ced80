"""Solver states in HDF5: Caffe's layout, with an attribute more that Caffe does not look at.

    iter, current_step    int32, shape (1)             learned_net    string of fixed length with its NUL
    history/0, 1, ...     float32, or float64 from a net of that precision
    attribute minicaffe   uint8: magic word, SHA-256 of all other bytes of the file, what an exact resume needs

An attribute ends at 64 KB: where more is needed for an exact resume, it lies in a dataset minicaffe, of uint8.
The seal is checked before the library looks into the file, so nothing damaged is believed. Files written by Caffe have
none, and none is asked for.
"""

from __future__ import annotations

import hashlib
import os
from typing import IO, Any

import numpy as np

from minicaffe.errors import FormatError, ParamError
from minicaffe.io.blobproto import StoredBlob
from minicaffe.io.hdf5 import opened_hdf5
from minicaffe.io.hdf5_tree import array_in, dataset_in, group_in, names_in
from minicaffe.io.hdf5_write import hdf5_written
from minicaffe.io.solverstate import BROKEN_SEAL, SolverState
from minicaffe.io.wire import Wire
from minicaffe.io.wire_file import SOLVER_STATE, found_instead, is_hdf5, read_file

SEAL = "minicaffe"
_MAGIC = b"minicaffe seals this HDF5 file: "
_DIGEST = 32
_MOST_IN_ATTRIBUTE = 60_000  # bytes of extra: the object header's message, with all that is in it, ends at 65535
_HEAD = 1 << 17  # the seal, written first, lies within
_CHUNK = 1 << 20
_LONGEST_PATH = 1 << 16
_ADVICE = "give the .solverstate.h5 here, and weights alone (.caffemodel.h5) as --weights, or net.copy_from"

Path = str | os.PathLike[str]


# --- reading --------------------------------------------------------------------------------------


def read_solverstate_hdf5(path: Path) -> SolverState:
    """Read an HDF5 solver state. Raises FileError where there is none, FormatError where it is not whole."""
    if not is_hdf5(path):
        raise FormatError(f"{_found(path)}, must hold {SOLVER_STATE} in HDF5; {_advice(path)}", file=os.fspath(path))
    seal = _checked_seal(path)
    with opened_hdf5(path) as file:
        names = names_in(file)
        if "iter" not in names:
            found = "is HDF5 weights" if "data" in names else 'is HDF5 without "iter"'
            raise FormatError(f"{found}, must hold {SOLVER_STATE}; {_ADVICE}")
        state = SolverState(_number(file, "iter"), current_step=_number(file, "current_step"))
        state.learned_net = _text(file, "learned_net") if "learned_net" in names else ""
        state.history = _history(group_in(file, "history"))
        state.extra = _extra(file, seal, SEAL in names)
    return state


def _number(file: Any, name: str) -> int:
    import h5py

    found = dataset_in(file, name)
    if found.id.get_type().get_class() != h5py.h5t.INTEGER or found.size != 1:
        raise FormatError(f'"{name}" must be one integer, as Caffe writes it: int32 of shape (1)')
    value = np.zeros(found.shape, np.int64)
    found.id.read(h5py.h5s.ALL, h5py.h5s.ALL, value)
    number = int(value.item())
    if not 0 <= number < 2**31:
        raise FormatError(f'"{name}" is {number}, must be 0 or more, and below 2^31; resume from another one')
    return number


def _text(file: Any, name: str) -> str:
    """A path: bytes up to the first NUL, which need not be UTF-8."""
    import h5py

    found = dataset_in(file, name)
    kind = found.id.get_type()
    fixed = kind.get_class() == h5py.h5t.STRING and not kind.is_variable_str()
    if not fixed or found.size != 1 or kind.get_size() > _LONGEST_PATH:
        raise FormatError(f'"{name}" must be one string of fixed length, as Caffe writes it')
    value = np.zeros(found.shape, f"S{kind.get_size()}")
    found.id.read(h5py.h5s.ALL, h5py.h5s.ALL, value, kind)
    return os.fsdecode(value.item().partition(b"\0")[0])


def _history(group: Any) -> list[StoredBlob | np.ndarray]:
    names = names_in(group)
    expected = [str(i) for i in range(len(names))]
    if set(names) != set(expected):
        other = min(set(names) - set(expected))
        raise FormatError(f'the history holds "{other}": its {len(names)} arrays must be called 0, 1, 2 and so on')
    arrays = [array_in(group, name) for name in expected]
    return [StoredBlob(array.shape, False, array) for array in arrays]


def _extra(file: Any, seal: bytes | None, apart: bool) -> bytes | None:
    """What an exact resume needs; None where Caffe wrote the file."""
    import h5py

    if not h5py.h5a.exists(file.id, SEAL.encode()):
        if seal is None and not apart:
            return None
        raise FormatError(BROKEN_SEAL)
    value = _bytes_of(h5py.h5a.open(file.id, SEAL.encode()))
    if seal is None or value[: len(seal)] != seal:
        raise FormatError(f'its attribute "{SEAL}" is not what minicaffe writes there; resume from another one')
    return _bytes_of(dataset_in(file, SEAL).id) if apart else value[len(seal) :]


def _bytes_of(source: Any) -> bytes:
    """All of an attribute or a dataset of uint8 with one axis."""
    import h5py

    if source.get_type() != h5py.h5t.STD_U8LE or len(source.shape) != 1:
        raise FormatError(f'"{SEAL}" is not what minicaffe writes there; resume from another one')
    value = np.empty(source.shape, np.uint8)
    if value.size:
        where = (h5py.h5s.ALL, h5py.h5s.ALL) if isinstance(source, h5py.h5d.DatasetID) else ()
        source.read(*where, value)
    return value.tobytes()


def _found(path: Path) -> str:
    try:
        return found_instead(Wire(read_file(path), os.fspath(path), "SolverState"))
    except FormatError:
        return "is no HDF5 file, or damaged at its beginning"


def _advice(path: Path) -> str:
    if SOLVER_STATE in _found(path):
        return "it is one in binary form: take the .h5 off its name"
    return _ADVICE


# --- writing --------------------------------------------------------------------------------------


def write_solverstate_hdf5(path: Path, state: SolverState) -> None:
    """Write a solver state, sealed; it appears whole or not at all.

    history: float32 or float64.  Raises FileError where the system refuses to write.
    """
    history = [np.asarray(blob.data) if isinstance(blob, StoredBlob) else np.asarray(blob) for blob in state.history]
    for array in history:
        if array.dtype not in (np.float32, np.float64):
            raise ParamError(f"history of {array.dtype} cannot be stored; give float32 or float64")
    learned_net, extra = os.fsencode(state.learned_net), state.extra or b""

    def fill(file: Any) -> None:
        # First, so that it lies where it is looked for.
        _write_extra(file, extra)
        for name, value in (("iter", state.iter), ("current_step", state.current_step)):
            file.create_dataset(name, data=np.array([value], "<i4"))
        if learned_net:
            _write_text(file, b"learned_net", learned_net)
        group = file.create_group("history")
        for i, array in enumerate(history):
            group.create_dataset(str(i), data=array)

    with hdf5_written(path, fill) as file:
        _seal(file)


def _write_extra(file: Any, extra: bytes) -> None:
    import h5py

    inside = extra if len(extra) <= _MOST_IN_ATTRIBUTE else b""
    value = np.frombuffer(_MAGIC + bytes(_DIGEST) + inside, np.uint8)
    space = h5py.h5s.create_simple(value.shape)
    h5py.h5a.create(file.id, SEAL.encode(), h5py.h5t.STD_U8LE, space).write(value)
    if inside is not extra:
        file.create_dataset(SEAL, data=np.frombuffer(extra, np.uint8))


def _write_text(file: Any, name: bytes, text: bytes) -> None:
    """As H5LTmake_dataset_string: the length is that of the text and its NUL."""
    import h5py

    kind = h5py.h5t.C_S1.copy()
    kind.set_size(len(text) + 1)
    kind.set_strpad(h5py.h5t.STR_NULLTERM)
    found = h5py.h5d.create(file.id, name, kind, h5py.h5s.create(h5py.h5s.SCALAR))
    found.write(h5py.h5s.ALL, h5py.h5s.ALL, np.array(text, f"S{len(text) + 1}"), kind)


# --- the seal -------------------------------------------------------------------------------------


def _seal(file: IO[bytes]) -> None:
    """Put the digest of a file into the place that was left for it."""
    at = _find(file)
    if at is None:
        raise ParamError("this HDF5 library puts the seal out of reach; set snapshot_format: BINARYPROTO")
    digest = _digest(file, at)
    file.seek(at)
    file.write(digest)


def _checked_seal(path: Path) -> bytes | None:
    """Magic and digest of a sealed file; None where there is no seal, FormatError where it is broken."""
    with open(path, "rb", buffering=0) as file:
        at = _find(file)
        if at is None:
            return None
        file.seek(at)
        stored = file.read(_DIGEST)
        if stored != _digest(file, at):
            raise FormatError(BROKEN_SEAL, file=os.fspath(path))
    return _MAGIC + stored


def _find(file: IO[bytes]) -> int | None:
    """Where the digest stands: behind the first magic word."""
    file.seek(0)
    at = file.read(_HEAD).find(_MAGIC)
    return None if at < 0 else at + len(_MAGIC)


def _digest(file: IO[bytes], at: int) -> bytes:
    """SHA-256 of all bytes of a file but those of the digest at `at`."""
    digest = hashlib.sha256()
    file.seek(0)
    digest.update(file.read(at))
    file.seek(at + _DIGEST)
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return digest.digest()
