"""Writing weights in binary form, byte for byte as Caffe does, without a second copy of them. See caffemodel."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any

import numpy as np

from minicaffe.errors import ParamError
from minicaffe.io.atomic import atomic_write
from minicaffe.io.blobproto_write import EncodedBlob, RawBlob
from minicaffe.io.hashing import Hashing, Written
from minicaffe.io.wire import Wire, len_header
from minicaffe.io.wire_file import MAX_BYTES
from minicaffe.proto import caffe_pb2

# The values of a blob, or its values and its gradient, or the bytes of a BlobProto.
Values = np.ndarray | tuple[np.ndarray, np.ndarray] | memoryview
_LAYER, _BLOBS = 100, 7


def write_caffemodel(
    target: str | os.PathLike[str] | IO[bytes], net: Any, blobs: Sequence[Sequence[Values]], *, hashed: bool = True
) -> Written:
    """Write a NetParameter and the blobs of its layers; a file given by its path appears whole or not at all.

    net: in today's form; blobs inside its messages are not written.
    blobs: for each of net.layer its arrays, float32 or float64, in any memory order; (data, diff) for both; a
    memoryview of a BlobProto's bytes to write these as they are.
    hashed: whether the SHA-256 is wanted, which takes longer than the writing.
    Raises FileError where the system refuses to write, ParamError where the net does not fit a binary file.
    """
    layers = list(_encode(net, blobs))
    size = sum(layer.size for layer in layers)
    if size > MAX_BYTES:
        raise ParamError(f"weights of {size} bytes do not fit a binary file, which ends at {MAX_BYTES}; save as HDF5")
    if not hashed:
        _write(target, layers)
        return Written(size)
    with Hashing(_pieces(layers)) as hashing:
        _write(target, layers)
    return hashing.result()


def _write(target: str | os.PathLike[str] | IO[bytes], layers: Sequence[_Part]) -> None:
    if isinstance(target, (str, os.PathLike)):
        # Hashing goes on while the system brings the file to the disk.
        with atomic_write(target) as file:
            file.writelines(_pieces(layers))
    else:
        target.writelines(_pieces(layers))


def _pieces(layers: Iterable[_Part]) -> Iterator[bytes | memoryview]:
    return (piece for layer in layers for piece in layer.pieces())


class _Part:
    """A stretch of the file: bytes, blobs in the middle, bytes."""

    def __init__(self, before: bytes, blobs: Sequence[EncodedBlob | RawBlob] = (), after: bytes = b"") -> None:
        self.before, self.blobs, self.after = before, blobs, after
        self.size = len(before) + sum(len(len_header(_BLOBS, blob.size)) + blob.size for blob in blobs) + len(after)

    def pieces(self) -> Iterator[bytes | memoryview]:
        yield self.before
        for blob in self.blobs:
            yield len_header(_BLOBS, blob.size)
            yield from blob.pieces()
        yield self.after


def _encode(net: Any, blobs: Sequence[Sequence[Values]]) -> Iterator[_Part]:
    if net.layers or len(blobs) != len(net.layer):
        raise ParamError(
            f"a net of {len(net.layers)} old and {len(net.layer)} new layers cannot be written with blobs for "
            f"{len(blobs)}; upgrade the net, and give a list for each layer"
        )
    head = caffe_pb2.NetParameter()
    head.CopyFrom(net)
    head.ClearField("layer")
    yield _Part(head.SerializeToString())
    for layer, values in zip(net.layer, blobs, strict=True):
        part = _encode_layer(layer, values)
        yield _Part(len_header(_LAYER, part.size))
        yield part


def _encode_layer(layer: Any, values: Sequence[Values]) -> _Part:
    """A layer with its blobs where protobuf would put them: fields lie in the order of their numbers."""
    bare = caffe_pb2.LayerParameter()
    bare.CopyFrom(layer)
    bare.ClearField("blobs")
    data = bare.SerializeToString()
    cut = next((field.start for field in Wire(data).fields() if field.number > _BLOBS), len(data))
    return _Part(data[:cut], [_encode_blob(blob) for blob in values], data[cut:])


def _encode_blob(blob: Values) -> EncodedBlob | RawBlob:
    if isinstance(blob, memoryview):
        return RawBlob(blob)
    return EncodedBlob(*blob) if isinstance(blob, tuple) else EncodedBlob(blob)
