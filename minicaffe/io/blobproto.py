"""BlobProto, the message that a blob is stored in, read without making Python floats. See blobproto_write.

num, channels, height, width = 1..4 (old files)   shape = 7 { dim }   data = 5, diff = 6 (float32)
double_data = 8, double_diff = 9 (float64): all four packed, one run of little-endian bytes, or one by one
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from minicaffe.blob import LEGACY, checked_shape, legacy_sizes, shape_text
from minicaffe.errors import ShapeError
from minicaffe.io.wire import FIXED32, FIXED64, LEN, Wire
from minicaffe.io.wire_arrays import DOUBLE, FLOAT, packed_values, unpacked_values
from minicaffe.io.wire_file import BLOB, open_message
from minicaffe.proto import caffe_pb2

DATA, DIFF, SHAPE, DOUBLE_DATA, DOUBLE_DIFF = 5, 6, 7, 8, 9
# dtype, and the wire type of a value that stands alone.
_VALUES: dict[int, tuple[np.dtype, int]] = {
    DATA: (FLOAT, FIXED32),
    DIFF: (FLOAT, FIXED32),
    DOUBLE_DATA: (DOUBLE, FIXED64),
    DOUBLE_DIFF: (DOUBLE, FIXED64),
}


@dataclass
class StoredBlob:
    """A blob as a file holds it.

    shape: as stored; four sizes where `legacy`, that is where num, channels, height and width stand in the file.
    data, diff: of that shape, float32 or float64, read-only views of the file's bytes where these lie in one run.
    """

    shape: tuple[int, ...]
    legacy: bool
    data: np.ndarray
    diff: np.ndarray | None = None

    def matches(self, shape: Sequence[int]) -> bool:
        """Whether it may be loaded into a blob of that shape.

        As blob.cpp, ShapeEquals: legacy sizes are compared right-aligned, 1 1 1 N with N and 1 1 M K with M K;
        a shape of the new kind has to be the same.
        """
        shape = tuple(shape)
        if not self.legacy:
            return shape == self.shape
        return legacy_sizes(shape) == self.shape


def read_binaryproto(path: str | os.PathLike[str]) -> StoredBlob:
    """The blob in a .binaryproto file: a mean image, or the matrix of an InfogainLoss.

    Raises FileError where the file cannot be read, FormatError where it holds no whole BlobProto.
    """
    wire = open_message(path, "BlobProto", BLOB, "give a .binaryproto file, as compute_image_mean writes it")
    return decode_blob(wire, 0, len(wire.buffer))


def read_blob(data: bytes | memoryview) -> StoredBlob:
    """The BlobProto that makes up `data`. Raises FormatError as decode_blob."""
    return decode_blob(Wire(data, message="BlobProto"), 0, len(data))


def decode_blob(wire: Wire, start: int, end: int) -> StoredBlob:
    """The BlobProto between two positions of a walked file.

    Raises FormatError where the bytes are no BlobProto, or its values do not fit its shape.
    """
    values, header = _parse(wire, start, end)
    legacy = any(header.HasField(name) for name in LEGACY)
    shape = tuple(getattr(header, name) for name in LEGACY) if legacy else tuple(header.shape.dim)
    _check_shape(wire, start, shape)
    # As blob.cpp, FromProto: double precision wins.
    data = values.get(DOUBLE_DATA, values.get(DATA, np.empty(0, FLOAT)))
    diff = values.get(DOUBLE_DIFF, values.get(DIFF))
    for name, array in (("data", data), ("diff", diff)):
        if array is not None and array.size != math.prod(shape):
            raise wire.error(start, f"a blob of shape {shape_text(shape)} has {array.size} values of {name}")
    return StoredBlob(shape, legacy, data.reshape(shape), None if diff is None else diff.reshape(shape))


def check_blob(wire: Wire, start: int, end: int) -> None:
    """Raise FormatError unless a BlobProto lies between two positions; its values need not fit its shape."""
    _parse(wire, start, end)


def _parse(wire: Wire, start: int, end: int) -> tuple[dict[int, np.ndarray], Any]:
    """The values of each field that has some, flat, and a BlobProto of all other fields."""
    values, rest = _split(wire, start, end)
    try:
        return values, caffe_pb2.BlobProto.FromString(rest)
    except DecodeError as error:
        raise wire.error(start, f"a blob's shape cannot be read ({error})") from error


def _check_shape(wire: Wire, start: int, shape: tuple[int, ...]) -> None:
    try:
        # Sizes of 0 left out: the others alone must not overflow either.
        checked_shape([size or 1 for size in shape])
    except ShapeError as error:
        raise wire.error(start, str(error)) from error


def _split(wire: Wire, start: int, end: int) -> tuple[dict[int, np.ndarray], bytes]:
    """The values of each field that has some, flat, and the bytes of all other fields."""
    runs: dict[int, list[np.ndarray]] = {}
    rest = []
    at = start
    while at < end:
        field = wire.field(at, end)
        at = field.end
        if field.number not in _VALUES:
            rest.append(wire.raw(field))
            continue
        dtype, lone = _VALUES[field.number]
        if field.wire_type == LEN:
            runs.setdefault(field.number, []).append(packed_values(wire, field, dtype))
        elif field.wire_type == lone:
            run, at = unpacked_values(wire, field, end, dtype)
            runs.setdefault(field.number, []).append(run)
    values = {number: arrays[0] if len(arrays) == 1 else np.concatenate(arrays) for number, arrays in runs.items()}
    return {number: array for number, array in values.items() if array.size}, b"".join(rest)
