"""Rows of many HDF5 files, read one file after the other, over and over, as listed or shuffled.

An epoch is one pass over all rows. Shuffling orders the files anew in each epoch, and the rows within each file; rows
of different files never mix. Both orders depend on the seed, the layer's name, the epoch and the file alone, so that
(epoch, index), rows used in this epoch, is all there is to know about a place.

As hdf5_data_layer.cpp.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from minicaffe.backend.random import generator
from minicaffe.errors import DataError, FileError, FormatError, ShapeError, reason_of
from minicaffe.io.hdf5 import SIGNATURE, Path, Shape, read_datasets, read_shapes


def read_list(path: Path) -> list[str]:
    """The file names in a text file, separated by white space.

    Raises FileError where it cannot be read, FormatError where it is no text, DataError where it names no file.
    """
    name = os.fspath(path)
    try:
        with open(name, "rb") as stream:
            text = stream.read(len(SIGNATURE))
            if text == SIGNATURE:
                raise FormatError("is an HDF5 file itself, must be a text file with the names of such files", file=name)
            text += stream.read()
    except OSError as error:
        raise FileError(f"cannot be read: {reason_of(error)}; create it, or correct its name", file=name) from error
    if b"\0" in text:
        raise FormatError("is no text, must hold the names of HDF5 files", file=name)
    # Cut at ASCII's white space only, as C++ does: a name may hold other blanks.
    names = [os.fsdecode(word) for word in text.split()]
    if not names:
        raise DataError("is empty, must have at least 1 HDF5 file name in it", file=name)
    return names


class HDF5Rows:
    """The rows of the datasets `names` of all files, in an order given by (epoch, index).

    paths: of the files; all are looked at here, and loaded whole, one at a time, when their turn has come.
    seed, key: of what is drawn, and for whom.  shuffle: whether files and rows are shuffled.

    shapes: of one row of each dataset.  count: rows of all files together, one epoch.
    Raises what read_shapes does, and ShapeError for datasets of one file that have other numbers of rows, or none, and
    for a file with other rows than the first.
    """

    def __init__(
        self,
        paths: Sequence[str],
        names: Sequence[str],
        dtype: Any = np.float32,
        *,
        shuffle: bool = False,
        seed: int = 0,
        key: str = "",
    ) -> None:
        self._paths, self._names, self._dtype = list(paths), list(names), dtype
        self._shuffle, self._key = shuffle, key
        self._shapes = [read_shapes(path, names) for path in paths]
        self.shapes: list[Shape] = [shape[1:] for shape in self._shapes[0]]
        for file in range(len(paths)):
            self._check_rows(file)
        self._counts = np.array([shapes[0][0] for shapes in self._shapes])
        self.count = int(self._counts.sum())
        # What is at hand: a file's values, and the orders that `reseed` takes back.
        self._loaded: int | None = None
        self._values: list[np.ndarray] = []
        self.reseed(seed)

    def reseed(self, seed: int) -> None:
        """Shuffle by another seed from now on."""
        self._seed = seed
        # The order of files in an epoch, and where each of them ends; the order of rows in an epoch's file.
        self._epoch, self._files, self._ends = -1, np.empty(0, int), np.empty(0, int)
        self._ordered, self._rows = (-1, -1), np.empty(0, int)

    def read(self, epoch: int, index: int, out: Sequence[np.ndarray]) -> tuple[int, int]:
        """Fill `out`, an array (N, *row) for each dataset, with the N rows from a place on; returns the place behind.

        Raises what read_datasets does, and DataError where a file is not what it was.
        """
        filled, size = 0, len(out[0])
        while filled < size:
            if index == self.count:
                epoch, index = epoch + 1, 0
            file, row = self._locate(epoch, index)
            step = min(size - filled, int(self._counts[file]) - row)
            self._load(file)
            for values, array in zip(self._values, out, strict=True):
                self._copy(values, epoch, file, slice(row, row + step), array[filled : filled + step])
            filled, index = filled + step, index + step
        return epoch, index

    def _locate(self, epoch: int, index: int) -> tuple[int, int]:
        """The file (its number in the list) that holds a place, and which of its rows in turn."""
        if epoch != self._epoch:
            self._files = self._order(len(self._paths), "hdf5 files", epoch)
            self._ends = np.cumsum(self._counts[self._files])
            self._epoch = epoch
        turn = int(np.searchsorted(self._ends, index, side="right"))
        file = int(self._files[turn])
        return file, index - int(self._ends[turn] - self._counts[file])

    def _copy(self, values: np.ndarray, epoch: int, file: int, turns: slice, out: np.ndarray) -> None:
        if not self._shuffle:
            out[...] = values[turns]
            return
        if self._ordered != (epoch, file):
            self._rows = self._order(len(values), "hdf5 rows", epoch, file)
            self._ordered = epoch, file
        # All in range; "clip" spares NumPy a copy that it would need to undo what it wrote.
        np.take(values, self._rows[turns], axis=0, out=out, mode="clip")

    def _order(self, count: int, *key: str | int) -> np.ndarray:
        return generator(self._seed, *key, self._key).permutation(count) if self._shuffle else np.arange(count)

    def _load(self, file: int) -> None:
        """Have the values of one file at hand, and of no other."""
        if file == self._loaded:
            return
        self._loaded, self._values = None, []
        values = read_datasets(self._paths[file], self._names, self._dtype)
        found = [array.shape for array in values]
        if found != self._shapes[file]:
            text = f"has been changed since the net was built: its shapes were {self._shapes[file]} and are {found}"
            raise DataError(f"{text}; leave it alone, or build the net anew", file=self._paths[file])
        self._loaded, self._values = file, values

    def _check_rows(self, file: int) -> None:
        """A row of each dataset, as many of each, and of the first file's shapes."""
        path, rows = self._paths[file], self._shapes[file][0][0]
        for name, shape, wanted in zip(self._names, self._shapes[file], self.shapes, strict=True):
            if not shape[0]:
                raise ShapeError(f'dataset "{name}" has no rows: leave the file out of the list', file=path)
            if shape[0] != rows:
                text = f'dataset "{name}" has {shape[0]} rows, "{self._names[0]}" has {rows}'
                raise ShapeError(f"{text}; all must have the same number", file=path)
            if shape[1:] != wanted:
                text = f'a row of dataset "{name}" has shape {shape[1:]}, in the first file, {self._paths[0]}, {wanted}'
                raise ShapeError(f"{text}; all files must agree", file=path)
