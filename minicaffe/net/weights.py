"""Weights of a net: copied from a file, shared with another net, saved. As net.cpp, CopyTrainedLayersFrom, ToProto."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from minicaffe import log
from minicaffe.blob import DATA, DIFF, Blob, shape_text
from minicaffe.errors import MinicaffeError, ShapeError
from minicaffe.io.blobproto import StoredBlob
from minicaffe.io.caffemodel import read_caffemodel
from minicaffe.io.caffemodel_write import Written, write_caffemodel
from minicaffe.layers.base import Layer
from minicaffe.proto import caffe_pb2

if TYPE_CHECKING:
    from minicaffe.net.net import Net


def copy_from(net: Net, path: str | os.PathLike[str]) -> None:
    """Copy the blobs of every layer of a .caffemodel into the first layer of that name; others are logged.

    Nothing is copied unless everything fits: ShapeError for another number of blobs or another shape,
    FormatError or FileError for a file that cannot be read.
    """
    pairs: list[tuple[Blob, StoredBlob]] = []
    for source in read_caffemodel(path):
        layer = find_layer(net, source.name)
        if layer is None:
            log.info(f"Ignoring source layer {source.name}")
            continue
        check_number(layer, len(source.blobs), os.fspath(path))
        for index, (blob, stored) in enumerate(zip(layer.blobs, source.blobs, strict=True)):
            if not stored.matches(blob.shape):
                raise mismatch(layer, index, "copy", stored.shape, blob.shape, os.fspath(path))
            pairs.append((blob, stored))
    for blob, stored in pairs:
        load(blob, DATA, stored.data)
        if stored.diff is not None:
            load(blob, DIFF, stored.diff)


def load(blob: Blob, which: int, values: np.ndarray) -> None:
    """Stored values, of any dtype and right-aligned shape, into a blob's host array."""
    np.copyto(blob.host_array(which), values.reshape(blob.shape), casting="same_kind")


def share_trained_layers_with(net: Net, other: Net) -> None:
    """Let every layer use the data (not diff) of other's layer of the same name. Shapes must agree."""
    for source in other.layers:
        layer = find_layer(net, source.name)
        if layer is None:
            log.info(f"Ignoring source layer {source.name}")
            continue
        check_number(layer, len(source.blobs), "the other net")
        for index, (blob, shared) in enumerate(zip(layer.blobs, source.blobs, strict=True)):
            if blob.shape != shared.shape:
                raise mismatch(layer, index, "share", shared.shape, blob.shape, "the other net")
            blob.share_data(shared)


def save(net: Net, path: str | os.PathLike[str], *, write_diff: bool = False) -> Written:
    """Write the net with its weights, all or nothing. Returns size and SHA-256 of the file."""
    param = caffe_pb2.NetParameter(name=net.name)
    param.layer.extend(layer.layer_param for layer in net.layers)
    return write_caffemodel(path, param, [[values(blob, write_diff) for blob in layer.blobs] for layer in net.layers])


def values(blob: Blob, write_diff: bool) -> Any:
    data = blob.host_array(DATA)
    return (data, blob.host_array(DIFF)) if write_diff else data


def find_layer(net: Net, name: str) -> Layer | None:
    """The first layer of that name."""
    return next((layer for layer in net.layers if layer.name == name), None)


def check_number(layer: Layer, stored: int, source: str) -> None:
    if stored != len(layer.blobs):
        text = f"Incompatible number of blobs for layer {layer.name}: {source} has {stored}, the net {len(layer.blobs)}"
        raise layer.error(ShapeError, text)


def mismatch(layer: Layer, index: int, verb: str, stored: Any, shape: Any, source: str) -> MinicaffeError:
    text = (
        f"Cannot {verb} param {index} weights from layer '{layer.name}'; shape mismatch. "
        f"Source param shape is {shape_text(stored)} (in {source}); target param shape is {shape_text(shape)}. "
        "To learn this layer's parameters from scratch rather than copying from a saved net, rename the layer"
    )
    return layer.error(ShapeError, text)
