"""Weights in HDF5, in Caffe's layout: a group for each layer, a dataset for each of its blobs.

    data/<layer>/0, 1, ...    float32, or float64 from a net of that precision; no blobs that are an earlier one's
    diff/<layer>/0, 1, ...    gradients, where they were asked for, of sharers too

As net.cpp, ToHDF5, and hdf5.cpp.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minicaffe.errors import FormatError
from minicaffe.io.hashing import Written
from minicaffe.io.hdf5 import opened_hdf5
from minicaffe.io.hdf5_tree import array_in, dataset_in, group_in, names_in
from minicaffe.io.hdf5_write import write_hdf5
from minicaffe.io.wire import Wire
from minicaffe.io.wire_file import found_instead, is_hdf5, read_file

_ADVICE = "give a .caffemodel.h5, as save_hdf5 or a snapshot in HDF5 writes it"

Path = str | os.PathLike[str]
# The arrays of each layer, by the layer's name and their place in it.
Tree = Mapping[str, Mapping[int, np.ndarray]]


@dataclass
class HDF5Layer:
    """A layer as a file holds it.

    names: of all that is in its group.  blobs: those of the names 0, 1, ..., if the layer was wanted.
    shapes: of the datasets in its group, if it was not wanted; none where it is no group of datasets.
    """

    name: str
    names: list[str]
    blobs: dict[int, np.ndarray] = field(default_factory=dict)
    shapes: list[tuple[int, ...]] = field(default_factory=list)


def read_hdf5_weights(path: Path, wanted: Container[str]) -> list[HDF5Layer]:
    """The layers in an HDF5 weight file, in the order of their names; values of those whose name is wanted.

    Raises FileError, `Couldn't open <path>`, where there is none, FormatError where it holds no weights.
    """
    if not is_hdf5(path):
        raise FormatError(f"{_found(path)}, must hold weights in HDF5; {_ADVICE}", file=os.fspath(path))
    with opened_hdf5(path) as file:
        names = names_in(file)
        if "data" not in names:
            found = "is an HDF5 solver state" if "history" in names else 'is HDF5 without a group "data"'
            raise FormatError(f"{found}, must hold weights; {_ADVICE}")
        data = group_in(file, "data")
        return [_layer(data, name, name in wanted) for name in names_in(data)]


def _layer(data: Any, name: str, wanted: bool) -> HDF5Layer:
    if not wanted:
        return HDF5Layer(name, [], shapes=_unread_shapes(data, name))
    group = group_in(data, name)
    layer = HDF5Layer(name, names_in(group))
    # No more than there are: the names could be those of anything.
    for i in range(len(layer.names)):
        if str(i) in layer.names:
            layer.blobs[i] = array_in(group, str(i))
    return layer


def _unread_shapes(data: Any, name: str) -> list[tuple[int, ...]]:
    # It may be anything, and damaged: nobody asked for it.
    with contextlib.suppress(FormatError, OSError, RuntimeError, ValueError, KeyError):
        group = group_in(data, name)
        return [dataset_in(group, one).shape or () for one in names_in(group)]
    return []


def _found(path: Path) -> str:
    try:
        return found_instead(Wire(read_file(path), os.fspath(path), "NetParameter"))
    except FormatError:
        return "is no HDF5 file, or damaged at its beginning"


def write_hdf5_weights(path: Path, data: Tree, diff: Tree | None = None, *, hashed: bool = True) -> Written:
    """Write the arrays of all layers; the file appears whole or not at all.

    data, diff: float32 or float64; the names of layers are the net's, which has seen to it that groups can bear them.
    hashed: whether the SHA-256 is wanted.
    Raises FileError where the system refuses to write.
    """

    def fill(file: Any) -> None:
        for name, tree in (("data", data), ("diff", diff)):
            if tree is not None:
                _write_tree(file.create_group(name), tree)

    return write_hdf5(path, fill, hashed=hashed)


def _write_tree(parent: Any, tree: Tree) -> None:
    for name, arrays in tree.items():
        group = parent.create_group(name.encode("utf-8", "surrogateescape"))
        for i, array in arrays.items():
            group.create_dataset(str(i), data=array)
