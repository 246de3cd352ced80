"""Arrays to BlobProto and Datum messages and back, as pycaffe's scripts do it. Part of caffe.io."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from minicaffe.blob import LEGACY
from minicaffe.errors import FormatError
from minicaffe.io.array_checks import ArrayError, numeric_array
from minicaffe.io.blobproto import DATA, DIFF
from minicaffe.io.blobproto_write import EncodedBlob
from minicaffe.io.wire import LEN, Wire
from minicaffe.io.wire_arrays import FLOAT, packed_values
from minicaffe.proto import caffe_pb2


def blobproto_to_array(blob: Any, return_diff: bool = False) -> np.ndarray:
    """The data, or diff, of a BlobProto: float64, of the shape that the message says.

    Of num, channels, height and width where one of them is set, else of shape.dim; without either a single value makes
    an array without axes. double_data is not looked at.
    Raises ArrayError, a ValueError, where the values are not as many as the shape needs; TypeError for no message.
    """
    _check_message(blob, "BlobProto")
    values = _floats(blob, DIFF if return_diff else DATA)
    legacy = any(blob.HasField(name) for name in LEGACY)
    shape = tuple(getattr(blob, name) for name in LEGACY) if legacy else tuple(blob.shape.dim)
    if math.prod(shape) != values.size or min(shape, default=0) < 0:
        what = (
            f"{'diff' if return_diff else 'data'} has {values.size} values, its shape {shape} needs {math.prod(shape)}"
        )
        text = f"the BlobProto's {what}; set blob.shape.dim, or num, channels, height and width, to what is in it"
        raise ArrayError(text)
    return values.reshape(shape)


def _check_message(value: Any, name: str) -> None:
    if getattr(getattr(value, "DESCRIPTOR", None), "name", "") != name:
        what = f"a {type(value).__name__} is no {name}"
        raise TypeError(f"{what}; of the bytes that hold one make it by caffe_pb2.{name}.FromString(data)")


def _floats(blob: Any, number: int) -> np.ndarray:
    """The values of a packed field, float64. Protobuf's own list would make a Python number of each."""
    wire = Wire(blob.SerializeToString(), message="BlobProto")
    runs = [
        packed_values(wire, field, FLOAT)
        for field in wire.fields()
        if field.number == number and field.wire_type == LEN
    ]
    return np.concatenate([np.empty(0), *runs])


def array_to_blobproto(arr: np.ndarray, diff: np.ndarray | None = None) -> Any:
    """A BlobProto with the array's shape, its values as data, and those of `diff`, as many, as diff.

    Raises ArrayError where it is no array of numbers, or diff has another number of values.
    """
    data = _float32(arr, "arr")
    if diff is not None:
        diff = _float32(diff, "diff")
        if diff.size != data.size:
            raise ArrayError(f"diff has shape {diff.shape}, arr {data.shape}: they must have as many values")
        diff = diff.reshape(data.shape)
    return caffe_pb2.BlobProto.FromString(b"".join(EncodedBlob(data, diff).pieces()))


def _float32(array: Any, what: str) -> np.ndarray:
    # Beyond float32's range: infinite, as in the message.
    with np.errstate(over="ignore"):
        return numeric_array(array, what).astype(np.float32)


def arraylist_to_blobprotovector_str(arraylist: Iterable[np.ndarray]) -> bytes:
    """A serialized BlobProtoVector of arrays, each as array_to_blobproto makes it."""
    return caffe_pb2.BlobProtoVector(blobs=[array_to_blobproto(array) for array in arraylist]).SerializeToString()


# As pycaffe spells it.
arraylist_to_blobprotovecor_str = arraylist_to_blobprotovector_str


def blobprotovector_str_to_arraylist(str: bytes) -> list[np.ndarray]:
    """The arrays in a serialized BlobProtoVector. Raises FormatError for other bytes, else as blobproto_to_array."""
    try:
        vector = caffe_pb2.BlobProtoVector.FromString(str)
    except DecodeError as error:
        raise FormatError(f"the bytes are no BlobProtoVector: {error}") from error
    return [blobproto_to_array(blob) for blob in vector.blobs]


def array_to_datum(arr: np.ndarray, label: int | None = None) -> Any:
    """A Datum of an array (C, H, W): uint8 as data, any other numbers as float_data.

    label: left out of the message where None.
    Raises ArrayError, a ValueError, where there are not three axes.
    """
    array = numeric_array(arr, "arr")
    if array.ndim != 3:
        text = f"Incorrect array shape. A Datum holds C x H x W, the array has shape {array.shape}"
        raise ArrayError(f"{text}; a grey image is arr[numpy.newaxis]" if array.ndim == 2 else text)
    channels, height, width = array.shape
    datum = caffe_pb2.Datum(channels=channels, height=height, width=width)
    if array.dtype == np.uint8:
        datum.data = array.tobytes()
    else:
        datum.float_data.extend(_float32(array, "arr").ravel().tolist())
    if label is not None:
        datum.label = label
    return datum


def datum_to_array(datum: Any) -> np.ndarray:
    """The values of a Datum, (C, H, W): uint8 of its data, or float64 of its float_data where data is empty.

    An image file inside (encoded) is not decoded.
    Raises ArrayError, a ValueError, where the values are not as many as the sizes need; TypeError for no message.
    """
    _check_message(datum, "Datum")
    shape = (datum.channels, datum.height, datum.width)
    values = np.frombuffer(datum.data, np.uint8) if datum.data else np.fromiter(datum.float_data, np.float64)
    if math.prod(shape) != values.size or min(shape) < 0:
        raise ArrayError(_misfit(datum, shape, values.size))
    return values.reshape(shape).copy()


def _misfit(datum: Any, shape: Sequence[int], count: int) -> str:
    if datum.encoded:
        return "the Datum holds an image file (encoded), which is not decoded; give datum.data to an image reader"
    unit = "bytes of data" if datum.data else "values of float_data"
    sizes = " x ".join(map(str, shape))
    return f"the Datum has {count} {unit}, its {sizes} (channels x height x width) need {math.prod(shape)}"
