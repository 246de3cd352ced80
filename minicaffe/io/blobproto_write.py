"""Writing BlobProto, piece by piece and without making Python floats. The message itself: see blobproto."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import IO, Any

import numpy as np

from minicaffe.blob import LEGACY, legacy_sizes
from minicaffe.errors import ParamError
from minicaffe.io.atomic import atomic_write
from minicaffe.io.blobproto import DATA, DIFF, DOUBLE_DATA, DOUBLE_DIFF, SHAPE
from minicaffe.io.wire import encode_varint, len_field, len_header, varint_field
from minicaffe.io.wire_arrays import DOUBLE, FLOAT

_PIECE = 1 << 18  # values


class EncodedBlob:
    """A BlobProto about to be written: its size in bytes, which the message around it states first, then its bytes.

    data, diff: both float32 or both float64; any memory order: the values are stored in C order.
    legacy: num, channels, height and width instead of shape, filled up with 1 from the left; at most 4 axes.
    """

    def __init__(self, data: np.ndarray, diff: np.ndarray | None = None, legacy: bool = False) -> None:
        self._dtype = DOUBLE if data.dtype.newbyteorder("<") == DOUBLE else FLOAT
        numbers = (DOUBLE_DATA, DOUBLE_DIFF) if self._dtype == DOUBLE else (DATA, DIFF)
        fields: dict[int, list[bytes | np.ndarray]] = {}
        for number, array in zip(numbers, (data, diff), strict=True):
            # No values, no field: as protobuf writes an empty list.
            if array is not None and self._checked(array, data.shape).size:
                fields[number] = [len_header(number, array.size * self._dtype.itemsize), array]
        fields[1 if legacy else SHAPE] = [_legacy_sizes(data.shape) if legacy else _shape(data.shape)]
        # In the order of their numbers, as protobuf does, so that the bytes are those that Caffe writes.
        self._parts = [part for number in sorted(fields) for part in fields[number]]
        self.size = sum(len(part) if isinstance(part, bytes) else part.nbytes for part in self._parts)

    def pieces(self) -> Iterator[bytes | memoryview]:
        """The bytes. A large array in C order comes as one view of itself: use it before the array changes."""
        for part in self._parts:
            if isinstance(part, bytes):
                yield part
            else:
                yield from _in_c_order(part, self._dtype)

    def _checked(self, array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        if array.dtype.newbyteorder("<") != self._dtype or array.shape != shape:
            raise ParamError(
                f"values of {array.dtype}, shape {array.shape}, cannot be stored in a blob of {self._dtype}, "
                f"shape {shape}; give data and diff alike, as float32 or float64"
            )
        return array


class RawBlob:
    """A BlobProto as it stood in another file, to be written byte for byte."""

    def __init__(self, data: memoryview) -> None:
        self._data, self.size = data, len(data)

    def pieces(self) -> Iterator[bytes | memoryview]:
        yield self._data


def write_binaryproto(target: str | os.PathLike[str] | IO[bytes], data: np.ndarray, legacy: bool = True) -> None:
    """Write one blob to a file of its own, by default with the four legacy sizes, as compute_image_mean does.

    A file given by its path appears whole or not at all.
    """
    pieces = EncodedBlob(data, legacy=legacy).pieces()
    if not isinstance(target, (str, os.PathLike)):
        target.writelines(pieces)
        return
    with atomic_write(target) as file:
        file.writelines(pieces)


def _legacy_sizes(shape: tuple[int, ...]) -> bytes:
    if len(shape) > len(LEGACY):
        raise ParamError(f"a blob of {len(shape)} axes has no legacy shape, which has 4; store it with `shape`")
    sizes = legacy_sizes(shape)
    return b"".join(varint_field(number, size) for number, size in enumerate(sizes, start=1))


def _shape(shape: tuple[int, ...]) -> bytes:
    # As blob.cpp, ToProto: a scalar is stored without a shape.
    dims = b"".join(encode_varint(size) for size in shape)
    return len_field(SHAPE, len_field(1, dims)) if shape else b""


def _in_c_order(array: np.ndarray, dtype: np.dtype) -> Iterator[bytes | memoryview]:
    if array.flags.c_contiguous and array.dtype == dtype:
        yield array.reshape(-1).view(np.uint8).data
        return
    # A copy of the whole would double the memory that a snapshot takes.
    pieces: Any = np.nditer(
        array, ["external_loop", "buffered"], op_dtypes=dtype, casting="equiv", order="C", buffersize=_PIECE
    )
    for piece in pieces:
        yield piece.tobytes()
