"""Weights of a net: copied from a file, shared with another net, saved. As net.cpp, CopyTrainedLayersFrom, ToProto."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from minicaffe import log
from minicaffe.blob import DATA, DIFF, Blob, shape_text
from minicaffe.errors import DeviceError, ShapeError
from minicaffe.io.blobproto import StoredBlob
from minicaffe.io.caffemodel import read_caffemodel
from minicaffe.io.caffemodel_write import Written, write_caffemodel
from minicaffe.io.wire_file import is_hdf5
from minicaffe.layers.base import Layer
from minicaffe.net.weights_hdf5 import load_hdf5
from minicaffe.proto import caffe_pb2

if TYPE_CHECKING:
    from minicaffe.net.net import Net


def copy_from(net: Net, path: str | os.PathLike[str]) -> None:
    """Copy the blobs of every layer of a file into the first layer of that name; others are logged.

    A file whose content is HDF5, whatever its name, is read as load_hdf5 does.

    Nothing is copied unless everything fits: ShapeError for another number of blobs or another shape,
    FormatError or FileError for a file that cannot be read.
    """
    name = os.fspath(path)
    if is_hdf5(path):
        return load_hdf5(net, path)
    found = pairs(net, read_caffemodel(path), "copy", name)
    if not found and any(layer.blobs for layer in net.graph.layers):
        log.warning(f"{name}: none of its layers has the name of a layer of this net; nothing was copied")
    for blob, stored in found:
        # Old shapes have more axes, and any file may be in double precision.
        blob.load(DATA, stored.data.reshape(blob.shape))
        if stored.diff is not None:
            blob.load(DIFF, stored.diff.reshape(blob.shape))


def pairs(net: Net, sources: Iterable[Any], verb: str, where: str) -> list[tuple[Blob, Any]]:
    """(a layer's blob, the source's blob) for all layers that both have, once all of them fit.

    sources: objects with a name and blobs: layers of a file, or of another net.
    """
    # The first layer of a name, where several bear it.
    by_name = {layer.name: layer for layer in reversed(net.graph.layers)}
    found: list[tuple[Blob, Any]] = []
    for source in sources:
        layer = by_name.get(source.name)
        if layer is None:
            log.info(f"Ignoring source layer {source.name}")
            continue
        check_number(layer, len(source.blobs), where)
        for index, (blob, other) in enumerate(zip(layer.blobs, source.blobs, strict=True)):
            if not (other.matches(blob.shape) if isinstance(other, StoredBlob) else other.shape == blob.shape):
                raise mismatch(layer, index, verb, other.shape, blob.shape, where)
            found.append((blob, other))
    return found


def share_trained_layers_with(net: Net, other: Net) -> None:
    """Let every layer use the data (not diff) of other's layer of the same name.

    Nothing is shared unless everything fits: ShapeError as for copy_from, DeviceError for a net elsewhere.
    """
    if (net.backend, net.dtype) != (other.backend, other.dtype):
        ours, theirs = (f"{n.dtype} on {n.backend.name}" for n in (net, other))
        raise DeviceError(f"nets share memory on one device, in one precision: one is {ours}, the other {theirs}")
    for blob, shared in pairs(net, other.graph.layers, "share", "the other net"):
        blob.share_data(shared)


def save(net: Net, path: str | os.PathLike[str], *, write_diff: bool = False, hashed: bool = True) -> Written:
    """Write the net with its weights, all or nothing. Returns the file's size and, if it is wanted, SHA-256."""
    param = caffe_pb2.NetParameter(name=net.name)
    param.layer.extend(layer.layer_param for layer in net.graph.layers)
    blobs = [[values(blob, write_diff) for blob in layer.blobs] for layer in net.graph.layers]
    return write_caffemodel(path, param, blobs, hashed=hashed)


def values(blob: Blob, write_diff: bool) -> Any:
    data = blob.host_array(DATA)
    return (data, blob.host_array(DIFF)) if write_diff else data


def check_number(layer: Layer, stored: int, source: str) -> None:
    if stored != len(layer.blobs):
        text = f"Incompatible number of blobs for layer {layer.name}: {source} has {stored}, the net {len(layer.blobs)}"
        raise layer.error(ShapeError, text)


def mismatch(layer: Layer, index: int, verb: str, stored: Any, shape: Any, source: str) -> ShapeError:
    text = (
        f"Cannot {verb} param {index} weights from layer '{layer.name}'; shape mismatch. "
        f"Source param shape is {shape_text(stored)} (in {source}); target param shape is {shape_text(shape)}. "
        f"To learn this layer's parameters from scratch rather than {verb} them, rename the layer"
    )
    return layer.error(ShapeError, text)
