"""Datum, the message that databases hold: one image or feature vector, and its label.

channels, height, width = 1, 2, 3   data = 4: pixels in C, H, W order, or an image file where encoded = 7 is true
label = 5                           float_data = 6: float32 in C, H, W order, used where data is empty

Records of one database look alike: what stands in front of the pixels is the same in all, what stands behind them is
the label. So a batch of raw pixels is read by comparing, with one copy, and only what differs is walked field by field.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from minicaffe.errors import DataError, FormatError
from minicaffe.io.decode import decode_image
from minicaffe.io.wire import FIXED32, LEN, VARINT, Field, Wire
from minicaffe.io.wire_arrays import FLOAT, packed_values, unpacked_values
from minicaffe.proto import caffe_pb2

CHANNELS, HEIGHT, WIDTH, DATA, LABEL, FLOAT_DATA, ENCODED = range(1, 8)
_SIZES = {CHANNELS: "channels", HEIGHT: "height", WIDTH: "width"}
# Differing ends of records to remember; they hold the label alone.
_TAILS = 4096


def sizes_text(shape: Sequence[int]) -> str:
    """As in "3 x 32 x 24"."""
    return " x ".join(map(str, shape))


@dataclass
class DatumBatch:
    """Records as arrays.

    items: uint8 or float32 of shape (N, C, H, W); a list of (C, H, W) where they are not all alike.
    labels: int32 of shape (N,).  encoded: whether image files were among them.
    """

    items: np.ndarray | list[np.ndarray]
    labels: np.ndarray
    encoded: bool = False


def decode_batch(
    values: Sequence[bytes], keys: Sequence[bytes] = (), path: str = "", color: bool | None = None
) -> DatumBatch:
    """The arrays of serialized Datums.

    keys, path: of the records and their database, to name in errors.
    color: True, False: image files as 3 channels, as 1 (force_color, force_gray); None: as many as they have. BGR.
    Raises FormatError for bytes that are no Datum, DataError for a Datum whose bytes do not match its shape.
    """
    plain = _decode_alike(values)
    if plain:
        return plain
    names = [repr(key) for key in keys] or [f"number {i}" for i in range(len(values))]
    parsed = [_Datum(value, path, name) for value, name in zip(values, names, strict=True)]
    items = [datum.array(color) for datum in parsed]
    alike = len({(item.shape, item.dtype) for item in items}) == 1
    labels = np.array([datum.label for datum in parsed], np.int32)
    return DatumBatch(np.stack(items) if alike else items, labels, any(datum.encoded for datum in parsed))


def make_datum(array: np.ndarray, label: int | None = None, encoded: bool | None = None) -> bytes:
    """A serialized Datum of an array (C, H, W): uint8 as data, float as float_data.

    label, encoded: the fields, left out where None; convert_imageset says of raw pixels that they are not encoded.
    """
    array = np.asarray(array)
    if array.ndim != 3 or array.dtype.kind not in "uf" or (array.dtype.kind == "u" and array.dtype != np.uint8):
        raise DataError(f"a Datum holds uint8 or float of shape (C, H, W), got {array.dtype} of shape {array.shape}")
    channels, height, width = array.shape
    datum = caffe_pb2.Datum(channels=channels, height=height, width=width, label=label, encoded=encoded)
    if array.dtype == np.uint8:
        datum.data = array.tobytes()
    else:
        datum.float_data.extend(array.ravel().tolist())
    return datum.SerializeToString()


def make_encoded_datum(data: bytes, label: int | None = None) -> bytes:
    """A serialized Datum of an image file's bytes. Its sizes are in the file, and nowhere else."""
    return caffe_pb2.Datum(data=data, label=label, encoded=True).SerializeToString()


def _decode_alike(values: Sequence[bytes]) -> DatumBatch | None:
    """Raw pixels of records that differ in nothing else but the label; None where there is more to it."""
    head = _plain_head(values[0]) if values else None
    if head is None:
        return None
    shape, start, end = head
    front = values[0][:start]
    labels = [_tail_label(value[end:]) if value.startswith(front) else None for value in values]
    if None in labels:
        return None
    pixels = b"".join([memoryview(value)[start:end] for value in values])
    # A record that was cut short has no tail, and too few pixels.
    if len(pixels) < len(values) * (end - start):
        return None
    items = np.frombuffer(pixels, np.uint8).reshape(len(values), *shape)
    return DatumBatch(items, np.array(labels, np.int32))


def _plain_head(value: bytes) -> tuple[tuple[int, ...], int, int] | None:
    """Shape, begin and end of the pixels where the fields before them are the sizes and nothing else."""
    wire, sizes = Wire(value), [0, 0, 0]
    try:
        for field in wire.fields():
            if field.number in _SIZES and field.wire_type == VARINT:
                sizes[field.number - 1] = _int32(wire, field)
            elif field.number == DATA and field.wire_type == LEN:
                whole = min(sizes) > 0 and math.prod(sizes) == field.end - field.body
                return (tuple(sizes), field.body, field.end) if whole else None
            else:
                return None
    except FormatError:
        pass
    return None


@lru_cache(maxsize=_TAILS)
def _tail_label(tail: bytes) -> int | None:
    """The label in what stands behind the pixels; None where there is more than a label."""
    wire, label = Wire(tail), 0
    try:
        for field in wire.fields():
            if field.wire_type != VARINT or field.number not in (LABEL, ENCODED):
                return None
            value = _int32(wire, field)
            if field.number == LABEL:
                label = value
            elif value:
                return None
    except FormatError:
        return None
    return label


def _int32(wire: Wire, field: Field) -> int:
    """The value of an int32 field, which travels as 64 bits."""
    value, _ = wire.varint(field.body, field.end)
    return (value & 0xFFFFFFFF ^ 0x80000000) - 0x80000000


class _Datum:
    """One record, walked field by field; of a field that is there twice the last counts, as in protobuf."""

    def __init__(self, value: bytes, path: str, name: str) -> None:
        self._path, self._name = path, name
        self._numbers = {CHANNELS: 0, HEIGHT: 0, WIDTH: 0, LABEL: 0, ENCODED: 0}
        self._data = memoryview(b"")
        self._floats: list[np.ndarray] = []
        self._walk(Wire(value, file=path, message=f"the Datum of record {name}"))
        self.label, self.encoded = self._numbers[LABEL], bool(self._numbers[ENCODED])

    def array(self, color: bool | None) -> np.ndarray:
        """The image, (C, H, W)."""
        if self.encoded:
            return decode_image(self._data, color, self._path, f"record {self._name}")
        shape = tuple(self._numbers[number] for number in _SIZES)
        for size, name in zip(shape, _SIZES.values(), strict=True):
            if size < 1:
                raise self._wrong(f"has {name} {size}, must be 1 or more")
        if len(self._data):
            flat, unit = np.frombuffer(self._data, np.uint8), "bytes of data"
        else:
            flat, unit = (
                np.concatenate([np.empty(0, np.float32), *self._floats], dtype=np.float32),
                "values of float_data",
            )
        if flat.size != math.prod(shape):
            raise self._wrong(f"has {flat.size} {unit}, its {sizes_text(shape)} (C x H x W) need {math.prod(shape)}")
        return flat.reshape(shape)

    def _walk(self, wire: Wire) -> None:
        at, end = 0, len(wire.buffer)
        while at < end:
            field = wire.field(at, end)
            at = field.end
            if field.wire_type == VARINT and field.number in self._numbers:
                self._numbers[field.number] = _int32(wire, field)
            elif field.number == DATA and field.wire_type == LEN:
                self._data = wire.body(field)
            elif field.number == FLOAT_DATA and field.wire_type == LEN:
                self._floats.append(packed_values(wire, field, FLOAT))
            elif field.number == FLOAT_DATA and field.wire_type == FIXED32:
                # One by one, as Caffe writes them.
                run, at = unpacked_values(wire, field, end, FLOAT)
                self._floats.append(run)

    def _wrong(self, what: str) -> DataError:
        return DataError(f"record {self._name} {what}; create the database again", file=self._path)
