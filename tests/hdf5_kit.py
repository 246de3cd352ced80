"""HDF5 files for tests, and the lists that name them, written with h5py alone."""

from itertools import count

import h5py
import numpy as np


def write_file(path, **arrays):
    """A file of these datasets; its path as text."""
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array
    return str(path)


def write_list(folder, *names, file="list.txt", separator="\n"):
    """A list of file names; its path as text."""
    (folder / file).write_text(separator.join(map(str, names)), encoding="utf-8")
    return str(folder / file)


def write_numbered(folder, sizes, row=()):
    """Files of so many rows each, whose values count through all of them; their paths.

    Datasets: "data", rows of shape `row`, all of whose values are the row's number; "label", 100 more.
    """
    numbers, paths = count(), []
    for file, size in enumerate(sizes):
        label = np.array([next(numbers) for _ in range(size)])
        data = np.broadcast_to(label.reshape(-1, *[1] * len(row)), (size, *row))
        paths.append(write_file(folder / f"{file}.h5", data=data.astype(np.float32), label=label + 100))
    return paths
