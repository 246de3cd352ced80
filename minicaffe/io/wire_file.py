"""Files of one binary message: read whole, and told from the other kinds of file that may be given in their place."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from itertools import islice

import numpy as np

from minicaffe.errors import FileError, FormatError, reason_of
from minicaffe.io.wire import FIXED32, LEN, VARINT, Wire

WEIGHTS, SOLVER_STATE, BLOB = "weights (a NetParameter)", "a solver state", "a single blob (such as a mean image)"
TEXT, HDF5 = "text", "HDF5"
_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_TEXT_START = re.compile(rb"\s*(#|\w+\s*[:{])")
_NOT_IN_TEXT = re.compile(rb"[^\x20-\x7e\x80-\xff\s]")
_HEAD = 512
MAX_BYTES = 2**31 - 1  # what a reader of protobuf counts to
_CHUNK = 1 << 20


def read_file(path: str | os.PathLike[str]) -> memoryview:
    """All bytes of a file, read once into memory of their own; views of them keep it alive.

    Not mapped: a mapped file that somebody cuts short ends the process without an exception.
    Raises FileError, `Couldn't open <path>`, where it cannot be read; FormatError where it is longer than MAX_BYTES.
    """
    try:
        # Unbuffered: the bytes go from the system straight into the array.
        with open(path, "rb", buffering=0) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                return memoryview(_read_stream(file))
            if status.st_size > MAX_BYTES:
                raise FormatError(
                    f"is {status.st_size} bytes long; a binary message ends at {MAX_BYTES}, larger files must be HDF5",
                    file=os.fspath(path),
                )
            # Left as the system gives it: zeroing it first would touch every page twice.
            data = np.empty(status.st_size, np.uint8).data
            return data[: _fill(file, data)].toreadonly()
    except OSError as error:
        raise _not_opened(path, error) from error


def size_and_sha256(path: str | os.PathLike[str]) -> tuple[int, str]:
    """Size in bytes and SHA-256 (hexadecimal) of a file, read piece by piece. Raises FileError as read_file."""
    digest, size = hashlib.sha256(), 0
    try:
        with open(path, "rb", buffering=0) as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
    except OSError as error:
        raise _not_opened(path, error) from error
    return size, digest.hexdigest()


def is_hdf5(path: str | os.PathLike[str]) -> bool:
    """Whether a file's content, not its name, is HDF5: the signature lies at byte 0, 512, 1024, 2048, ...

    Raises FileError as read_file. Source: HDF5 File Format Specification, II.A.
    """
    try:
        with open(path, "rb") as file:
            at, signature = 0, file.read(len(_HDF5_SIGNATURE))
            while len(signature) == len(_HDF5_SIGNATURE) and signature != _HDF5_SIGNATURE:
                at = max(512, 2 * at)
                file.seek(at)
                signature = file.read(len(_HDF5_SIGNATURE))
    except OSError as error:
        raise _not_opened(path, error) from error
    return signature == _HDF5_SIGNATURE


def open_message(path: str | os.PathLike[str], message: str, wanted: str, advice: str) -> Wire:
    """The bytes of a file that should hold one binary `message`, ready to be walked.

    wanted: WEIGHTS, SOLVER_STATE or BLOB.  advice: what to give instead of a file of another kind.
    Raises FileError as read_file; FormatError for an empty file, for text and HDF5, and for a message of another kind.
    """
    wire = Wire(read_file(path), os.fspath(path), message)
    if len(wire.buffer) and kind_of_file(wire) in (wanted, None):
        return wire
    raise FormatError(f"{found_instead(wire)}, must hold {wanted}, binary; {advice}", file=wire.file)


def found_instead(wire: Wire) -> str:
    """What a file is that should have been something else, to begin an error with: "is text"."""
    if not len(wire.buffer):
        return "is empty"
    kind = kind_of_file(wire)
    if kind in (TEXT, HDF5):
        return f"is {kind}"
    return f"looks like {kind}" if kind else "is of no kind that is known here"


def kind_of_file(wire: Wire) -> str | None:
    """TEXT, HDF5, or what kind_of says."""
    head = bytes(wire.buffer[:_HEAD])
    if _TEXT_START.match(head) and not _NOT_IN_TEXT.search(head):
        return TEXT
    return HDF5 if head.startswith(_HDF5_SIGNATURE) else kind_of(wire)


def kind_of(wire: Wire) -> str | None:
    """Which of Caffe's messages the first fields look like; None where they do not tell.

    The same numbers mean other things in each, but with other wire types:
        NetParameter   1 name (LEN)                           2 layers (LEN)   100 layer (LEN)
        SolverState    1 iter (VARINT)   2 learned_net (LEN)  3 history (LEN)
        BlobProto      1 num (VARINT)    2 channels (VARINT)  5 data (LEN or FIXED32)
    """
    seen = {(field.number, field.wire_type) for field in islice(wire.fields(), 8)}
    if {(1, LEN), (100, LEN)} & seen:
        return WEIGHTS
    a_state, a_blob = {(2, LEN), (3, LEN)} & seen, {(2, VARINT), (5, LEN), (5, FIXED32)} & seen
    if (1, VARINT) in seen and (a_state or not a_blob):
        return SOLVER_STATE
    return BLOB if a_blob else None


def _fill(file, data: memoryview) -> int:
    """Read until `data` is full or the file ends; the number of bytes read."""
    # One call reads at most 2 GiB.
    at = 0
    while at < len(data) and (count := file.readinto(data[at:])):
        at += count
    return at


def _read_stream(file) -> bytes:
    return b"".join(iter(lambda: file.read(_CHUNK), b""))


def _not_opened(path: str | os.PathLike[str], error: OSError) -> FileError:
    reason = reason_of(error)
    opened = FileError(f"Couldn't open {os.fspath(path)}: {reason}; check the path")
    # Said in the sentence already, where Caffe has it.
    opened.file = os.fspath(path)
    return opened
