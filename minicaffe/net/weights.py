"""Weights of a net: copied from a file, shared with another net, saved. As net.cpp, CopyTrainedLayersFrom, ToProto."""

from __future__ import annotations

import os
from typing import Any

from minicaffe.blob import DATA, DIFF, Blob, shape_text
from minicaffe.errors import DeviceError, FileError, reason_of
from minicaffe.io.blobproto import StoredBlob
from minicaffe.io.caffemodel import read_caffemodel
from minicaffe.io.caffemodel_write import Written, write_caffemodel
from minicaffe.io.wire_file import is_hdf5
from minicaffe.layers.base import Layer
from minicaffe.net.graph import Graph
from minicaffe.net.weights_hdf5 import load_hdf5
from minicaffe.net.weights_match import ERROR, Matching, Pairs, check_choice
from minicaffe.net.weights_table import WeightsTable
from minicaffe.proto import caffe_pb2

Path = str | os.PathLike[str]


def copy_from(graph: Graph, path: Path, mismatched: str = ERROR) -> WeightsTable:
    """Copy the blobs of every layer of a file into the first layer of that name; others are logged.

    A file whose content is HDF5, whatever its name, is read as load_hdf5 does.
    mismatched: what to do where a layer's blobs are others than the file's, in shape or number: "error", or "skip" to
    leave such layers as they are.

    Nothing is copied where an error is raised: WeightsMismatchError (a ShapeError) for blobs that do not fit,
    FormatError or FileError for a file that cannot be read.
    """
    check_choice(mismatched)
    where = os.fsdecode(path)
    if is_hdf5(path):
        return load_hdf5(graph, path, mismatched)
    matching = Matching(first_of_name(graph), where, lambda layer, source: fit(layer, source, "copy", where))
    for source in read_caffemodel(path):
        matching.add(source, [blob.shape for blob in source.blobs])
    table = matching.finish(graph, mismatched)
    for blob, stored in matching.pairs:
        # Old shapes have more axes, and any file may be in double precision.
        blob.load(DATA, stored.data.reshape(blob.shape))
        if stored.diff is not None:
            blob.load(DIFF, stored.diff.reshape(blob.shape))
    return table


def first_of_name(graph: Graph) -> dict[str, Layer]:
    """The layers by name; where several bear one, it stands for the first."""
    return {layer.name: layer for layer in reversed(graph.layers)}


def fit(layer: Layer, source: Any, verb: str, where: str) -> Pairs | str:
    """(a layer's blob, the source's blob) for all of them, or in Caffe's words what does not fit.

    source: with blobs: a layer of a file, or of another net.
    """
    if len(source.blobs) != len(layer.blobs):
        text = f"Incompatible number of blobs for layer {layer.name}: {where} has {len(source.blobs)}, the net"
        return f"{text} {len(layer.blobs)}"
    for index, (blob, other) in enumerate(zip(layer.blobs, source.blobs, strict=True)):
        if not (other.matches(blob.shape) if isinstance(other, StoredBlob) else other.shape == blob.shape):
            text = f"Cannot {verb} param {index} weights from layer '{layer.name}'; shape mismatch. Source param shape"
            return f"{text} is {shape_text(other.shape)} (in {where}); target param shape is {shape_text(blob.shape)}"
    return list(zip(layer.blobs, source.blobs, strict=True))


def check_file(path: Path) -> None:
    """Raises FileError, in the words of pycaffe, for a file that cannot be read; TypeError for no file name."""
    try:
        os.stat(os.fspath(path))
    except OSError as error:
        fault = FileError(f"Could not open file {os.fspath(path)}: {reason_of(error)}; check the path")
        fault.file = os.fspath(path)
        raise fault from error


def share_trained_layers_with(graph: Graph, other: Graph) -> None:
    """Let every layer use the data (not diff) of other's layer of the same name.

    Nothing is shared unless everything fits: ShapeError as for copy_from, DeviceError for a net elsewhere.
    """
    ours, theirs = (f"{context.dtype} on {context.backend.name}" for context in (graph.context, other.context))
    if ours != theirs:
        raise DeviceError(f"nets share memory on one device, in one precision: one is {ours}, the other {theirs}")
    where = "the other net"
    matching = Matching(first_of_name(graph), where, lambda layer, source: fit(layer, source, "share", where))
    for source in other.layers:
        matching.add(source, [blob.shape for blob in source.blobs])
    matching.check("To learn this layer's parameters from scratch rather than share them, rename the layer")
    for blob, shared in matching.pairs:
        blob.share_data(shared)


def save(graph: Graph, path: Path, *, write_diff: bool = False, hashed: bool = True) -> Written:
    """Write the net with its weights, all or nothing. Returns the file's size and, if it is wanted, SHA-256."""
    param = caffe_pb2.NetParameter(name=graph.name)
    param.layer.extend(layer.layer_param for layer in graph.layers)
    blobs = [[values(blob, write_diff) for blob in layer.blobs] for layer in graph.layers]
    return write_caffemodel(path, param, blobs, hashed=hashed)


def values(blob: Blob, write_diff: bool) -> Any:
    data = blob.host_array(DATA)
    return (data, blob.host_array(DIFF)) if write_diff else data
