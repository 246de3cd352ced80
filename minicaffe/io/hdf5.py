"""HDF5 files of arrays: datasets read by name, and written all at once.

    data, label = read_datasets("train.h5", ["data", "label"])
    write_datasets("features.h5", {"data": data, "label": label})

Numbers are converted to the type that is asked for, by the HDF5 library; what is neither integer nor float is refused.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from minicaffe.errors import DataError, FileError, FormatError, MinicaffeError, ShapeError
from minicaffe.io.hdf5_write import write_hdf5
from minicaffe.proto.hints import nearest

SIGNATURE = b"\x89HDF\r\n\x1a\n"
# Names of a file that an error lists.
_MOST_NAMES = 20
_ADVICE = "store integers or floats, from h5py: file[name] = array.astype('float32')"

Path = str | os.PathLike[str]
Shape = tuple[int, ...]


def read_shapes(path: Path, names: Sequence[str]) -> list[Shape]:
    """The shapes of the datasets of these names, without their values. Raises what read_datasets raises."""
    with opened_hdf5(path) as file:
        return [_dataset(file, name).shape for name in names]


def read_datasets(path: Path, names: Sequence[str], dtype: Any = np.float32) -> list[np.ndarray]:
    """The datasets of these names, whole, converted to `dtype`.

    Raises FileError where the file cannot be opened, FormatError where it is no HDF5 file or damaged, DataError for a
    dataset that is missing or holds no numbers, ShapeError for one without an axis or too large for the memory.
    """
    with opened_hdf5(path) as file:
        return [_values(_dataset(file, name), dtype) for name in names]


def write_datasets(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a file that holds these arrays under these names, or leave what is there: io/atomic.py.

    It is of the oldest format that can hold them, so that the libraries of Caffe's time read it.
    """

    def fill(file: Any) -> None:
        for name, array in arrays.items():
            file.create_dataset(name, data=array)

    write_hdf5(path, fill, hashed=False)


@contextmanager
def opened_hdf5(path: Path) -> Iterator[Any]:
    """An h5py.File for reading. The errors of the block name the file."""
    import h5py

    name = os.fspath(path)
    if not os.path.isfile(name):
        reason = "is no plain file" if os.path.exists(name) else "no such file"
        raise FileError(f"{reason}; create it, or correct its name", file=name)
    try:
        with h5py.File(name, "r") as file:
            yield file
    except MinicaffeError as error:
        raise type(error)(str(error), file=name) from error.__cause__
    except OSError as error:
        if error.errno:
            text = f"cannot be read: {os.strerror(error.errno).lower()}; see who may read it, and who is writing it"
            raise FileError(text, file=name) from error
        raise _damaged(name, error) from error
    # What the library says of damaged files comes as any of these.
    except (RuntimeError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise _damaged(name, error) from error


def _damaged(name: str, error: Exception) -> FormatError:
    detail = str(error).strip("\"'")
    return FormatError(f"is no HDF5 file, or damaged ({detail}); write it again", file=name)


def _dataset(file: Any, name: str) -> Any:
    """The h5py.Dataset of numbers with one axis or more."""
    import h5py

    if name not in file:
        raise DataError(f'has no dataset "{name}"{_others(file, name)}')
    _refuse_links(file, name)
    found = file[name]
    if not isinstance(found, h5py.Dataset):
        inside = _others(found, name) if isinstance(found, h5py.Group) else ""
        raise DataError(f'"{name}" is a {type(found).__name__.lower()}, must be a dataset{inside}')
    if found.is_virtual or found.external:
        raise DataError(f'the values of dataset "{name}" are in other files; copy them into this one')
    kind = found.id.get_type().get_class()
    if kind not in (h5py.h5t.INTEGER, h5py.h5t.FLOAT):
        raise DataError(f'dataset "{name}" is of class {class_name(kind)}, must hold integers or floats; {_ADVICE}')
    if not found.shape:
        raise ShapeError(f'dataset "{name}" has no axis, must have one or more: the first counts the rows')
    return found


def _refuse_links(file: Any, name: str) -> None:
    """Raises DataError for a dataset on the way to which another file lies: that could be any on this machine."""
    import h5py

    parts = name.strip("/").split("/")
    for depth in range(len(parts)):
        path = "/".join(parts[: depth + 1])
        if isinstance(file.get(path, getlink=True), h5py.ExternalLink):
            raise DataError(f'"{path}" is a link to another file; copy what it means into this one')


def _others(group: Any, name: str) -> str:
    # Bytes for a name that is no UTF-8.
    names = [str(other) for other in group]
    if not names:
        return "; there is nothing in it"
    shown = ", ".join(names[:_MOST_NAMES]) + (", ..." if len(names) > _MOST_NAMES else "")
    close = nearest(name, names)
    return f"; it has {shown}" + (f" - did you mean {close}?" if close else "")


def class_name(kind: int) -> str:
    """HDF5's name for a class of types. h5py writes bool as an enumeration."""
    from h5py import h5t

    names = ("STRING", "COMPOUND", "ENUM", "OPAQUE", "REFERENCE", "BITFIELD", "VLEN", "ARRAY", "TIME")
    known = {getattr(h5t, name): name for name in names}
    return known.get(kind, "COMPLEX") + (" (bool, say)" if kind == h5t.ENUM else "")


def _values(dataset: Any, dtype: Any) -> np.ndarray:
    from h5py import h5s

    try:
        values = np.empty(dataset.shape, dtype)
    # NumPy's word for sizes beyond any memory.
    except (MemoryError, ValueError) as error:
        name, sizes = dataset.name.lstrip("/"), " x ".join(map(str, dataset.shape))
        text = f'dataset "{name}" of {sizes} values of {np.dtype(dtype).itemsize} bytes does not fit into memory'
        raise ShapeError(f"{text}; split the file") from error
    dataset.id.read(h5s.ALL, h5s.ALL, values)
    return values
