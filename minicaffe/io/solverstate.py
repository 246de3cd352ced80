"""Solver states in binary form: Caffe's SolverState, with one field more that Caffe skips.

    iter = 1   learned_net = 2   history = 3 (BlobProtos)   current_step = 4
    seal = 7001: "minicaffe", SHA-256 of all other bytes of the file, then what an exact resume needs

The seal stands first, so that a file that was cut anywhere, or changed anywhere, is known for it. Files written by
Caffe have no seal, and none is asked for.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
from google.protobuf.message import DecodeError

from minicaffe.errors import FormatError, ParamError
from minicaffe.io.atomic import atomic_write
from minicaffe.io.blobproto import StoredBlob, decode_blob
from minicaffe.io.blobproto_write import EncodedBlob
from minicaffe.io.hashing import Hashing
from minicaffe.io.wire import LEN, Wire, len_field, len_header, varint_field
from minicaffe.io.wire_file import MAX_BYTES, SOLVER_STATE, open_message
from minicaffe.proto import caffe_pb2

EXTRA = 7001
BROKEN_SEAL = "does not match its checksum: it was cut short or changed since it was written; resume from an older one"
_HISTORY = 3
_MAGIC = b"minicaffe"
_DIGEST = 32
_HEADER = 8  # tag and length of the seal: 3 bytes, and 1 to 5
_ADVICE = "give the .solverstate here, and weights alone (.caffemodel) as --weights, or net.copy_from"


@dataclass
class SolverState:
    """What a solver keeps beside the weights.

    iter: updates done.  learned_net: path of the weights that belong to it, "" for none.  current_step: of lr_policy.
    history: arrays to write; StoredBlobs when read, of the legacy kind too. Order and meaning are the solver's.
    extra: what an exact resume needs, in the solver's own form; None in a file written by Caffe.
    """

    iter: int = 0
    learned_net: str = ""
    current_step: int = 0
    history: list[np.ndarray | StoredBlob] = field(default_factory=list)
    extra: bytes | None = None


def read_solverstate(path: str | os.PathLike[str]) -> SolverState:
    """Read a binary solver state. Raises FileError where there is none, FormatError where it is not whole."""
    wire = open_message(path, "SolverState", SOLVER_STATE, _ADVICE)
    sealed = _check_seal(wire)
    state, rest = SolverState(), []
    for part in wire.fields():
        if (part.number, part.wire_type) == (_HISTORY, LEN):
            state.history.append(decode_blob(wire, part.body, part.end))
        elif (part.number, part.wire_type) == (EXTRA, LEN):
            if not sealed:
                raise wire.error(part.start, f"field {EXTRA} is not what minicaffe writes there")
            state.extra = bytes(wire.body(part)[len(_MAGIC) + _DIGEST :])
        else:
            rest.append(wire.raw(part))
    _read_numbers(wire, b"".join(rest), state)
    return state


def write_solverstate(path: str | os.PathLike[str], state: SolverState) -> None:
    """Write a solver state, sealed; it appears whole or not at all.

    history: float32 or float64, any memory order.  Raises FileError where the system refuses to write.
    """
    blobs = [EncodedBlob(array.data if isinstance(array, StoredBlob) else array) for array in state.history]
    extra = state.extra or b""
    head = len_header(EXTRA, len(_MAGIC) + _DIGEST + len(extra)) + _MAGIC
    size = len(head) + _DIGEST + len(extra) + sum(len(piece) for piece in _caffes_numbers(state))
    size += sum(len(len_header(_HISTORY, blob.size)) + blob.size for blob in blobs)
    if size > MAX_BYTES:
        raise ParamError(f"a solver state of {size} bytes does not fit a binary file; set snapshot_format: HDF5")
    with atomic_write(path) as file:
        with Hashing(chain([head, extra], _caffes_part(state, blobs))) as hashing:
            file.writelines(chain([head, bytes(_DIGEST), extra], _caffes_part(state, blobs)))
        file.seek(len(head))
        file.write(bytes.fromhex(hashing.result().sha256))


def _caffes_part(state: SolverState, blobs: list[EncodedBlob]) -> Iterator[bytes | memoryview]:
    first, path, last = _caffes_numbers(state)
    yield from (first, path)
    for blob in blobs:
        yield len_header(_HISTORY, blob.size)
        yield from blob.pieces()
    yield last


def _caffes_numbers(state: SolverState) -> tuple[bytes, bytes, bytes]:
    """The fields before the history, and the one behind it."""
    # A path is bytes, and need not be UTF-8.
    path = len_field(2, os.fsencode(state.learned_net)) if state.learned_net else b""
    return varint_field(1, state.iter), path, varint_field(4, state.current_step)


def _check_seal(wire: Wire) -> bool:
    """Whether there is a seal; FormatError where it is broken."""
    # Looked for by its word, not as a field: of the tag and length before it, too, any bit may have been changed.
    at = bytes(wire.buffer[: _HEADER + len(_MAGIC)]).find(_MAGIC)
    if at < 0:
        return False
    at += len(_MAGIC)
    digest = hashlib.sha256(wire.buffer[:at])
    digest.update(wire.buffer[at + _DIGEST :])
    if digest.digest() != wire.buffer[at : at + _DIGEST]:
        raise FormatError(BROKEN_SEAL, file=wire.file)
    return True


def _read_numbers(wire: Wire, rest: bytes, state: SolverState) -> None:
    try:
        message = caffe_pb2.SolverState.FromString(rest)
    except DecodeError as error:
        raise wire.error(0, f"its numbers cannot be read ({error})") from error
    state.iter, state.current_step = message.iter, message.current_step
    if state.iter < 0 or state.current_step < 0:
        raise wire.error(0, f"iter {state.iter} and current_step {state.current_step} cannot be negative")
    # protobuf hands out bytes where they are no UTF-8.
    state.learned_net = os.fsdecode(message.learned_net)
