"""Groups and arrays of an HDF5 file, read from files that anybody may have made.

Only what lies in the file itself is followed: a link or a dataset that names another file could make us read anything.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from minicaffe.blob import checked_shape
from minicaffe.errors import FormatError, MinicaffeError
from minicaffe.io.hdf5 import class_name

# Bytes of values that one byte of a file can hold: DEFLATE's best, and some more.
_MOST_COMPRESSED = 1100


def names_in(group: Any) -> list[str]:
    """The names in an h5py.Group, in the order of their bytes; such as are no UTF-8 with their bytes escaped."""
    return [_text(name) for name in sorted(group.id)]


def group_in(parent: Any, name: str) -> Any:
    """The group of that name, an h5py.Group. Raises FormatError where there is none, or it lies in another file."""
    import h5py

    found = _member(parent, name)
    if not isinstance(found, h5py.Group):
        raise FormatError(f'"{_path(parent, name)}" is a {type(found).__name__.lower()}, must be a group')
    return found


def dataset_in(parent: Any, name: str) -> Any:
    """The h5py.Dataset of that name. Raises FormatError where there is none, or its values are in another file."""
    import h5py

    found, path = _member(parent, name), _path(parent, name)
    if not isinstance(found, h5py.Dataset):
        raise FormatError(f'"{path}" is a {type(found).__name__.lower()}, must be a dataset')
    properties = found.id.get_create_plist()
    if properties.get_layout() == h5py.h5d.VIRTUAL or properties.get_external_count():
        raise FormatError(f'the values of "{path}" are in another file; copy them into this one')
    return found


def array_in(parent: Any, name: str) -> np.ndarray:
    """The values of a dataset of numbers: float64 as stored, all others as float32, converted by the library.

    Raises FormatError as dataset_in, for what is neither integer nor float, and for more than the file can hold.
    """
    import h5py

    found, path = dataset_in(parent, name), _path(parent, name)
    kind = found.id.get_type()
    if kind.get_class() not in (h5py.h5t.INTEGER, h5py.h5t.FLOAT):
        raise FormatError(f'"{path}" is of class {class_name(kind.get_class())}, must hold integers or floats')
    if found.shape is None:
        raise FormatError(f'"{path}" has no values')
    wide = kind.get_class() == h5py.h5t.FLOAT and kind.get_size() == 8
    _check_size(found, path)
    values = np.empty(found.shape, np.float64 if wide else np.float32)
    if values.size:
        found.id.read(h5py.h5s.ALL, h5py.h5s.ALL, values)
    return values


def _check_size(dataset: Any, path: str) -> None:
    """Before anything is allocated: sizes in a damaged file may be any."""
    try:
        # Sizes of 0 left out: the others alone must not overflow either.
        _, count = checked_shape([size or 1 for size in dataset.shape])
    except MinicaffeError as error:
        raise FormatError(f'"{path}": {error}') from error
    most = _MOST_COMPRESSED * os.path.getsize(dataset.file.filename)
    if 0 not in dataset.shape and count > most:
        raise FormatError(f'"{path}" claims {count} values, more than the file can hold: it is damaged')


def _member(parent: Any, name: str) -> Any:
    import h5py

    key = name.encode("utf-8", "surrogateescape")
    if not parent.id.links.exists(key):
        raise FormatError(f'has no "{_path(parent, name)}": it is not whole, or of another kind')
    if parent.id.links.get_info(key).type != h5py.h5l.TYPE_HARD:
        raise FormatError(f'"{_path(parent, name)}" is a link to elsewhere; copy what it means into the file')
    return parent[key]


def _path(parent: Any, name: str) -> str:
    return f"{parent.name}/{name}".lstrip("/")


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
