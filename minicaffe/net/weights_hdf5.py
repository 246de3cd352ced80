"""Weights of a net in HDF5. As net.cpp, ToHDF5 and CopyTrainedLayersFromHDF5."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from minicaffe import log
from minicaffe.blob import DATA, DIFF, Blob, shape_text
from minicaffe.errors import ParamError, ShapeError
from minicaffe.io.hashing import Written
from minicaffe.io.hdf5_weights import HDF5Layer, read_hdf5_weights, write_hdf5_weights
from minicaffe.layers.base import Layer

if TYPE_CHECKING:
    from minicaffe.net.net import Net

Path = str | os.PathLike[str]


def load_hdf5(net: Net, path: Path) -> None:
    """Copy the datasets of every layer group into the last layer of that name; others are logged.

    A blob that is shared in this net, and not its owner's, may be missing in the file. Gradients are not loaded.
    Nothing is copied unless everything fits: ShapeError for another number of blobs or another shape,
    FormatError or FileError for a file that cannot be read.
    """
    name = os.fspath(path)
    # The last layer of a name, where several bear it: so Caffe does here, unlike for binary files.
    by_name = {layer.name: layer for layer in net.graph.layers}
    owned = _owned(net)
    found: list[tuple[Blob, np.ndarray]] = []
    for source in read_hdf5_weights(path, by_name):
        if source.name in by_name:
            found += _pairs(by_name[source.name], source, owned, name)
        else:
            log.info(f"Ignoring source layer {source.name}")
    if not found and owned:
        log.warning(f"{name}: none of its layers has the name of a layer of this net; nothing was copied")
    for blob, values in found:
        blob.load(DATA, values)


def save_hdf5(net: Net, path: Path, *, write_diff: bool = False, hashed: bool = True) -> Written:
    """Write the net's weights, all or nothing. Returns the file's size and, if it is wanted, SHA-256."""
    _check_names(net, os.fspath(path))
    owned = _owned(net)
    data, diff = (
        {
            layer.name: {i: blob.host_array(which) for i, blob in enumerate(layer.blobs) if id(blob) in stored}
            for layer in net.graph.layers
        }
        for which, stored in ((DATA, owned), (DIFF, {id(blob) for layer in net.graph.layers for blob in layer.blobs}))
    )
    return write_hdf5_weights(path, data, diff if write_diff else None, hashed=hashed)


def _owned(net: Net) -> set[int]:
    """The blobs that are their own, by id: the others share the memory of one of them."""
    return {id(blob) for blob in net.learnable_params}


def _pairs(layer: Layer, source: HDF5Layer, owned: set[int], where: str) -> list[tuple[Blob, np.ndarray]]:
    text = f"Incompatible number of blobs for layer {layer.name}: {where} "
    if len(source.names) > len(layer.blobs):
        raise layer.error(ShapeError, f"{text}has {len(source.names)}, the net {len(layer.blobs)}")
    for index, blob in enumerate(layer.blobs):
        if index not in source.blobs and id(blob) in owned:
            raise layer.error(ShapeError, f"{text}has no blob {index}, the net has {len(layer.blobs)} blobs")
    for index, values in source.blobs.items():
        if values.shape != layer.blobs[index].shape:
            raise _mismatch(layer, index, values.shape, where)
    return [(layer.blobs[index], values) for index, values in source.blobs.items()]


def _mismatch(layer: Layer, index: int, stored: tuple[int, ...], where: str) -> ShapeError:
    text = (
        f"Cannot load blob from hdf5; shape mismatch. Source shape of blob {index} is {shape_text(stored)} "
        f"(in {where}); target shape is {shape_text(layer.blobs[index].shape)}. "
        "To learn this layer's parameters from scratch rather than copy them, rename the layer"
    )
    return layer.error(ShapeError, text)


def _check_names(net: Net, path: str) -> None:
    """Raises ParamError unless each layer's name can be that of a group of its own."""
    seen: set[str] = set()
    for layer in net.graph.layers:
        if not layer.name or layer.name == "." or set("/\0") & set(layer.name):
            text = "its name cannot be that of an HDF5 group"
        elif layer.name in seen:
            text = "another layer has the same name, and an HDF5 file holds one group of a name"
        else:
            seen.add(layer.name)
            continue
        raise layer.error(ParamError, f"Error saving weights to {path}: {text}; {_ADVICE}")


_ADVICE = "save as binary proto (Net.save, snapshot_format: BINARYPROTO), or rename the layer"
