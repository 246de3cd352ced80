"""Weights of a net in HDF5. As net.cpp, ToHDF5 and CopyTrainedLayersFromHDF5."""

from __future__ import annotations

import os

from minicaffe.blob import DATA, DIFF, shape_text
from minicaffe.errors import ParamError
from minicaffe.io.hashing import Written
from minicaffe.io.hdf5_weights import HDF5Layer, read_hdf5_weights, write_hdf5_weights
from minicaffe.layers.base import Layer
from minicaffe.net.graph import Graph
from minicaffe.net.weights_match import ERROR, Matching, Pairs, check_choice
from minicaffe.net.weights_table import WeightsTable

Path = str | os.PathLike[str]


def load_hdf5(graph: Graph, path: Path, mismatched: str = ERROR) -> WeightsTable:
    """Copy the datasets of every layer group into the last layer of that name; others are logged.

    A blob that is shared in this net, and not its owner's, may be missing in the file. Gradients are not loaded.
    mismatched: what to do where a layer's blobs are others than the file's, in shape or number: "error", or "skip" to
    leave such layers as they are.

    Nothing is copied where an error is raised: WeightsMismatchError (a ShapeError) for blobs that do not fit,
    FormatError or FileError for a file that cannot be read.
    """
    check_choice(mismatched)
    where, owned = os.fsdecode(path), _owned(graph)
    # The last layer of a name, where several bear it: so Caffe does here, unlike for binary files.
    by_name = {layer.name: layer for layer in graph.layers}
    matching = Matching(by_name, where, lambda layer, source: _fit(layer, source, owned, where))
    for source in read_hdf5_weights(path, by_name):
        matching.add(source, source.shapes or [values.shape for values in source.blobs.values()])
    table = matching.finish(graph, mismatched)
    for blob, values in matching.pairs:
        blob.load(DATA, values)
    return table


def save_hdf5(graph: Graph, path: Path, *, write_diff: bool = False, hashed: bool = True) -> Written:
    """Write the net's weights, all or nothing. Returns the file's size and, if it is wanted, SHA-256."""
    _check_names(graph, os.fspath(path))
    owned = _owned(graph)
    data, diff = (
        {
            layer.name: {i: blob.host_array(which) for i, blob in enumerate(layer.blobs) if id(blob) in stored}
            for layer in graph.layers
        }
        for which, stored in ((DATA, owned), (DIFF, {id(blob) for layer in graph.layers for blob in layer.blobs}))
    )
    return write_hdf5_weights(path, data, diff if write_diff else None, hashed=hashed)


def _owned(graph: Graph) -> set[int]:
    """The blobs that are their own, by id: the others share the memory of one of them."""
    return {id(parameter.blob) for parameter in graph.parameters.learnable}


def _fit(layer: Layer, source: HDF5Layer, owned: set[int], where: str) -> Pairs | str:
    """(a layer's blob, its values) for all that the file has, or in Caffe's words what does not fit."""
    text = f"Incompatible number of blobs for layer {layer.name}: {where} "
    if len(source.names) > len(layer.blobs):
        return f"{text}has {len(source.names)}, the net {len(layer.blobs)}"
    for index, blob in enumerate(layer.blobs):
        if index not in source.blobs and id(blob) in owned:
            return f"{text}has no blob {index}, the net has {len(layer.blobs)} blobs"
    for index, values in source.blobs.items():
        if values.shape != layer.blobs[index].shape:
            text = f"Cannot load blob from hdf5; shape mismatch. Source shape of blob {index} is"
            target = shape_text(layer.blobs[index].shape)
            return f"{text} {shape_text(values.shape)} (in {where}); target shape is {target}"
    return [(layer.blobs[index], values) for index, values in source.blobs.items()]


def _check_names(graph: Graph, path: str) -> None:
    """Raises ParamError unless each layer's name can be that of a group of its own."""
    seen: set[str] = set()
    for layer in graph.layers:
        if not layer.name or layer.name == "." or set("/\0") & set(layer.name):
            text = "its name cannot be that of an HDF5 group"
        elif layer.name in seen:
            text = "another layer has the same name, and an HDF5 file holds one group of a name"
        else:
            seen.add(layer.name)
            continue
        raise layer.error(ParamError, f"Error saving weights to {path}: {text}; {_ADVICE}")


_ADVICE = "save as binary proto (Net.save, snapshot_format: BINARYPROTO), or rename the layer"
